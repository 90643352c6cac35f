"""The data files beside this module: pins, layouts, traps."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib


@functools.cache
def table(name: str) -> dict[str, Any]:
    """Return the contents of `name`.toml."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text("utf-8"))
