"""Training inside a ComfyUI as artists have it: dynamic VRAM on and off, both allocators, and through a real server.

    python benchmarks/host_training.py --comfyui DIR [--out FILE] [--seconds 520] [--only PART ...] [--small]

Everything runs in processes of their own, so that what crashes takes nothing else down, and a process that ends badly
(at the interpreter's exit too) is reported. What is measured for speed runs alone; the other servers and the tests run
at once at the end, each server with a subject of its own. Losses are compared step by step; "once more" is the same
case again, which says how far two runs are apart for no reason. `--small` is for a CPU: does it run? Needs about ten
minutes of an NVIDIA card with 24 GB, and torch, safetensors and what the ComfyUI needs in this interpreter.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from machine import facts, keep, parser

from portrait_studio.runner import client, demo

ROOT = Path(__file__).resolve().parents[1]
CASES = ("sd15 batch 32", "sd15 batch 32, text encoder", "sd15 batch 4", "sd15 batch 4, text encoder", "sdxl batch 1")
AGAIN = "sd15 batch 4 once more"
OFF, NATIVE = "--disable-dynamic-vram", "--disable-cuda-malloc"
MODES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "dynamic": ([], (*CASES, AGAIN)),
    "plain": ([OFF], (*CASES, AGAIN)),
    "dynamic, torch's allocator": ([NATIVE], (CASES[0], CASES[3])),
    "plain, torch's allocator": ([OFF, NATIVE], (CASES[0], CASES[3])),
}
HOSTS = {"dynamic": [], "plain": [OFF], "lowvram": ["--lowvram"], "novram": ["--novram"], "torch's allocator": [NATIVE]}
ALLOCATORS = {"torch's": {}, "CUDA's": {"PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"}}
NEED_A_CARD = ["tests/trainer/test_cuda_graphs.py", "tests/pocket/people/test_render.py"]
ALONE = ("make", *(f"trainings: {mode}" for mode in MODES), "first step", "subject", "host: dynamic")
AT_ONCE = (*(f"host: {name}" for name in HOSTS if name != "dynamic"), *(f"tests: {one}" for one in ALLOCATORS))


class Measurement:
    """What was found so far, kept in a file after every part."""

    def __init__(self, given: argparse.Namespace, work: Path) -> None:
        self.given, self.work, self.end = given, work, time.monotonic() + given.seconds
        self.figures: dict[str, Any] = {"machine": facts(), "small": given.small, "parts": {}}
        self.lock = threading.Lock()

    def left(self, most: float) -> float:
        """Return the seconds that a part may take, of `most`."""
        return max(0.0, min(most, self.end - time.monotonic()))

    def note(self, part: str, found: Any) -> None:
        """Keep what a part found."""
        with self.lock:
            self.figures["parts"][part] = found
            keep(self.given.out, self.figures)
            print(f"[{time.monotonic() - self.end + self.given.seconds:5.0f} s] {part}: {_short(found)}", flush=True)

    def inside(self, task: str, most: float, **job: Any) -> list[dict[str, Any]]:
        """Run a task of in_host.py and return its answers, the last of which says how the process ended."""
        job |= {"task": task, "comfyui": str(self.given.comfyui), "small": self.given.small}
        job["arguments"] = [*job.get("arguments", []), *(["--cpu"] if self.given.small else [])]
        command = [sys.executable, str(ROOT / "benchmarks" / "in_host.py"), json.dumps(job)]
        allocator = ALLOCATORS["torch's" if NATIVE in job["arguments"] else "CUDA's"]
        return self.lines(command, most, env=os.environ | allocator)

    def lines(self, command: Sequence[str], most: float, **options: Any) -> list[dict[str, Any]]:
        """Run a command and return its lines of JSON, and at last how it ended."""
        began, limit = time.monotonic(), self.left(most * (5 if self.given.small else 1))  # a CPU is slow
        if limit < 10:
            return [{"ended": "not run: no time left"}]
        with tempfile.TemporaryFile("w+", dir=self.work) as out, tempfile.TemporaryFile("w+", dir=self.work) as errors:
            process = subprocess.Popen(command, stdout=out, stderr=errors, start_new_session=True, **options)
            try:
                code: int | str = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = f"stopped after {limit:.0f} s"
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            out.seek(0)
            errors.seek(0)
            answers = [json.loads(line) for line in out.read().splitlines() if line.startswith("{")]
            said = errors.read()[-2500:]
        answers.append({"ended": code, "seconds": round(time.monotonic() - began, 1)})
        if code:
            answers[-1]["said"] = said
        return answers


def trainings(mode: str, here: Measurement) -> list[dict[str, Any]]:
    """Train the cases of a mode; those behind a crash in a new process."""
    arguments, cases = MODES[mode]
    waiting = [case for case in cases if not (here.given.small and case.startswith("sdxl"))]
    found: list[dict[str, Any]] = []
    while waiting:
        answers = here.inside("trainings", 170, arguments=arguments, cases=waiting, files=checkpoints(here))
        found += answers
        done = [answer["case"] for answer in answers if "case" in answer]
        if answers[-1]["ended"] == 0 or str(answers[-1]["ended"]).startswith("not run"):
            break
        waiting = waiting[len(done) + 1 :]
    return found


def checkpoints(here: Measurement) -> dict[str, str]:
    """Return the files of the checkpoints by name."""
    pocket = str(here.given.models / "checkpoints" / "pocket.safetensors")
    random = {kind: str(here.work / f"{kind}.safetensors") for kind in ("sd15", "sdxl")}
    return {"pocket": pocket, **(dict.fromkeys(random, pocket) if here.given.small else random)}


def through_a_host(name: str, here: Measurement, preset: str) -> dict[str, Any]:
    """Train a person and make the portrait twice through a ComfyUI server, as an artist would."""
    device = ["--cpu"] if here.given.small else []
    work = here.work / f"host {name}"
    arguments = [*HOSTS[name], *device, "--disable-api-nodes", *here.given.argument]
    arguments += ["--extra-model-paths-config", str(demo.model_paths(here.given.models, work))]
    found: dict[str, Any] = {"arguments": HOSTS[name]}
    began = time.monotonic()
    with client.start(here.given.comfyui, Path(sys.executable), work, arguments=arguments, timeout=120) as host:
        stop = threading.Timer(here.left(240), host.process.kill)
        stop.start()
        try:
            found["start"] = round(time.monotonic() - began, 1)
            photos = demo.example_photos("nora")
            settings = (("trigger", "n0ra"), ("class_word", "woman"), ("preset", preset))
            began = time.monotonic()
            # Subjects are kept in ComfyUI's own models folder, and one is trained by one host at a time.
            training = demo.DemoTraining(f"speed {name}", settings)
            report = demo.run_demo(host, work / "pictures", photos, training=training)
            found["train-subject"] = report["training"]["seconds"]
            found["likeness"] = report["training"]["likeness"]
            found["portrait-starter with the subject"] = round(time.monotonic() - began - found["train-subject"], 1)
            began = time.monotonic()
            report = demo.run_demo(host, work / "pictures", photos, training=training)
            found["once more"] = round(time.monotonic() - began, 1)
            found["stages"] = {stage["name"]: stage["likeness"] for stage in report["stages"]}
            found["device"] = report["host"]["device"]
        except Exception as error:
            found["failed"] = f"{type(error).__name__}: {error}"[:1500]
        finally:
            stop.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(host.process.pid, signal.SIGINT)  # an orderly exit, which frees all that the host manages
        try:
            found["exit"] = host.process.wait(30)
        except subprocess.TimeoutExpired:
            found["exit"] = "did not end"
        log = host.log.read_text("utf-8", "replace")
        found["dynamic"] = "DynamicVRAM support detected and enabled" in log
        crashed = [line for line in log.splitlines() if "Fatal Python" in line or "Segmentation" in line]
        found["log"] = crashed or (log[-2500:] if "failed" in found else "")
    return found


def tests(allocator: str, here: Measurement) -> dict[str, Any]:
    """Run the tests that need a card, with one of the allocators; what was skipped is said with its reason."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-ra",
        "-p",
        "no:cacheprovider",
        *NEED_A_CARD,
        "-k",
        "cuda_graphs or gpu",
    ]
    environment = os.environ | ALLOCATORS[allocator]
    try:
        answer = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=here.left(150), check=False
        )
    except subprocess.TimeoutExpired:
        return {"ended": "out of time"}
    lines = answer.stdout.strip().splitlines()
    found = {"ended": answer.returncode, "said": lines[-1] if lines else answer.stderr[-800:]}
    found |= {"skipped": [line for line in lines if line.startswith("SKIPPED")]}
    return found | ({"output": answer.stdout[-2500:]} if answer.returncode else {})


def at_once(parts: Sequence[str], here: Measurement) -> None:
    """Do parts whose speed is not compared, all together."""
    with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        waiting = {pool.submit(run, part, here): part for part in parts}
        for done in concurrent.futures.as_completed(waiting):
            if error := done.exception():
                here.note(waiting[done], f"{type(error).__name__}: {error}"[:1500])


def run(part: str, here: Measurement) -> None:
    """Do one part and keep what it finds."""
    quick = "pocket-quick" if here.given.small else "pocket"
    if part == "make":
        random = {kind: file for kind, file in checkpoints(here).items() if kind != "pocket"}
        here.note(part, here.inside("make", 120, arguments=[OFF], files=random) if not here.given.small else [])
    elif part.startswith("trainings: "):
        here.note(part, trainings(part.removeprefix("trainings: "), here))
    elif part == "first step":
        here.note(part, here.inside("first step", 70, cases=[CASES[1]], files=checkpoints(here)))
    elif part == "subject":
        job = {"files": checkpoints(here), "people": str(demo.ROOT / "pocket" / "subjects" / "nora")}
        here.note(part, here.inside("subject", 110, work=str(here.work), **job))
    elif part.startswith("host: "):
        here.note(part, through_a_host(part.removeprefix("host: "), here, quick if part in ALONE else "pocket-quick"))
    else:
        here.note(part, tests(part.removeprefix("tests: "), here))


def table(figures: dict[str, Any]) -> list[str]:
    """Return the comparisons in words."""
    rows = {
        mode: {answer["case"]: answer for answer in figures["parts"].get(f"trainings: {mode}", ()) if "case" in answer}
        for mode in MODES
    }
    lines = [f"{'':<30}{'samples/s':>20}{'ratio':>8}{'losses apart (mean, most)':>28}"]
    for on, off in (("dynamic", "plain"), ("dynamic, torch's allocator", "plain, torch's allocator")):
        for case, one in rows[on].items():
            other = rows[off].get(case)
            if other:
                rates = one["samples_per_second"], other["samples_per_second"]
                lines.append(
                    f"{case:<30}{rates[0]:>10.2f}{rates[1]:>10.2f}{rates[0] / rates[1]:>8.3f}{_apart(one, other):>28}"
                    f"  {'recorded' if one['recorded'] else 'plain'}"
                )
        if AGAIN in rows[on]:
            lines.append(f"{'the same twice, ' + on:<58}{_apart(rows[on][CASES[2]], rows[on][AGAIN]):>28}")
    for part in ("first step", "subject"):
        for answer in figures["parts"].get(part, ()):
            if "seconds" in answer and isinstance(answer["seconds"], dict):
                lines += [f"{part}:", *(f"  {name:<44}{value:>9.2f} s" for name, value in answer["seconds"].items())]
    return lines


def _apart(one: dict[str, Any], other: dict[str, Any]) -> str:
    gaps = [abs(a - b) / abs(b) for a, b in zip(one["losses"], other["losses"], strict=True)]
    return f"{sum(gaps) / len(gaps):.1e}, {max(gaps):.1e}"


def _short(found: Any) -> str:
    if isinstance(found, list):
        shown = [
            {key: value for key, value in answer.items() if key not in ("losses", "costliest")} for answer in found
        ]
        return "".join(f"\n    {json.dumps(answer)[:900]}" for answer in shown)
    return json.dumps(found)[:1800]


def main() -> None:
    """Measure and print."""
    options = parser(__doc__ or "")
    options.add_argument("--comfyui", type=Path, default=ROOT / ".studio" / "ComfyUI", help="with this pack in it")
    options.add_argument("--models", type=Path, default=ROOT / ".studio" / "models", help="the assembled pocket models")
    options.add_argument("--argument", action="append", default=[], help="one more argument for the servers")
    options.add_argument("--seconds", type=float, default=520, help="after so long nothing more is begun")
    options.add_argument(
        "--only", action="append", choices=ALONE + AT_ONCE, help="can be given several times; all when left out"
    )
    options.add_argument("--small", action="store_true", help="a few steps on a CPU")
    given = options.parse_args()
    given.comfyui = given.comfyui.resolve()
    with tempfile.TemporaryDirectory() as work:
        here = Measurement(given, Path(work))
        wanted = given.only or ALONE + AT_ONCE
        for part in (one for one in ALONE if one in wanted):
            try:
                run(part, here)
            except Exception as error:
                here.note(part, f"{type(error).__name__}: {error}"[:1500])
        if together := [one for one in AT_ONCE if one in wanted]:
            at_once(together, here)
        here.figures["lines"] = table(here.figures)
        keep(given.out, here.figures)
        print("\n".join(here.figures["lines"]))


if __name__ == "__main__":
    main()
