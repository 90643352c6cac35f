"""Versions of hosts and packs, compared as Python packages are (PEP 440): an alpha comes before its release."""

from __future__ import annotations

import contextlib
import operator
import re

from packaging.version import Version

_BOUND = re.compile(r"(<=|>=|<|>|==)\s*([\w.+!-]+)")
_HOLDS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


def version_of(text: str) -> Version | None:
    """Return a version, or None for a text that does not begin with one.

    Of a text that is not in the form of PEP 440, such as `0.3.75-dirty`, the leading numbers count.
    """
    leading = re.match(r"v?\d+(?:\.\d+)*", text.strip())
    for form in (text, leading[0] if leading else ""):
        with contextlib.suppress(ValueError):  # InvalidVersion, or more digits than Python reads
            return Version(form)
    return None


def within(text: str, bounds: str) -> bool | None:
    """Return whether a version keeps all bounds of a range such as ">=8, <8.28.3", None where it cannot be read.

    Raises ValueError for a range in another form.
    """
    version, holds = version_of(text), True
    for bound in filter(None, (part.strip() for part in bounds.split(","))):
        found = _BOUND.fullmatch(bound)
        other = version_of(found[2]) if found else None
        if not found or other is None:
            raise ValueError(f"{bound!r} is not a bound of a version, such as >=1.2")
        holds = holds and version is not None and _HOLDS[found[1]](version, other)
    return holds if version is not None else None


def same_version(one: str, other: str) -> bool:
    """Return whether two texts name the same version: 1.0 and 1.0.0 do."""
    versions = version_of(one), version_of(other)
    return one == other if None in versions else versions[0] == versions[1]
