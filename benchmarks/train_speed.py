"""LoRA training, ours against kohya sd-scripts: one GPU, one SD1.5-layout checkpoint, equal samples seen.

Run: python benchmarks/train_speed.py [--out FILE] [--smoke]

UNet and text encoder, rank 128, 512 px, min-SNR, cached latents; random weights, which cost what real ones cost.
Every contestant runs in a process of its own: sd-scripts with batch 1 (EasyPhoto's setting) and 4, ours with a large
batch and with the low-memory preset. Seconds count from before the first step to after the last, so warm-up is in
them; a run that would outlast --limit is stopped, and the rest is reckoned at the rate of its second half. Memory is
what the GPU holds above what it held before (on a CPU: the process's own).

sd-scripts is what `portrait-studio trainer install-kohya` set up. On a machine without a network, give the folder of
the code and of the wheels that Python lacks there (docs/kohya.md): --sd-scripts DIR --wheels DIR.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import facts, keep, parser

from portrait_studio.trainer.examples import Example, TrainingSet
from portrait_studio.trainer.kohya import installation, installing, training
from portrait_studio.trainer.settings import TrainSettings, load

ROOT = Path(__file__).resolve().parents[1]
PICTURES = 16
SHARED = {
    "rank": 128,
    "alpha": 64.0,
    "learning_rate": 1e-4,
    "text_encoder_rate": 5e-5,
    "prior_weight": 0.0,
    "ema_decay": 0.0,
    "mask_weight": 0.0,
    "caption_dropout": 0.0,
    "sample_every": 100_000,
    "patience": 0,
}
TARGETS = {"over sd-scripts batch 4": 5.0, "over sd-scripts batch 1": 20.0}


@dataclass
class Contestant:
    """What one contestant did: `seconds` for all samples, reckoned when it was `stopped` early."""

    name: str
    batch: int
    samples: int
    seen: int = 0
    seconds: float = 0.0
    until_first_step: float = 0.0
    peak_mb: float = 0.0
    stopped: bool = False
    error: str = ""

    @property
    def rate(self) -> float:
        """Samples a second, warm-up included."""
        return self.samples / self.seconds if self.seconds else 0.0


class Clock:
    """Takes the times of steps and turns them into a Contestant's figures."""

    def __init__(self, limit: float) -> None:
        self.started, self.limit = time.monotonic(), limit
        self.times: list[tuple[int, float]] = []

    def tick(self, step: int) -> None:
        """Note that so many steps are done; zero begins the count."""
        if not self.times or step > self.times[-1][0]:
            self.times.append((step, time.monotonic()))

    @property
    def over(self) -> bool:
        """Whether the limit has passed since the first step began."""
        return bool(self.times) and time.monotonic() - self.times[0][1] > self.limit

    def fill(self, run: Contestant, steps: int, a_step: int) -> None:
        """Write the figures into `run`; `a_step` is the samples of one step."""
        if len(self.times) < 2:
            run.error = run.error or "no step was made"
            return
        (first, begun), (last, ended) = self.times[0], self.times[-1]
        run.until_first_step = round(begun - self.started, 2)
        run.seen = (last - first) * a_step
        run.seconds = ended - begun
        if last < steps:
            middle, halfway = self.times[len(self.times) // 2]
            run.stopped = True
            run.seconds += (steps - last) * (ended - halfway) / max(1, last - middle)
        run.seconds = round(run.seconds, 2)


@contextlib.contextmanager
def peak_memory(run: Contestant, pid: Callable[[], int | None]) -> Iterator[None]:
    """Note the most memory (MB) in use meanwhile: of the GPU, above what it held at first, else of the process."""
    ended = threading.Event()
    before = _gpu_memory()

    def look() -> None:
        while not ended.wait(0.2):
            now = _gpu_memory()
            used = now - before if now is not None and before is not None else _resident(pid())
            run.peak_mb = max(run.peak_mb, used)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _gpu_memory() -> float | None:
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        return float(answer.stdout.strip()) if not answer.returncode else None
    except (OSError, ValueError):
        return None


def _resident(pid: int | None) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path(f"/proc/{pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1024
    return 0.0


def pictures(side: int) -> TrainingSet:
    """Return a training set of noise, with captions of the usual length."""
    random = np.random.default_rng(0)
    examples = tuple(
        Example(
            random.integers(0, 255, (side, side, 3), dtype=np.uint8),
            np.ones((side, side), np.float32),
            f"portrait photo of ohwx woman, head and shoulders, front view, number {number}",
            f"{number}.png",
            f"{number:064x}",
        )
        for number in range(PICTURES)
    )
    return TrainingSet(examples, (), (), "ohwx", "woman")


def settings_for(batch: int, samples: int, side: int, smoke: bool, base: str = "sd15") -> TrainSettings:
    """Return the settings of a contestant that sees `samples` samples."""
    chosen = load(base).with_changes({**SHARED, "resolution": side, "warm_up": 0, "schedule": "constant"})
    accumulation = 1 if base == "sd15" else chosen.accumulation
    small: dict[str, Any] = {"rank": 4, "alpha": 2.0, "precision": "fp32"} if smoke else {"precision": "bf16"}
    steps = max(1, samples // (batch * accumulation))
    return chosen.with_changes({"batch": batch, "accumulation": accumulation, "steps": steps, **small})


def kohya(
    name: str, settings: TrainSettings, base: Path, found: installation.KohyaInstallation, limit: float
) -> Contestant:
    """Run sd-scripts."""
    run = Contestant(name, settings.batch, settings.passes)
    clock, processes = Clock(limit), []

    def listen(event: training.TrainingEvent) -> None:
        if isinstance(event, training.TrainingStep):
            clock.tick(event.step)

    def children() -> int | None:
        processes[:] = _children(os.getpid()) or processes
        return processes[0] if processes else None

    with tempfile.TemporaryDirectory() as work, peak_memory(run, children):
        try:
            images = pictures(settings.resolution)
            setup = training.KohyaRun(images, settings, base, found, Path(work), cancelled=lambda: clock.over)
            outcome = training.train(setup, listener=listen)
            run.error = str(outcome.error or "")
        except training.KohyaError as error:
            run.error = str(error)
    clock.fill(run, settings.steps, settings.batch * settings.accumulation)
    return run


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(status.parent.name))
    return found


def native(name: str, settings: TrainSettings, base: Path, python: Path, comfyui: Path, limit: float) -> Contestant:
    """Run our trainer in a process of its own; this file, started with --child."""
    run = Contestant(name, settings.batch, settings.passes)
    clock = Clock(limit)
    job = json.dumps({"settings": settings.as_dict(), "base": str(base), "comfyui": str(comfyui)})
    command = [str(python), str(Path(__file__).resolve()), "--child", job]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(base.parent)
    )
    assert process.stdout
    assert process.stderr
    said: list[str] = []
    listener = threading.Thread(target=lambda: said.extend(process.stderr or ()))
    listener.start()
    with peak_memory(run, lambda: process.pid):
        for line in process.stdout:
            if line.startswith("step "):
                clock.tick(int(line.split()[1]))
            if clock.over:
                process.kill()
        code = process.wait()
    listener.join()
    if code and not clock.over:
        run.error = "".join(said[-12:])
    clock.fill(run, settings.steps, settings.batch * settings.accumulation)
    return run


def _environment(work: Path) -> dict[str, str]:
    """Return this environment with this package importable in any Python, by a link in `work`."""
    site = work / "site"
    site.mkdir(exist_ok=True)
    if not (site / "portrait_studio").exists():
        (site / "portrait_studio").symlink_to(ROOT, target_is_directory=True)
    known = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *([known] if known else [])])}


def child(job: dict[str, Any]) -> None:
    """Train natively as `job` says, and print a line after every step."""
    sys.path.insert(0, job["comfyui"])
    sys.argv = sys.argv[:1]
    import torch

    if not torch.cuda.is_available():
        sys.argv.append("--cpu")
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.sd

    from portrait_studio.trainer.loop import Training
    from portrait_studio.trainer.lora import Lora
    from portrait_studio.trainer.native import NativeModel
    from portrait_studio.trainer.training_data import TrainingData

    settings = TrainSettings(**job["settings"])
    with torch.inference_mode():
        loaded, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(job["base"])
    with torch.inference_mode(False):
        model = NativeModel(
            loaded,
            clip,
            vae,
            settings.precision,
            text_encoder=settings.text_encoder_rate > 0,
            convolutions=settings.convolutions,
            checkpointing=settings.gradient_checkpointing,
        )
        lora = Lora(model.layers, settings.rank, settings.alpha, settings.seed)
        with lora.attached():
            model.record(lora.parameters)
            work = Training(TrainingData(model, pictures(settings.resolution), settings), lora, settings)
            _say(0)
            while work.step < settings.steps:
                work.advance()
                if work.step == settings.steps:
                    work.look()
                    if torch.cuda.is_available():
                        torch.cuda.synchronize()
                _say(work.step)


def _say(step: int) -> None:
    sys.stdout.write(f"step {step}\n")
    sys.stdout.flush()


def set_up(code: Path, wheels: Path, comfyui: Path, home: Path) -> installation.KohyaInstallation:
    """Make an environment of wheels over this Python's packages, without a network, and return it."""
    home.mkdir(parents=True, exist_ok=True)
    folder = home / installation.ENVIRONMENT
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    site = Path(sysconfig.get_path("purelib", "posix_prefix", {"base": str(folder), "platbase": str(folder)}))
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as packed:  # none of these has scripts or headers, and pip may not be there
            packed.extractall(site)
    import torch

    (site / installing.SHARED).write_text(f"{Path(torch.__file__).parents[1]}\n", "utf-8")
    tokenizers = installing.tokenizers(home, comfyui, print)
    found = installation.KohyaInstallation(
        code.resolve(), installation.python_of(folder), installation.check(code.resolve()), tokenizers
    )
    installation.remember(found, home)
    return found


def random_checkpoint(found: installation.KohyaInstallation, folder: Path) -> Path:
    """Return an SD1.5-layout checkpoint of random weights, written by sd-scripts' own network classes."""
    path = folder / "random.safetensors"
    if not path.is_file():
        script = ROOT / "tests" / "trainer" / "kohya" / "random_sd15.py"
        environment = installation.environment() | {"PYTHONPATH": str(found.folder)}
        part = path.with_name("part.safetensors")
        subprocess.run([found.python, script, part], env=environment, check=True, capture_output=True)
        part.replace(path)
    return path


def options() -> argparse.Namespace:
    """Read the command line."""
    given = parser(__doc__ or "")
    given.add_argument("--smoke", action="store_true", help="a few samples of 64 px: does it run?")
    given.add_argument("--samples", type=int, default=3200, help="samples that every contestant sees")
    given.add_argument("--resolution", type=int, default=512)
    given.add_argument("--native-batch", type=int, action="append", help="can be given several times; 16 when left out")
    given.add_argument("--limit", type=float, default=240.0, help="seconds a contestant may train for")
    given.add_argument("--only", action="append", help="names of contestants; all when left out")
    given.add_argument("--comfyui", type=Path, default=ROOT / ".studio" / "ComfyUI")
    given.add_argument("--sd-scripts", type=Path, help="its code, for --wheels")
    given.add_argument("--wheels", type=Path, help="make sd-scripts' environment of these wheels over this Python")
    given.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "portrait-studio-train-speed")
    given.add_argument("--child", help=argparse.SUPPRESS)
    return given.parse_args()


def contestants(given: argparse.Namespace) -> dict[str, TrainSettings]:
    """Return the settings of every run by its name."""
    samples, side = (4, 64) if given.smoke else (given.samples, given.resolution)
    large = given.native_batch or ([2] if given.smoke else [16])
    fourth = 2 if given.smoke else 4
    runs = {
        "sd-scripts batch 1": settings_for(1, samples, side, given.smoke),
        "sd-scripts batch 4": settings_for(fourth, samples, side, given.smoke),
        "native low memory": settings_for(1, samples, side, given.smoke, "sd15-low-memory"),
    }
    runs |= {f"native batch {batch}": settings_for(batch, samples, side, given.smoke) for batch in large}
    return {name: runs[name] for name in runs if not given.only or name in given.only}


def main() -> None:
    """Measure and print."""
    given = options()
    if given.child:
        child(json.loads(given.child))
        return
    given.work.mkdir(parents=True, exist_ok=True)
    found = (
        set_up(given.sd_scripts, given.wheels, given.comfyui, given.work / "sd-scripts-home")
        if given.wheels
        else installation.find()
    )
    python = found.python if given.wheels else Path(sys.executable)
    base = random_checkpoint(found, given.work)
    runs: dict[str, Contestant] = {}
    for name, settings in contestants(given).items():
        if name.startswith("sd-scripts"):
            run = kohya(name, settings, base, found, given.limit)
        else:
            run = native(name, settings, base, python, given.comfyui, given.limit)
        runs[name] = run
        print(_row(run), flush=True)
        keep(given.out, report(runs, given, found))
    for line in report(runs, given, found)["lines"]:
        print(line)


def _row(run: Contestant) -> str:
    if run.error:
        return f"  {run.name:<22} failed: {run.error}"
    note = " (stopped early, reckoned)" if run.stopped else ""
    return f"  {run.name:<22} {run.rate:8.2f} samples/s   peak {run.peak_mb:8.0f} MB{note}"


def report(
    runs: dict[str, Contestant], given: argparse.Namespace, found: installation.KohyaInstallation
) -> dict[str, Any]:
    """Return everything measured, and the comparisons in words."""
    fast = [run for name, run in runs.items() if name.startswith("native batch") and not run.error]
    best = max(fast, key=lambda run: run.rate, default=None)
    ratios, lines = {}, []
    for words, wanted in TARGETS.items():
        peer = runs.get(words.removeprefix("over "))
        if best and peer and peer.rate:
            ratios[words] = round(best.rate / peer.rate, 2)
            lines.append(f"  {best.name} {words}: {ratios[words]:.1f}x (wanted: {wanted:g}x)")
    low, four = runs.get("native low memory"), runs.get("sd-scripts batch 4")
    if low and four and low.peak_mb and four.peak_mb:
        ratios["memory, low over batch 4"] = round(low.peak_mb / four.peak_mb, 3)
        lines.append(f"  low memory: {low.peak_mb:.0f} MB, sd-scripts batch 4: {four.peak_mb:.0f} MB (wanted: less)")
    shown = {name: asdict(run) | {"samples_per_second": round(run.rate, 3)} for name, run in runs.items()}
    return {
        "smoke": given.smoke,
        "resolution": 64 if given.smoke else given.resolution,
        "sd_scripts": found.version,
        "device": found.device(),
        "runs": shown,
        "ratios": ratios,
        "lines": lines,
        "machine": facts(),
    }


if __name__ == "__main__":
    main()
