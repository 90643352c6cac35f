"""What the hosts of a batch must have in common, so that no picture depends on where it was made."""

from __future__ import annotations

from collections.abc import Mapping

from ..client import HostInfo
from ..jobs import Recipe
from .errors import BatchError


class DifferentHostError(BatchError):
    """A host is not made as the others of its batch are."""


def traits(host: HostInfo, recipe: Recipe) -> dict[str, str]:
    """Return what decides how a host's pictures look, as words for a sentence."""
    return {
        "ComfyUI": host.version,
        "the Portrait Studio pack": (host.pack_version or "of an unknown version") if host.pack else "not loaded",
        "how our nodes are declared": recipe.pack_fingerprint(),
        "how the graph's nodes are declared": recipe.fingerprint(),
    }


def differences(one: str, its: Mapping[str, str], other: str, others: Mapping[str, str]) -> list[str]:
    """Return a sentence's beginning for each trait that two hosts do not share; `one` and `other` are their names."""
    return [
        f"{what} is {its[what]} at {one} and {others[what]} at {other}"
        for what in its
        if what in others and its[what] != others[what]
    ]


def refusal(found: list[str]) -> DifferentHostError:
    """Return the error that names what differs."""
    return DifferentHostError(
        f"The hosts differ: {'; '.join(found)}; a picture would depend on where it is made, so bring them to the same "
        "state, leave one out, or allow it with --allow-differences"
    )
