"""What was tried against the readers of foreign files, and what held: a table, and benchmarks/results/hostile.json.

Run: python tests/hostile/table.py. Rows of other tables in that file stay.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "hostile.json"
SLOWEST = 20.0  # seconds that one try may take


def main() -> None:
    """Print the table and keep it; exits with 1 when anything did not hold."""
    spec = importlib.util.spec_from_file_location("tries", Path(__file__).with_name("tries.py"))
    assert spec and spec.loader
    tries = importlib.util.module_from_spec(spec)
    sys.modules["tries"] = tries
    spec.loader.exec_module(tries)
    tried, held, slowest, peak = Counter(), Counter(), Counter(), Counter()
    with tempfile.TemporaryDirectory() as folder:
        for one in tries.every(Path(folder)):
            begin = time.monotonic()
            fault = one.fault()
            took = time.monotonic() - begin
            tried[one.kind] += 1
            held[one.kind] += not fault and took < SLOWEST
            slowest[one.kind] = max(slowest[one.kind], round(took, 2))
            peak[one.kind] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # of all so far
            if fault or took >= SLOWEST:
                sys.stdout.write(f"{one.kind}: {one.name}: {fault or f'{took:.0f} s'}\n")
    rows = json.loads(RESULT.read_text("utf-8")) if RESULT.is_file() else {}
    for kind in tried:
        rows[kind] = {
            "tries": tried[kind],
            "held": held[kind],
            "slowest_s": slowest[kind],
            "peak_mb": peak[kind],
            "command": "python tests/hostile/table.py",
        }
        sys.stdout.write(
            f"{kind:>22} {tried[kind]:6} tries {held[kind]:6} held {slowest[kind]:6.2f} s {peak[kind]:6} MB\n"
        )
    RESULT.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    sys.exit(tried != held)


if __name__ == "__main__":
    main()
