"""A whole training: from a training set and a model to a subject, whatever happens on the way."""

from __future__ import annotations

import contextlib
import datetime
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..portrait import identity, subjects
from ..portrait.errors import PortraitError
from ..portrait.lock import locked
from . import buckets, class_images, curves, files, fusion, judge, state
from .examples import TrainingSet
from .judge import CheckpointScore
from .loop import LossError, Training
from .lora import Lora
from .settings import TrainSettings
from .training_data import Model, TrainingData


@dataclass(frozen=True)
class TrainingJob:
    """What to call the subject and how to train it.

    `base` says what the model is: "checkpoint" (file name) and "sha256" as far as they are known. `replace` allows a
    finished subject of this name to be trained anew; `keep_checkpoints` leaves all of them in training/ at the end.
    """

    name: str
    settings: TrainSettings
    base: Mapping[str, Any] = field(default_factory=dict)
    replace: bool = False
    keep_checkpoints: bool = False


@dataclass(frozen=True)
class TrainingObserver:
    """Who is told what happens: `step(done, total, loss)` after every step, `pictures(step, pictures)` when judged."""

    step: Callable[[int, int, float], None] = lambda done, total, loss: None
    pictures: Callable[[int, list[np.ndarray]], None] = lambda step, pictures: None
    say: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, eq=False)
class TrainedSubject:
    """A trained subject: the scores (that of the base model first), the chosen one, its pictures, and the curves."""

    subject: subjects.Subject
    scores: tuple[CheckpointScore, ...]
    chosen: CheckpointScore
    pictures: tuple[np.ndarray, ...]
    curves: np.ndarray
    warnings: tuple[str, ...]


def train(
    model: Model, photos: TrainingSet, job: TrainingJob, root: Path, observer: TrainingObserver | None = None
) -> TrainedSubject:
    """Train a subject and leave it in `root/<name>`; an interrupted training of the same job goes on where it was.

    Whatever ends the training early, once a checkpoint has been judged the best one so far is left as a usable subject.

    Raises SubjectError when the name is no name or taken, BusyError when another process trains it, LossError,
    MemoryShortError, LockError and StateError as the loop and the disk do.
    """
    name = subjects.clean_name(job.name)
    folder = root / name / files.TRAINING
    try:
        with locked(root, name):
            return _Session(model, photos, job, name, root, observer or TrainingObserver()).run()
    finally:
        with contextlib.suppress(OSError):  # nothing is removed that anything was kept in
            folder.rmdir()
            folder.parent.rmdir()


class _Session:
    def __init__(
        self, model: Model, photos: TrainingSet, job: TrainingJob, name: str, root: Path, observer: TrainingObserver
    ) -> None:
        self.model, self.photos, self.settings, self.base = model, photos, job.settings, dict(job.base)
        self.name, self.root, self.folder, self.observer = name, root, root / name / files.TRAINING, observer
        self.keep_checkpoints = job.keep_checkpoints
        self.person = identity.reference([photo.embedding for photo in photos.held_out])
        self.embedder = identity.embedder(photos.backend)
        captions = [example.caption for example in photos.examples]
        self.asked = judge.questions(job.settings.samples, captions, photos.prompt_words)
        self.scores: list[CheckpointScore] = []
        self.shown: dict[str, list[np.ndarray]] = {}
        self.warnings = [*(f"{photo.name}: {photo.reason}" for photo in photos.rejected), *photos.warnings]
        self.key = files.job_key({**self.base, "fingerprint": model.fingerprint}, photos, job.settings)
        self.kept = state.load(self.folder)
        if self.kept and self.kept[1].get("job") != self.key:
            self.kept = None
        if (root / name / subjects.CARD).exists() and not self.kept and not job.replace:
            raise subjects.SubjectError(
                f"There is a subject named {name!r} already; choose another name, or allow it to be replaced."
            )
        if not self.kept:
            files.clear(self.folder, samples=True)
        shapes = [buckets.choose(e.image.shape[1], e.image.shape[0], self.settings.resolution) for e in photos.examples]
        self.size = Counter(shapes).most_common(1)[0][0]

    def run(self) -> TrainedSubject:
        data = TrainingData(self.model, self.photos, self.settings, self._class_images(), self.model.check)
        lora = Lora(self.model.layers, self.settings.rank, self.settings.alpha, self.settings.seed)
        with lora.attached():
            self.model.record(lora.parameters)
            self.training = Training(data, lora, self.settings)
            if self.kept:
                self.training.restore(*self.kept)
                self.scores = [CheckpointScore.from_dict(facts) for facts in self.kept[1]["verdicts"]]
                self.observer.say(f"goes on at step {self.training.step}")
            try:
                self._steps()
                self._fuse()
                outcome = self._publish()
            except BaseException as error:
                self._salvage(error)
                raise
        if not self.keep_checkpoints:
            files.clear(self.folder)
        return outcome

    def _class_images(self) -> class_images.ClassImages:
        model = {"fingerprint": self.model.fingerprint}
        word, settings, folder = self.photos.class_word, self.settings, self.folder / "class"
        return class_images.made(folder, word, model, self.size, settings, self._sampled, self.observer.say)

    def _steps(self) -> None:
        training, settings = self.training, self.settings
        if not self.scores:
            self._judge()  # before the first step the LoRA changes nothing: this is the base model
        while training.step < settings.steps and not self._had_enough():
            self.model.check()
            training.advance()
            loss = training.losses[-1] if training.losses else float("nan")
            self.observer.step(training.step, settings.steps, loss)
            if training.step % settings.sample_every == 0 or training.step == settings.steps:
                training.look()
                self._judge()

    def _had_enough(self) -> bool:
        patience = self.settings.patience
        return bool(patience) and len(self.scores) > 1 and judge.worse_for(self.scores[1:]) >= patience

    def _judge(self) -> None:
        """Sample, judge and keep the present checkpoint."""
        with self.training.average.in_place():
            score = self._scored(self.training.step)
            if score.step:
                state.save_tensors(self._checkpoint(score.step), self.training.lora.state_dict())
        self.scores.append(score)
        told = {"job": self.key, "verdicts": [score.as_dict() for score in self.scores]}
        state.save(self.folder, self.training.parts(), {**self.training.notes(), **told})

    def _scored(self, step: int, fused: tuple[int, ...] = ()) -> CheckpointScore:
        texts = [question.text(self.photos.prompt_words) for question in self.asked]
        pictures = self._sampled(texts, [question.seed for question in self.asked])
        base = self.scores[0] if self.scores else None
        score = judge.judge(step, pictures, self.asked, self.person, self.embedder, base)
        score = CheckpointScore(step, score.likenesses, score.followed, score.words, fused)
        self.shown[_label(score)] = pictures
        for index, picture in enumerate(pictures):
            files.save_picture(self.folder / "samples" / f"{_label(score)}-{index}.png", picture)
        self.observer.pictures(step, pictures)
        self.observer.say(f"{_label(score)}: likeness {score.likeness:.3f}")
        return score

    def _sampled(self, texts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        settings = self.settings
        return self.model.sample(texts, seeds, self.size, settings.sample_steps, settings.sample_cfg)

    def _fuse(self) -> None:
        """Fuse the best checkpoints, and judge the fusion as they were judged."""
        ranked = sorted(self.scores[1:], key=lambda score: score.rank, reverse=True)[: self.settings.fuse_best]
        if len(ranked) < 2:
            return
        states = [state.load_tensors(self._checkpoint(score.step)) for score in ranked]
        fused = fusion.fuse(states)
        own = self.training.lora.state_dict()
        self.training.lora.load(fused)
        try:
            score = self._scored(self.training.step, tuple(sorted(score.step for score in ranked)))
        finally:
            self.training.lora.load(own)
        state.save_tensors(self.folder / "step-fused.safetensors", fused)
        self.scores.append(score)

    def _publish(self, stopped: str | None = None) -> TrainedSubject:
        chosen = judge.best(self.scores[1:])
        file = self.folder / "step-fused.safetensors" if chosen.fused else self._checkpoint(chosen.step)
        settings, count = self.settings, len(self.photos.examples)
        about = files.metadata(settings, self.model.family, chosen.step, count, class_images.wanted(settings))
        drawn = curves.draw(self.training.losses, self.scores, chosen, self.name)
        if chosen.words is not None and chosen.words < judge.LEAST_KEPT:
            self.warnings.append("Garment and tone words are followed less than before; train fewer steps.")
        subject = subjects.Subject(
            name=self.name,
            trigger=self.photos.trigger,
            class_word=self.photos.class_word,
            references=np.stack([photo.embedding for photo in self.photos.held_out]),
            backend=self.photos.backend,
            card=self._card(chosen, stopped),
        )
        saved = files.publish(subject, self.root, state.load_tensors(file), about)
        files.save_picture(self.folder / "curves.png", drawn)
        label = _label(chosen)
        pictures = tuple(self.shown.get(label) or files.load_pictures(self.folder / "samples", label))
        return TrainedSubject(saved, tuple(self.scores), chosen, pictures, drawn, tuple(self.warnings))

    def _card(self, chosen: CheckpointScore, stopped: str | None) -> dict[str, Any]:
        photos = self.photos
        return {
            "trained": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "trainer": "native",
            "base": {**self.base, "family": self.model.family, "fingerprint": self.model.fingerprint},
            "settings": self.settings.as_dict(),
            "steps": self.training.step,
            "stopped": stopped,
            "chosen": {"step": chosen.step, "fused": list(chosen.fused), "likeness": round(chosen.likeness, 4)},
            "likeness_before": round(self.scores[0].likeness, 4),
            "checkpoints": [score.as_dict() for score in self.scores],
            "photos": {
                "trained": list(dict.fromkeys(example.sha256 for example in photos.examples)),
                "held_out": [photo.sha256 for photo in photos.held_out],
            },
        }

    def _salvage(self, error: BaseException) -> None:
        """Leave the best checkpoint so far as the subject; the error goes on its way with a word about it."""
        if len(self.scores) < 2:
            return
        with contextlib.suppress(PortraitError, OSError):
            said = str(error) if isinstance(error, PortraitError) else ""
            chosen = self._publish(said or type(error).__name__).chosen
            if isinstance(error, LossError):
                error.args = (f"{error} The checkpoint of step {chosen.step} is kept as subject {self.name!r}.",)

    def _checkpoint(self, step: int) -> Path:
        return self.folder / f"step-{step:06d}.safetensors"


def _label(score: CheckpointScore) -> str:
    return "fusion" if score.fused else f"step-{score.step:06d}"
