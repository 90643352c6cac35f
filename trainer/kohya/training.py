"""One training through sd-scripts: files written, process watched, checkpoints judged, the best one kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import files
from ..examples import TrainingSet
from ..settings import TrainSettings
from . import checkpoint as checkpoints
from . import command, dataset, pickup, progress, prompts, traps
from .errors import KohyaError
from .installation import INSTALL, KohyaInstallation, environment
from .process import Process

Judge = Callable[[Path], float]
CaptionedPicture = tuple[np.ndarray, str]
LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True)
class Phase:
    """sd-scripts begins something that takes a while."""

    what: str


@dataclass(frozen=True)
class TrainingStep:
    """`step` of `steps` are done; `loss` is a running mean, `seconds` counts from the start."""

    step: int
    steps: int
    loss: float | None
    seconds: float


@dataclass(frozen=True)
class Sampled:
    """A sample picture is at `path`."""

    step: int
    prompt: int
    path: Path


@dataclass(frozen=True)
class Saved:
    """A checkpoint is at `path`; `score` is what the judge says of it, None without a judge."""

    step: int
    path: Path
    score: float | None


TrainingEvent = Phase | TrainingStep | Sampled | Saved


@dataclass
class TrainingOutcome:
    """What a training left.

    `ended` is "finished", "cancelled", "early" (no better checkpoint for `patience` judged ones) or "failed" (with
    `error`; what was good before that is kept). `losses` holds (step, running mean).
    """

    ended: str = "finished"
    checkpoints: list[Saved] = field(default_factory=list)
    samples: list[Sampled] = field(default_factory=list)
    losses: list[tuple[int, float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    error: KohyaError | None = None

    @property
    def best(self) -> Saved | None:
        """The checkpoint of the highest score, the later of two equal ones; the last one where none was judged."""
        judged = [saved for saved in self.checkpoints if saved.score is not None and math.isfinite(saved.score)]
        if judged:
            return max(judged, key=lambda saved: (saved.score, saved.step))
        return self.checkpoints[-1] if self.checkpoints else None


@dataclass(frozen=True)
class KohyaRun:
    """What sd-scripts is to work on, whether it trains or only draws.

    `work` is a folder for crops, captions and what comes of them: delete it afterwards. Samples are drawn in `size`
    (width, height). `cancelled` is asked ten times a second on another thread; sd-scripts and all its children are gone
    within a second after it first says True.
    """

    training_set: TrainingSet
    settings: TrainSettings
    checkpoint: Path
    installation: KohyaInstallation
    work: Path
    size: tuple[int, int] | None = None
    cancelled: Callable[[], bool] = lambda: False

    @property
    def layout(self) -> str:
        """What kind of model the checkpoint is: "sd15" or "sdxl". Raises KohyaError for any other."""
        return checkpoints.layout(self.checkpoint)


def train(
    run: KohyaRun,
    *,
    class_images: Sequence[CaptionedPicture] = (),
    samples: Sequence[prompts.SamplePrompt] = (),
    judge: Judge | None = None,
    listener: Callable[[TrainingEvent], None] = lambda event: None,
) -> TrainingOutcome:
    """Train a LoRA for the checkpoint of a run.

    `class_images` are pictures (RGB, uint8) of the class with their captions; `samples` are drawn before the first step
    and with every checkpoint. Checkpoints are handed to `judge` (higher is better) and `listener` on the caller's
    thread, after their samples, as files whose metadata is clean.

    Raises KohyaError, with sd-scripts' own last lines, when it fails before there is a checkpoint; a failure after that
    is in `TrainingOutcome.error`.
    """
    settings = run.settings
    written = _prepare(run, class_images)
    watched = _Watched(run, written, judge, listener)
    watched.outcome.warnings += run.installation.warnings + command.limits(settings)
    if settings.prior_weight > 0 and settings.prior_share > 0 and not class_images:
        watched.outcome.warnings.append(
            "There are no class images, so nothing keeps the class itself from changing (prior_weight is not followed)."
        )
    file = prompts.write(samples, settings, run.work, run.size) if samples else None
    with _start(run, written, file) as process:
        watched.follow(process)
    return watched.outcome


def draw(run: KohyaRun, wanted: Sequence[prompts.SamplePrompt], lora: Path | None = None) -> list[Path]:
    """Return the pictures of `wanted` that the checkpoint makes in sd-scripts, with `lora` if given; it does not train.

    It samples before a first step that never comes. The LoRA must have the rank of the settings. Raises KohyaError when
    it fails, and when it is cancelled.
    """
    written = _prepare(run, ())
    file = prompts.write(wanted, run.settings, run.work, run.size)
    found: dict[int, Path] = {}
    looker = pickup.Pickup(run.work, run.settings.steps)
    with _start(run, written, file, lora) as process:
        while len(found) < len(wanted):
            process.line(0.2)
            ended = not process.running  # asked before looking: what it left is seen then
            found |= {sample.prompt: sample.path for sample in looker.samples() if sample.step == 0}
            if ended:
                break
        if process.was_cancelled:
            raise KohyaError("The training was cancelled before its first step; nothing was kept.")
        if len(found) < len(wanted):
            raise traps.explain(process.wait(), process.tail, run.settings)
    return [found[number] for number in range(len(wanted))]


def _prepare(run: KohyaRun, class_images: Sequence[CaptionedPicture]) -> dataset.Dataset:
    run.layout  # noqa: B018 - a checkpoint that cannot be trained is refused before anything is written
    try:
        (run.work / command.OUTPUT).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KohyaError(f"{run.work} cannot be written ({error.strerror}); choose another folder.") from None
    return dataset.write(run.training_set, run.settings, run.work, class_images)


def _start(run: KohyaRun, written: dataset.Dataset, file: Path | None, lora: Path | None = None) -> Process:
    installation = run.installation
    precision = installation.precision(run.settings.precision)
    options = command.arguments(
        run.settings,
        written,
        run.checkpoint.resolve(),
        precision,
        run.layout,
        prompts=file,
        tokenizers=installation.tokenizers,
        start_from=lora.resolve() if lora else None,
    )
    script = installation.folder / checkpoints.script(run.layout)
    surroundings = environment(offline=installation.tokenizers is not None, on_gpu=precision == "bf16")
    try:
        return Process([installation.python, LEASH, script, *options], run.work, surroundings, run.cancelled)
    except OSError as error:
        raise KohyaError(
            f"{installation.python.name} of sd-scripts' environment could not be started ({error.strerror}); run "
            f"'{INSTALL}' again."
        ) from None


class _Watched:
    """A training while it runs: what it says is read, what it leaves is picked up and judged."""

    def __init__(
        self, run: KohyaRun, written: dataset.Dataset, judge: Judge | None, listener: Callable[[TrainingEvent], None]
    ) -> None:
        self.outcome = TrainingOutcome()
        self._settings, self._layout, self._work = run.settings, run.layout, run.work
        self._written = written
        self._judge = judge
        self._listener = listener
        self._pickup = pickup.Pickup(run.work, run.settings.steps)
        self._started = time.monotonic()
        self._phase = ""

    def follow(self, process: Process) -> None:
        """Read the process until it ends or is not worth going on with."""
        looked = 0.0
        while True:
            line = process.line(0.2)
            if line is not None and self._lost(line):
                process.kill()
                self.outcome.ended = "failed"
                break
            if line is None and not process.running:
                break
            if time.monotonic() - looked > 0.5:
                self._collect()
                looked = time.monotonic()
            if self._gone_stale():
                process.kill()
                self.outcome.ended = "early"
                break
        self.outcome.seconds = time.monotonic() - self._started
        if process.was_cancelled:
            self.outcome.ended = "cancelled"
            return
        code = process.wait()
        self._collect()
        if self.outcome.ended == "finished" and not (code == 0 and self._complete()):
            self.outcome.ended = "failed"
            self.outcome.error = traps.explain(code, process.tail, self._settings)
        if self.outcome.error and not self.outcome.checkpoints:
            raise self.outcome.error

    def _complete(self) -> bool:
        return any(saved.step == self._settings.steps for saved in self.outcome.checkpoints)

    def _lost(self, line: str) -> bool:
        """Take in a line; return whether the loss has become no number."""
        what = progress.phase(line)
        if what and what != self._phase:
            self._phase = what
            self._listener(Phase(what))
        state = progress.progress(line)
        if state is None:
            return False
        seconds = time.monotonic() - self._started
        self._listener(TrainingStep(state.step, state.steps, state.loss, seconds))
        if state.loss is None:
            return False
        losses = self.outcome.losses
        if losses and losses[-1][0] == state.step:
            losses.pop()  # a bar is drawn several times a step, the last time with the mean that counts
        if not math.isfinite(state.loss):
            self.outcome.error = KohyaError(
                f"The loss is not a number any more at step {state.step}, with the learning rate "
                f"{self._settings.learning_rate:g}; lower learning_rate, or set precision to fp32."
            )
            return True
        if state.step:
            losses.append((state.step, state.loss))
        return False

    def _collect(self) -> None:
        # In this order: sd-scripts draws a step's samples before it saves the step, and the judge wants to see them.
        fresh = self._pickup.checkpoints()
        for sample in self._pickup.samples():
            taken = Sampled(sample.step, sample.prompt, sample.path)
            self.outcome.samples.append(taken)
            self._listener(taken)
        for step, path in fresh:
            if any(saved.step == step for saved in self.outcome.checkpoints):
                continue  # the last state is saved twice when the steps divide evenly
            target = self._work / f"lora-{step:06d}.safetensors"
            if not pickup.clean(path, target, self._facts(step)):
                self.outcome.warnings.append(f"The checkpoint of step {step} is left out: it holds NaN or infinity.")
                continue
            saved = Saved(step, target, self._judge(target) if self._judge else None)
            self.outcome.checkpoints.append(saved)
            self._listener(saved)

    def _gone_stale(self) -> bool:
        patience, judged = self._settings.patience, self.outcome.checkpoints
        if not (patience and self._judge and self.outcome.best):
            return False
        return len(judged) - 1 - judged.index(self.outcome.best) >= patience and not self._complete()

    def _facts(self, step: int) -> dict[str, str]:
        return files.metadata(self._settings, self._layout, step, self._written.pictures, self._written.class_pictures)
