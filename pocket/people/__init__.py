"""Synthetic people: bodies, poses, and everything that makes a picture of them."""
