"""How work is cut for the kernels."""

from __future__ import annotations


def parts(count: int, size: int) -> int:
    """Return how many parts of `size` hold `count`."""
    return -(-count // size)


def power_of_two(count: int) -> int:
    """Return the smallest power of two that is at least `count`: Triton's ranges have such lengths."""
    return 1 << (count - 1).bit_length()
