"""Training steps with the fused kernels against the same steps without them, on one card, in one run.

    python benchmarks/fused_kernels.py --comfyui DIR [--out FILE] [--small]

Random weights in SD1.5's layout, rank 128, 512 px, bf16, recorded passes. Losses are compared step by step with those
of the same training in fp32, which says whether the kernels are less exact than torch's own. Eight people who are
trained at once are compared with eight trainings one after the other. `--small` is for a CPU, which has no kernels: a
few steps on the pocket checkpoint, to see that it runs. Torch, safetensors and what the ComfyUI needs must be in this
interpreter.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import facts, keep, parser

HERE = Path(__file__).resolve().parent
POCKET = HERE.parent / ".studio" / "models" / "checkpoints" / "pocket.safetensors"
CASES = ("sd15 batch 32", "sd15 batch 32, text encoder", "sd15 batch 4", "sd15 batch 4, text encoder")
EIGHT = {
    "sd15 eight people, batch 4 each": CASES[2],
    "sd15 eight people, batch 4 each, text encoder": CASES[3],
}
"""People trained at once, and the training of one of them alone."""
NATIVE = "--disable-cuda-malloc"  # torch's allocator, with which passes are recorded


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--comfyui", type=Path, required=True)
    options.add_argument("--small", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        files = {"sd15": str(POCKET if given.small else Path(work) / "sd15.safetensors")}
        shared = {"files": files, "comfyui": str(given.comfyui), "small": given.small}
        shared["arguments"] = ["--cpu"] if given.small else [NATIVE]
        if not given.small:
            _answers(shared | {"task": "make"})
        cases = CASES[2:3] if given.small else CASES
        eight = list(EIGHT)[:1] if given.small else list(EIGHT)
        job = shared | {"task": "trainings", "cases": cases}
        runs = {
            "torch's own": _answers(job | {"unfused": True}),
            "fused": _answers(job | {"cases": [*cases, *eight]}),
            "fp32": _answers(job | {"unfused": True, "cases": CASES[2:3], "changes": {"precision": "fp32"}}),
        }
    figures = {"machine": facts(), "runs": runs, "ratios": {}, "farthest from fp32": {}, "at once": {}}
    for name in cases:
        rates = [runs[kind][name]["samples_per_second"] for kind in ("fused", "torch's own")]
        figures["ratios"][name] = round(rates[0] / rates[1], 3)
        print(f"  {name:<28} {rates[1]:8.1f} -> {rates[0]:8.1f} samples/s   {rates[0] / rates[1]:.2f}x")
    for name in eight:
        one, all_ = (runs["fused"][case] for case in (EIGHT[name], name))
        ratio = figures["at once"][name] = round(all_["samples_per_second"] / one["samples_per_second"], 3)
        print(f"  {name:<46} {all_['samples_per_second']:8.1f} samples/s   {ratio:.2f}x one after the other")
    for kind in ("torch's own", "fused"):
        pairs = zip(runs[kind][CASES[2]]["losses"], runs["fp32"][CASES[2]]["losses"], strict=True)
        figures["farthest from fp32"][kind] = round(max(abs(one - other) for one, other in pairs), 6)
    print(f"  losses farthest from fp32: {figures['farthest from fp32']}")
    keep(given.out, figures)


def _answers(job: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "in_host.py"), json.dumps(job)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        sys.exit(told.stderr[-3000:])
    rows = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    return {row["case"]: row for row in rows if "case" in row}


if __name__ == "__main__":
    main()
