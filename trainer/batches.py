"""Which pictures a pass sees: pictures of one size together, every picture equally often, and always the same ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch

from .objective import generator

_ORDER = 1 << 20  # keeps the draws for the order apart from those for the noise


def batch(sizes: Sequence[Hashable], count: int, number: int, seed: int) -> list[int]:
    """Return which of the pictures pass `number` sees: `count` of them, all of one size.

    An epoch shows every picture at least once; a size with fewer pictures than fill its last batch repeats some. The
    answer depends on the arguments alone, never on what was asked before.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(size, []).append(index)
    a_epoch = sum(-(-len(members) // count) for members in groups.values())
    epoch, place = divmod(number, a_epoch)
    random = generator(seed, _ORDER, epoch)
    batches = []
    for members in groups.values():
        order = [members[i] for i in torch.randperm(len(members), generator=random)]
        while len(order) % count:
            order += [members[i] for i in torch.randperm(len(members), generator=random)][: count - len(order) % count]
        batches += [order[i : i + count] for i in range(0, len(order), count)]
    return batches[torch.randperm(len(batches), generator=random)[place]]


def class_pictures(count: int, share: float, number: int) -> int:
    """Return how many of the `count` pictures of pass `number` show the class; in the long run `share` (0..1) do."""
    return int((number + 1) * count * share + 1e-9) - int(number * count * share + 1e-9)
