"""The data files beside this module: pins, layouts, traps."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ...portrait.disk import read_toml


@functools.cache
def table(name: str) -> dict[str, Any]:
    """Return the contents of `name`.toml."""
    return read_toml(Path(__file__).with_name(f"{name}.toml"))
