"""Which Portrait Studio this is: its version, and a hash of the code and data that decide what its nodes do."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from .disk import read_toml

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("nodes", "portrait", "trainer")
KINDS = (".py", ".json", ".toml", ".safetensors")
NOT_IN_THE_ARCHIVE = (
    "trainer/kohya/",
    "trainer/lora_group.py",
    "trainer/several.py",
    "portrait/likeness/page.py",
    "portrait/networks/convert.py",
    "portrait/places.py",
    "portrait/processes.py",
    "portrait/provenance/",
    "portrait/subject_store.py",
)


@functools.cache
def version() -> str:
    """Return the version that pyproject.toml has; empty where the file is not there."""
    try:
        found = read_toml(ROOT / "pyproject.toml")["project"]["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


@functools.cache
def code() -> str:
    """Return `fingerprint` of the pack that runs, as it was when it was first asked. Raises OSError."""
    return fingerprint(ROOT)


def fingerprint(root: Path) -> str:
    """Return 12 hex digits over the code and data of the nodes: two packs with the same digits do the same.

    A version number says less: a checkout keeps it from one commit to the next. Files that only the command line or the
    Registry's archive has do not count. Raises OSError.
    """
    digest = hashlib.sha256()
    for part in PARTS:
        for file in sorted((root / part).rglob("*")):
            name = file.relative_to(root).as_posix()
            if file.suffix in KINDS and file.is_file() and not name.startswith(NOT_IN_THE_ARCHIVE):
                digest.update(f"{name}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]
