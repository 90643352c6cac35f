"""One training through sd-scripts: files written, process watched, checkpoints judged, the best one kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..examples import TrainingSet
from ..settings import TrainSettings
from . import checkpoint as checkpoints
from . import command, dataset, pickup, progress, prompts, traps
from .errors import KohyaError
from .installation import Installation, environment
from .process import Process

Judge = Callable[[Path], float]
Picture = tuple[np.ndarray, str]
LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True)
class Phase:
    """sd-scripts begins something that takes a while."""

    what: str


@dataclass(frozen=True)
class Step:
    """`step` of `steps` are done; `loss` is a running mean, `seconds` counts from the start."""

    step: int
    steps: int
    loss: float | None
    seconds: float


@dataclass(frozen=True)
class Sampled:
    """A sample picture lies at `path`."""

    step: int
    prompt: int
    path: Path


@dataclass(frozen=True)
class Saved:
    """A checkpoint lies at `path`; `score` is what the judge says of it, None without a judge."""

    step: int
    path: Path
    score: float | None


Event = Phase | Step | Sampled | Saved


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


def train(
    training_set: TrainingSet,
    settings: TrainSettings,
    checkpoint: Path,
    installation: Installation,
    work: Path,
    *,
    class_images: Sequence[Picture] = (),
    samples: Sequence[prompts.SamplePrompt] = (),
    size: tuple[int, int] | None = None,
    judge: Judge | None = None,
    listen: Callable[[Event], None] = lambda event: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrainingOutcome:
    """Train a LoRA for `checkpoint` in the folder `work`, which holds crops and captions: delete it afterwards.

    `class_images` are pictures (RGB, uint8) of the class with their captions; `samples` are drawn in `size` (width,
    height) before the first step and with every checkpoint. Checkpoints are handed to `judge` (higher is better) and
    `listen` on the caller's thread, after their samples, as files whose metadata is clean. `cancelled` is asked ten
    times a second on another thread; sd-scripts and all its children are gone within a second after it first says True.

    Raises KohyaError, with sd-scripts' own last lines, when it fails before there is a checkpoint; a failure after that
    is in `TrainingOutcome.error`.
    """
    layout = checkpoints.layout(checkpoint)
    written = _prepare(work, training_set, settings, class_images)
    run = _Run(settings, layout, work, written, judge, listen)
    run.outcome.warnings += installation.warnings + command.limits(settings)
    if settings.prior_weight > 0 and settings.prior_share > 0 and not class_images:
        run.outcome.warnings.append(
            "There are no class images, so nothing keeps the class itself from changing (prior_weight is not followed)."
        )
    file = prompts.write(samples, settings, work, size) if samples else None
    with _start(settings, layout, checkpoint, installation, work, written, file, None, cancelled) as process:
        run.follow(process)
    return run.outcome


def draw(
    wanted: Sequence[prompts.SamplePrompt],
    training_set: TrainingSet,
    settings: TrainSettings,
    checkpoint: Path,
    installation: Installation,
    work: Path,
    *,
    lora: Path | None = None,
    size: tuple[int, int] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Return the pictures of `wanted` that `checkpoint` makes in sd-scripts, with `lora` if given; nothing is trained.

    It samples before a first step that never comes. The LoRA must have the rank of `settings`. Raises KohyaError when
    it fails, and when it is `cancelled`.
    """
    layout = checkpoints.layout(checkpoint)
    written = _prepare(work, training_set, settings, ())
    file = prompts.write(wanted, settings, work, size)
    found: dict[int, Path] = {}
    looker = pickup.Pickup(work, settings.steps)
    with _start(settings, layout, checkpoint, installation, work, written, file, lora, cancelled) as process:
        while len(found) < len(wanted):
            process.line(0.2)
            ended = not process.running  # asked before looking: what it left is seen then
            found |= {sample.prompt: sample.path for sample in looker.samples() if sample.step == 0}
            if ended:
                break
        if process.was_cancelled:
            raise KohyaError("The training was cancelled before its first step; nothing was kept.")
        if len(found) < len(wanted):
            raise traps.explain(process.wait(), process.tail, settings)
    return [found[number] for number in range(len(wanted))]


def _prepare(
    work: Path, training_set: TrainingSet, settings: TrainSettings, class_images: Sequence[Picture]
) -> dataset.Dataset:
    try:
        (work / command.OUTPUT).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KohyaError(f"{work} cannot be written ({error.strerror}); choose another folder.") from None
    return dataset.write(training_set, settings, work, class_images)


def _start(
    settings: TrainSettings,
    layout: str,
    checkpoint: Path,
    installation: Installation,
    work: Path,
    written: dataset.Dataset,
    file: Path | None,
    lora: Path | None,
    cancelled: Callable[[], bool],
) -> Process:
    precision = installation.precision(settings.precision)
    options = command.arguments(
        settings,
        written,
        checkpoint.resolve(),
        precision,
        layout,
        prompts=file,
        tokenizers=installation.tokenizers,
        start_from=lora.resolve() if lora else None,
    )
    script = installation.folder / checkpoints.script(layout)
    surroundings = environment(offline=installation.tokenizers is not None, on_gpu=precision == "bf16")
    return Process([installation.python, LEASH, script, *options], work, surroundings, cancelled)


class _Run:
    """The state of one training while it runs."""

    def __init__(
        self,
        settings: TrainSettings,
        layout: str,
        work: Path,
        written: dataset.Dataset,
        judge: Judge | None,
        listen: Callable[[Event], None],
    ) -> None:
        self.outcome = TrainingOutcome()
        self._settings = settings
        self._layout = layout
        self._work = work
        self._written = written
        self._judge = judge
        self._listen = listen
        self._pickup = pickup.Pickup(work, settings.steps)
        self._started = time.monotonic()
        self._stage = ""

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
        what = progress.stage(line)
        if what and what != self._stage:
            self._stage = what
            self._listen(Phase(what))
        state = progress.progress(line)
        if state is None:
            return False
        seconds = time.monotonic() - self._started
        self._listen(Step(state.step, state.steps, state.loss, seconds))
        if state.loss is None:
            return False
        losses = self.outcome.losses
        if losses and losses[-1][0] == state.step:
            losses.pop()  # a bar is drawn several times a step, the last time with the mean that counts
        if not math.isfinite(state.loss):
            self.outcome.error = KohyaError(
                f"The loss is no number any more at step {state.step}, with the learning rate "
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
            self._listen(taken)
        for step, path in fresh:
            if any(saved.step == step for saved in self.outcome.checkpoints):
                continue  # the last state is saved twice when the steps divide evenly
            target = self._work / f"lora-{step:06d}.safetensors"
            if not pickup.clean(path, target, self._facts(step)):
                self.outcome.warnings.append(f"The checkpoint of step {step} is left out: it holds NaN or infinity.")
                continue
            saved = Saved(step, target, self._judge(target) if self._judge else None)
            self.outcome.checkpoints.append(saved)
            self._listen(saved)

    def _gone_stale(self) -> bool:
        patience, judged = self._settings.patience, self.outcome.checkpoints
        if not (patience and self._judge and self.outcome.best):
            return False
        return len(judged) - 1 - judged.index(self.outcome.best) >= patience and not self._complete()

    def _facts(self, step: int) -> dict[str, str]:
        from .. import files

        return files.metadata(self._settings, self._layout, step, self._written.pictures, self._written.class_pictures)
