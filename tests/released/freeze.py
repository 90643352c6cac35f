"""Freezes shipped graphs as they are released; what is frozen is never changed.

Run from the repository root when a version is released: python -m tests.released.freeze portrait-starter ...
"""

from __future__ import annotations

import hashlib
import json
import sys

from .frozen import HASHES, HERE, freeze


def main(names: list[str]) -> None:
    """Copy the shipped graphs of these names, each version once. Raises SystemExit for a name that is not shipped."""
    known = dict(HASHES)
    shipped = {}
    for file in (HERE.parents[1] / "workflows").glob("*.json"):
        raw = file.read_bytes()
        studio = json.loads(raw)["extra"]["portrait_studio"]
        shipped[studio["name"]] = f"{studio['name']}.{studio['version']}.json", raw
    odd = sorted(set(names) - set(shipped))
    if odd or not names:
        unknown = f"{', '.join(odd)} is not shipped. " if odd else ""
        raise SystemExit(f"{unknown}Name the graphs to freeze, of: {', '.join(sorted(shipped))}.")
    for name in names:
        frozen, raw = shipped[name]
        if frozen in known:
            continue
        freeze(frozen, raw)
        known[frozen] = hashlib.sha256(raw).hexdigest()
        sys.stdout.write(f"{frozen}\n")
    (HERE / "hashes.json").write_text(json.dumps(known, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
