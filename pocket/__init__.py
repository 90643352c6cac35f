"""The embedded model family: synthetic people, how it was trained, and the shipped weights."""
