"""Likeness that can be trusted: the person's own band, the nearest training photo, spread, and a second opinion.

A single cosine is highest for a copy of a photo. So a picture is compared with how alike the person's real photos are
to each other: it should be as alike as they are, and not more.
"""
