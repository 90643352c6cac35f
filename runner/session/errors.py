"""What keeps a session from going on."""

from __future__ import annotations

from collections.abc import Sequence

from ...portrait.errors import PortraitError
from ..client import exit_code

MOST_LISTED = 8


class SessionError(PortraitError):
    """A session cannot be begun or gone on with as asked."""

    key = "session"
    exit_code = exit_code("failed")


class PhotosUnfitError(PortraitError):
    """The photos will not do: too few that show the person's face well, or two people in them."""

    key = "photos_unfit"
    exit_code = exit_code("photo")


class ConsentError(PortraitError):
    """Nobody said that the person in the photos agrees."""

    key = "consent"
    exit_code = exit_code("consent")


def listed(texts: Sequence[str]) -> str:
    """Return the first of some texts for a sentence, and how many more there are."""
    more = len(texts) - MOST_LISTED
    return ", ".join(texts[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
