"""Restore: faces through a restoration network of one's own, laid back into the picture.

The door is not opened here: `networks` needs no torch, and the doctor asks it about files on a disk.
"""
