"""From photos on the disk to a judged subject, part by part, in one process of a ComfyUI.

    python benchmarks/subject_time.py [--comfyui DIR] [--cpu] [--preset NAME] [--steps N] [--out FILE]

One of the people that ship with the pack is trained on the pocket checkpoint. Each part's seconds are without those of
the parts that it calls, so that they add up; on a card every part waits until the card is done. Torch and what the
ComfyUI needs must be in this interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import facts, keep, parser

ROOT = Path(__file__).resolve().parents[1]
STUDIO = ROOT / ".studio"


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--comfyui", type=Path, default=STUDIO / "ComfyUI")
    options.add_argument("--cpu", action="store_true", help="no card")
    options.add_argument("--preset", default="pocket")
    options.add_argument("--steps", type=int, help="fewer than the preset has")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        job: dict[str, Any] = {"task": "subject", "comfyui": str(given.comfyui), "small": False, "work": work}
        job |= {"arguments": ["--cpu"] if given.cpu else [], "preset": given.preset}
        job |= {"files": {"pocket": str(STUDIO / "models" / "checkpoints" / "pocket.safetensors")}}
        job |= {"people": str(ROOT / "pocket" / "subjects" / "nora")}
        job |= {"changes": {"steps": given.steps}} if given.steps else {}
        began = time.perf_counter()
        command = [sys.executable, str(ROOT / "benchmarks" / "in_host.py"), json.dumps(job)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        whole = time.perf_counter() - began
    if told.returncode:
        sys.exit(told.stderr[-3000:])
    (answer,) = (json.loads(line) for line in told.stdout.splitlines() if line.startswith("{"))
    threads = os.environ.get("OMP_NUM_THREADS")
    figures = {"machine": facts(), "threads": threads, "preset": given.preset, "process": round(whole, 2), **answer}
    for name, seconds in answer["seconds"].items():
        print(f"  {name:<44}{seconds:>9.2f} s{answer['calls'].get(name, 1):>6} times")
    print(f"  {'photos on the disk to the subject':<44}{answer['whole']:>9.2f} s")
    print(f"  {'the whole process':<44}{whole:>9.2f} s")
    keep(given.out, figures)


if __name__ == "__main__":
    main()
