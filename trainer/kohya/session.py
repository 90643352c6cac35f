"""A whole training through sd-scripts: from a training set and a checkpoint file to a subject like the native one's.

The same questions are asked of every checkpoint, the same judge answers, the same card is written; sd-scripts draws the
pictures, with its own sampler.
"""

from __future__ import annotations

import datetime
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...portrait import identity, subjects
from ...portrait.decoding import read_rgb
from ...portrait.lock import locked
from .. import buckets, class_images, curves, files, fusion, judge, state
from ..examples import TrainingSet
from ..judge import CheckpointScore
from ..run import TrainedSubject, TrainingJob, TrainingObserver
from . import checkpoint as checkpoints
from . import training
from .errors import KohyaError
from .installation import Installation
from .prompts import SamplePrompt

WORK, FUSED = "kohya", "lora-fused.safetensors"
OVERFITTED = -2.0  # added to the likeness, -1..1, of a checkpoint that lost its words: it comes after all others


def train_subject(
    photos: TrainingSet,
    job: TrainingJob,
    checkpoint: Path,
    installation: Installation,
    root: Path,
    observer: TrainingObserver | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrainedSubject:
    """Train a subject on `checkpoint` and leave it in `root/<name>`, with the same card as the native trainer's.

    Whatever ends the training early, once a checkpoint has been judged the best one so far is left as a usable subject,
    and `TrainedSubject.warnings` says what happened; crops, captions and other checkpoints are deleted in any case.

    Raises SubjectError when the name is no name or taken, BusyError when another process trains it, KohyaError when
    sd-scripts fails or is `cancelled` before there is a checkpoint.
    """
    name = subjects.clean_name(job.name)
    layout = checkpoints.layout(checkpoint)
    if (root / name / subjects.CARD).exists() and not job.replace:
        raise subjects.SubjectError(
            f"There is a subject named {name!r} already; choose another name, or allow it to be replaced."
        )
    folder = root / name / files.TRAINING
    with locked(root, name):
        session = _Session(photos, job, checkpoint, installation, root, observer or TrainingObserver(), cancelled)
        try:
            return session.run(name, layout)
        finally:
            shutil.rmtree(folder / WORK, ignore_errors=True)


def file_hash(path: Path) -> str:
    """Return the sha256 (hex) of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


class _Session:
    def __init__(
        self,
        photos: TrainingSet,
        job: TrainingJob,
        checkpoint: Path,
        installation: Installation,
        root: Path,
        observer: TrainingObserver,
        cancelled: Callable[[], bool],
    ) -> None:
        self.photos, self.settings, self.checkpoint = photos, job.settings, checkpoint
        self.installation, self.root, self.observer, self.cancelled = installation, root, observer, cancelled
        self.base = {"checkpoint": checkpoint.name, "sha256": file_hash(checkpoint), **job.base}
        self.person = identity.reference([photo.embedding for photo in photos.held_out])
        self.embedder = identity.embedder(photos.backend)
        captions = [example.caption for example in photos.examples]
        self.asked = judge.questions(job.settings.samples, captions, photos.prompt_words)
        shapes = [buckets.choose(e.image.shape[1], e.image.shape[0], self.settings.resolution) for e in photos.examples]
        self.size = Counter(shapes).most_common(1)[0][0]
        self.scores: list[CheckpointScore] = []
        self.samples: dict[int, dict[int, Path]] = {}
        self.pictures: dict[CheckpointScore, list[np.ndarray]] = {}
        self.warnings = list(photos.warnings)

    def run(self, name: str, layout: str) -> TrainedSubject:
        self.folder = self.root / name / files.TRAINING
        of_class = self._class_images()
        questions = [SamplePrompt(q.text(self.photos.prompt_words), judge.negative(), q.seed) for q in self.asked]
        trained = training.train(
            self.photos,
            self.settings,
            self.checkpoint,
            self.installation,
            self.folder / WORK / "train",
            class_images=of_class,
            samples=questions,
            size=self.size,
            judge=self._judge,
            listen=self._listen,
            cancelled=self.cancelled,
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
        return self._publish(name, layout, judged, trained, len(of_class))

    def _listen(self, event: training.Event) -> None:
        if isinstance(event, training.Sampled):
            self.samples.setdefault(event.step, {})[event.prompt] = event.path
        elif isinstance(event, training.Phase):
            self.observer.say(event.what)
        elif isinstance(event, training.Step) and event.step:
            self.observer.step(event.step, event.steps, float("nan") if event.loss is None else event.loss)

    def _judge(self, path: Path) -> float:
        step = int(path.stem.rpartition("-")[2])
        if not self.scores:
            self._scored(0, self._drawn(0))
        return _score(self._scored(step, self._drawn(step)))

    def _drawn(self, step: int) -> list[Path]:
        drawn = self.samples.get(step, {})
        if len(drawn) < len(self.asked):
            raise KohyaError(
                f"sd-scripts drew {len(drawn)} of {len(self.asked)} samples at step {step}; look at its log."
            )
        return [drawn[number] for number in range(len(self.asked))]

    def _scored(self, step: int, drawn: Sequence[Path], fused: tuple[int, ...] = ()) -> CheckpointScore:
        pictures = [read_rgb(path) for path in drawn]
        base = self.scores[0] if self.scores else None
        score = judge.judge(step, pictures, self.asked, self.person, self.embedder, base)
        score = replace(score, fused=fused)
        label = "fusion" if fused else f"step-{step:06d}"
        for index, picture in enumerate(pictures):
            files.save_picture(self.folder / "samples" / f"{label}-{index}.png", picture)
        self.scores.append(score)
        self.pictures[score] = pictures
        self.observer.pictures(step, pictures)
        self.observer.say(f"{label}: likeness {score.likeness:.3f}")
        return score

    def _draw(self, wanted: Sequence[SamplePrompt], what: str, lora: Path | None = None) -> list[Path]:
        return training.draw(
            wanted,
            self.photos,
            self.settings,
            self.checkpoint,
            self.installation,
            self.folder / WORK / what,
            lora=lora,
            size=self.size,
            cancelled=self.cancelled,
        )

    def _class_images(self) -> class_images.ClassImages:
        model = {"sha256": self.base["sha256"]}
        word, settings, folder = self.photos.class_word, self.settings, self.folder / "class"
        return class_images.made(folder, word, model, self.size, settings, self._drawn_class, self.observer.say)

    def _drawn_class(self, texts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        prompts = [SamplePrompt(text, "", seed) for text, seed in zip(texts, seeds, strict=True)]
        return [read_rgb(path) for path in self._draw(prompts, "class")]

    def _fuse(self, judged: dict[int, Path], questions: Sequence[SamplePrompt]) -> None:
        """Fuse the best checkpoints, and judge the fusion by what sd-scripts draws with it."""
        ranked = sorted(self.scores[1:], key=lambda score: score.rank, reverse=True)[: self.settings.fuse_best]
        if len(ranked) < 2:
            return
        fused = fusion.fuse([state.load_tensors(judged[score.step]) for score in ranked])
        path = self.folder / WORK / FUSED
        state.save_tensors(path, fused)
        try:
            drawn = self._draw(questions, "fusion", path)
        except KohyaError as error:
            self.warnings.append(f"The best checkpoints were not fused: {error.sentence}")
            return
        self._scored(ranked[0].step, drawn, tuple(sorted(score.step for score in ranked)))

    def _publish(
        self, name: str, layout: str, judged: dict[int, Path], trained: training.TrainingOutcome, class_images: int
    ) -> TrainedSubject:
        chosen = judge.best(self.scores[1:])
        tensors = state.load_tensors(self.folder / WORK / FUSED if chosen.fused else judged[chosen.step])
        about = files.metadata(self.settings, layout, chosen.step, len(self.photos.examples), class_images)
        subject = subjects.Subject(
            name=name,
            trigger=self.photos.trigger,
            class_word=self.photos.class_word,
            references=np.stack([photo.embedding for photo in self.photos.held_out]),
            backend=self.photos.backend,
            card=self._card(chosen, layout, trained),
        )
        saved = files.publish(subject, self.root, tensors, about)
        drawn = curves.draw([loss for _, loss in trained.losses], self.scores, chosen, name)
        files.save_picture(self.folder / "curves.png", drawn)
        pictures = tuple(self.pictures[chosen])
        return TrainedSubject(saved, tuple(self.scores), chosen, pictures, drawn, tuple(self.warnings))

    def _card(self, chosen: CheckpointScore, layout: str, trained: training.TrainingOutcome) -> dict[str, Any]:
        photos = self.photos
        return {
            "trained": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "trainer": f"sd-scripts {self.installation.version}",
            "base": {**self.base, "family": layout},
            "settings": self.settings.as_dict(),
            "steps": max((step for step, _ in trained.losses), default=0),
            "stopped": None if trained.ended == "finished" else trained.ended,
            "chosen": {"step": chosen.step, "fused": list(chosen.fused), "likeness": round(chosen.likeness, 4)},
            "likeness_before": round(self.scores[0].likeness, 4),
            "checkpoints": [score.as_dict() for score in self.scores],
            "photos": {
                "trained": list(dict.fromkeys(example.sha256 for example in photos.examples)),
                "held_out": [photo.sha256 for photo in photos.held_out],
            },
        }


def _score(score: CheckpointScore) -> float:
    """Return one number that orders scores as their rank does."""
    keeps_words, likeness = score.rank
    return likeness if keeps_words else likeness + OVERFITTED
