"""A whole training through sd-scripts: from a training set and a checkpoint file to a subject like the native one's.

The same questions are asked of every checkpoint, the same judge answers, the same card is written; sd-scripts draws the
pictures, with its own sampler.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...portrait import subjects
from ...portrait.decoding import read_rgb
from ...portrait.disk import sha256
from ...portrait.lock import locked
from .. import judge, state
from ..examples import TrainingSet
from ..judge import CheckpointScore
from ..session import Course, Session, TrainedSubject, TrainingJob, TrainingObserver, refuse_taken
from . import training
from .errors import KohyaError
from .installation import KohyaInstallation
from .prompts import SamplePrompt

WORK, FUSED = "kohya", "lora-fused.safetensors"
OVERFITTED = -2.0  # added to the likeness, -1..1, of a checkpoint that lost its words: it comes after all others


def train_subject(
    photos: TrainingSet,
    job: TrainingJob,
    checkpoint: Path,
    installation: KohyaInstallation,
    root: Path,
    observer: TrainingObserver | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrainedSubject:
    """Train a subject on `checkpoint` and leave it in `root/<name>`, with the same card as the native trainer's.

    Whatever ends the training early, once a checkpoint has been judged the best one so far is left as a usable subject,
    and `TrainedSubject.warnings` says what happened; crops, captions and other checkpoints are deleted in any case.

    Raises SubjectError when the name cannot be used or is taken, BusyError when another process trains it, KohyaError
    when sd-scripts fails or is `cancelled` before there is a checkpoint.
    """
    name = subjects.clean_name(job.name)
    work = root / name / subjects.TRAINING / WORK
    run = training.KohyaRun(photos, job.settings, checkpoint, installation, work, cancelled=cancelled)
    run.layout  # noqa: B018 - a checkpoint that cannot be trained is refused first
    refuse_taken(name, root, job)
    with locked(root, name):
        try:
            return _KohyaSession(run, job, name, root, observer).run()
        finally:
            shutil.rmtree(work, ignore_errors=True)


class _KohyaSession(Session):
    def __init__(
        self,
        run: training.KohyaRun,
        job: TrainingJob,
        name: str,
        root: Path,
        observer: TrainingObserver | None,
    ) -> None:
        super().__init__(run.training_set, job, name, root, observer)
        self.base = {"checkpoint": run.checkpoint.name, "sha256": sha256(run.checkpoint), **job.base}
        self.samples: dict[int, dict[int, Path]] = {}
        self.setup = replace(run, size=self.size)

    def run(self) -> TrainedSubject:
        of_class = self.class_images({"sha256": self.base["sha256"]}, self._drawn_class)
        questions = [SamplePrompt(q.text(self.photos.prompt_words), judge.negative(), q.seed) for q in self.asked]
        trained = training.train(
            self._run("train"), class_images=of_class, samples=questions, judge=self._judge, listener=self._listen
        )
        self.warnings += trained.warnings
        judged = {saved.step: saved.path for saved in trained.checkpoints}
        if not any(score.step for score in self.scores):
            reason = "was cancelled" if trained.ended == "cancelled" else "ended"
            raise KohyaError(f"The training {reason} before its first checkpoint; nothing was kept.")
        if trained.error:
            self.warnings.append(trained.error.sentence)
        if trained.ended in ("finished", "early"):
            self._fuse(judged, questions)
        return self._publish(judged, trained, len(of_class))

    def _run(self, what: str) -> training.KohyaRun:
        return replace(self.setup, work=self.setup.work / what)

    def _listen(self, event: training.TrainingEvent) -> None:
        if isinstance(event, training.Sampled):
            self.samples.setdefault(event.step, {})[event.prompt] = event.path
        elif isinstance(event, training.Phase):
            self.observer.say(event.what)
        elif isinstance(event, training.TrainingStep) and event.step:
            self.observer.progress(event.step, event.steps, float("nan") if event.loss is None else event.loss)

    def _judge(self, path: Path) -> float:
        step = int(path.stem.rpartition("-")[2])
        if not self.scores:
            self._score(0, self._drawn(0))
        return _order(self._score(step, self._drawn(step)))

    def _drawn(self, step: int) -> list[Path]:
        drawn = self.samples.get(step, {})
        if len(drawn) < len(self.asked):
            raise KohyaError(
                f"sd-scripts drew {len(drawn)} of {len(self.asked)} samples at step {step}; look at its log."
            )
        return [drawn[number] for number in range(len(self.asked))]

    def _score(self, step: int, drawn: Sequence[Path], fused: Sequence[int] = ()) -> CheckpointScore:
        self.scores.append(self.scored(step, _pictures(drawn), fused))
        return self.scores[-1]

    def _drawn_class(self, texts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        prompts = [SamplePrompt(text, "", seed) for text, seed in zip(texts, seeds, strict=True)]
        return _pictures(training.draw(self._run("class"), prompts))

    def _fuse(self, judged: dict[int, Path], questions: Sequence[SamplePrompt]) -> None:
        """Fuse the best checkpoints, and judge the fusion by what sd-scripts draws with it."""
        best = self.best_checkpoints()
        if not best:
            return
        file = self.fused(best, judged.__getitem__, self.setup.work / FUSED)
        try:
            drawn = training.draw(self._run("fusion"), questions, file)
        except KohyaError as error:
            self.warnings.append(f"The best checkpoints were not fused: {error.sentence}")
            return
        self._score(best[0].step, drawn, [score.step for score in best])

    def _publish(
        self, judged: dict[int, Path], trained: training.TrainingOutcome, class_pictures: int
    ) -> TrainedSubject:
        chosen = judge.best(self.scores[1:])
        course = Course(
            trainer=f"sd-scripts {self.setup.installation.version}",
            family=self.setup.layout,
            base=self.base,
            steps=max((step for step, _ in trained.losses), default=0),
            losses=[loss for _, loss in trained.losses],
            class_pictures=class_pictures,
            stopped=None if trained.ended == "finished" else trained.ended,
        )
        return self.publish(
            state.load_tensors(self.setup.work / FUSED if chosen.fused else judged[chosen.step]), course
        )


def _pictures(paths: Sequence[Path]) -> list[np.ndarray]:
    return [read_rgb(path) for path in paths]


def _order(score: CheckpointScore) -> float:
    """Return one number that orders scores as their rank does."""
    keeps_words, likeness = score.rank
    return likeness if keeps_words else likeness + OVERFITTED
