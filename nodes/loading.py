"""What can be wrong with how the pack is installed in custom_nodes, each in one sentence for ComfyUI's log."""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
PACKAGE = (__package__ or "").rpartition(".")[0]
A_NODE = "PortraitLoadPhotos"


def other_copy() -> str | None:
    """Return the sentence for the artist when another copy of the pack has given its nodes already, or None."""
    known = getattr(sys.modules.get("nodes"), "NODE_CLASS_MAPPINGS", {}).get(A_NODE)
    module = sys.modules.get(known.__module__) if known else None
    if module is None or module.__name__.startswith(f"{PACKAGE}."):
        return None
    first = Path(str(module.__file__)).resolve().parents[1]
    return (
        f"Portrait Studio is installed twice: {first.name} is in use and {HERE.name} is not; remove one of them from "
        "custom_nodes and restart ComfyUI."
    )


def missing(error: ImportError) -> str:
    """Return what to do about an import that failed: of a module of ours, or of one of requirements.txt."""
    name = error.name or "a module"
    if not isinstance(error, ModuleNotFoundError) and (part := re.search(r"cannot import name '(\w+)'", str(error))):
        name = f"{name}.{part[1]}"
    if name.startswith(f"{PACKAGE}."):
        file = name.removeprefix(f"{PACKAGE}.").replace(".", "/")
        return (
            f"Portrait Studio in {HERE.name} was unpacked only in part: {file} is missing; remove it and install again."
        )
    return (
        f"Portrait Studio cannot import {name} ({error}): install its requirements.txt into ComfyUI's Python, or let "
        "ComfyUI-Manager fix the pack."
    )
