"""Freezes the shipped graphs as they are released; what is frozen is never changed.

Run from the repository root when a version is released: python -m tests.released.freeze
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
HASHES = HERE / "hashes.json"


def main() -> None:
    """Copy every shipped graph that has no frozen copy of its version yet."""
    known = json.loads(HASHES.read_text("utf-8"))
    for file in sorted((HERE.parents[1] / "workflows").glob("*.json")):
        raw = file.read_bytes()
        studio = json.loads(raw)["extra"]["portrait_studio"]
        name = f"{studio['name']}.{studio['version']}.json"
        if name in known:
            continue
        (HERE / name).write_bytes(raw)
        known[name] = hashlib.sha256(raw).hexdigest()
        sys.stdout.write(f"{name}\n")
    HASHES.write_text(json.dumps(known, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
