"""How long a session takes from six photos of a ready subject to portraits and sheet, nothing set: wall and processor.

The private host of install.py is started and stopped by the session, and counted. There is no peer: ComfyUI has
nothing that goes from photos to portraits. Processor seconds are those of the command and all it started; on a machine
that does other work too they are the figure to look at, and two cores cannot take less than half of them.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import facts, keep, parser

ROOT = Path(__file__).parents[1]
NAME = "Session Benchmark"
STORE = ROOT / ".studio" / "ComfyUI" / "models" / "portrait_studio" / "subjects"


def measure(subject: str, photos: int) -> dict:
    """Run one session and return its figures; likeness is a mean cosine."""
    given = sorted((ROOT / "pocket" / "subjects" / subject).glob("*.jpg"))[:photos]
    folder = Path(tempfile.mkdtemp(prefix="session-"))
    command = [sys.executable, "-m", "portrait_studio.runner", "session", *map(str, given), "--name", NAME]
    command += ["--consent", "--replace", "--out", str(folder), "--json"]
    steps: dict[str, float] = {}
    likeness: list[float] = []
    trained: dict[str, float] | None = None
    clock = time.monotonic()
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] in ("photos_judged", "subject_ready", "session_finished"):
                    steps[event["event"]] = round(time.monotonic() - clock, 1)
                if event["event"] == "subject_ready":
                    trained = {"before": event["before"], "after": event["after"]}
                if event["event"] == "row_done" and event["likeness"] is not None:
                    likeness.append(event["likeness"])
        seconds = time.monotonic() - clock
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode:
            raise SystemExit(f"the session ended with {process.returncode}")
        sheet = (folder / "contact_sheet.png").stat().st_size
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(STORE / NAME, ignore_errors=True)
    return {
        "subject": subject,
        "photos": len(given),
        "seconds": round(seconds, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "seconds_after_start": steps,
        "likeness_of_training": trained,
        "portraits": len(likeness),
        "likeness_of_portraits": [round(one, 3) for one in sorted(likeness, reverse=True)],
        "sheet_bytes": sheet,
    }


def main() -> None:
    """Measure, print and keep."""
    options = parser(__doc__ or "")
    options.add_argument("--subject", default="mina")
    options.add_argument("--photos", type=int, default=6)
    given = options.parse_args()
    told = {"machine": facts(), "session": measure(given.subject, given.photos)}
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    keep(given.out, told)


if __name__ == "__main__":
    main()
