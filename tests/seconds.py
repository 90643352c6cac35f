"""How long the slow test files take, so that a run on several processes starts with the longest.

`python3 install.py test` leaves its report; `python -m tests.seconds` takes the seconds over from there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

FILE = Path(__file__).with_suffix(".json")
REPORT = FILE.parents[1] / ".studio" / "tests.xml"
SLOW = 5  # seconds; files that take less are not listed

SECONDS: dict[str, int] = json.loads(FILE.read_text("utf-8"))
"""Seconds by path from the root of the tree. Only their order is used."""


def seconds(path: Path, root: Path) -> int:
    """Return the seconds that the test file took; 0 for a short one and for one that nobody measured."""
    return SECONDS.get(path.relative_to(root).as_posix(), 0)


def main() -> None:
    """Write down the seconds of the slow files of the last run of the whole suite."""
    spent: defaultdict[str, float] = defaultdict(float)
    for case in ElementTree.parse(REPORT).iter("testcase"):  # noqa: S314 - pytest wrote it
        spent[case.attrib["classname"].replace(".", "/") + ".py"] += float(case.attrib["time"])
    slow = {file: round(took) for file, took in sorted(spent.items()) if took >= SLOW}
    FILE.write_text(json.dumps(slow, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()
