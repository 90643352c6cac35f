"""The policy of a batch, as policy.toml has it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ...portrait import disk
from ..scheduling import Policy


@cache
def _shipped() -> Policy:
    return Policy.of(disk.read_toml(Path(__file__).with_name("policy.toml")))


def policy(**changes: Any) -> Policy:
    """Return the shipped policy, some of its values changed."""
    return replace(_shipped(), **changes)
