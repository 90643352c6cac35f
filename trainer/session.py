"""What every training of a subject does around its steps: the questions, the judging, the fusion, the publishing.

The native trainer (run.py) and sd-scripts (kohya/session.py) differ in who takes the steps and who draws the pictures.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..portrait import identity, prompting, subjects
from ..portrait.likeness import known as known_photos
from ..portrait.likeness import papers, recognisers, report
from ..portrait.likeness.report import LikenessReport
from . import buckets, class_images, curves, files, fusion, judge, state
from .examples import TrainingSet
from .judge import CheckpointScore
from .settings import TrainSettings


@dataclass(frozen=True)
class TrainingJob:
    """What to call the subject and how to train it.

    `base` says what the model is: "checkpoint" (file name) and "sha256" as far as they are known. `replace` allows a
    finished subject of this name to be trained again; `keep_checkpoints` leaves all of them in training/ at the end.
    `look` is the person's hair, skin and the like in words, for the card; training does not use it.
    """

    name: str
    settings: TrainSettings
    base: Mapping[str, Any] = field(default_factory=dict)
    replace: bool = False
    keep_checkpoints: bool = False
    look: str = ""


@dataclass(frozen=True)
class TrainingObserver:
    """Hears of a training.

    `progress(done, total, loss)` after every step; `judged(score)` and then `pictures(step, pictures)` for every judged
    checkpoint; `say(text)` when something begins that takes a while, `drawing(done, total)` while pictures are drawn.
    """

    progress: Callable[[int, int, float], None] = lambda done, total, loss: None
    pictures: Callable[[int, list[np.ndarray]], None] = lambda step, pictures: None
    say: Callable[[str], None] = lambda text: None
    judged: Callable[[CheckpointScore], None] = lambda score: None
    drawing: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True, eq=False)
class TrainedSubject:
    """A trained subject: the scores (the base model's first), the chosen one, its pictures, and the curves.

    `report` is the likeness report on the pictures.
    """

    subject: subjects.Subject
    scores: tuple[CheckpointScore, ...]
    chosen: CheckpointScore
    pictures: tuple[np.ndarray, ...]
    curves: np.ndarray
    report: LikenessReport
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Course:
    """How a training went, for the subject's card: who trained, on which family of models, and how far it came.

    `base` identifies the model, `losses` has one value per step, `class_pictures` is how many pictures of the class it
    saw, and `stopped` says why it ended early, if it did.
    """

    trainer: str
    family: str
    base: Mapping[str, Any]
    steps: int
    losses: Sequence[float]
    class_pictures: int
    stopped: str | None = None


def refuse_taken(name: str, root: Path, job: TrainingJob) -> None:
    """Raise SubjectError when there is a finished subject of this name and the job may not replace it."""
    if (root / name / subjects.CARD).exists() and not job.replace:
        raise subjects.SubjectError(
            f"There is a subject named {name!r} already; choose another name, or allow it to be replaced."
        )


class Session:
    """One training of the subject `name` in the store `root`, from the questions to the published subject."""

    def __init__(
        self, photos: TrainingSet, job: TrainingJob, name: str, root: Path, observer: TrainingObserver | None
    ) -> None:
        self.photos, self.settings, self.base = photos, job.settings, dict(job.base)
        self.look = prompting.one_line(job.look)
        self.name, self.root, self.folder = name, root, root / name / subjects.TRAINING
        self.observer = observer or TrainingObserver()
        self.person = identity.reference([photo.embedding for photo in photos.held_out])
        self.embedder = identity.embedder(photos.backend)
        captions = [example.caption for example in photos.examples]
        self.asked = judge.questions(job.settings.samples, captions, photos.prompt_words)
        shapes = [buckets.choose(e.image.shape[1], e.image.shape[0], self.settings.resolution) for e in photos.examples]
        self.size = Counter(shapes).most_common(1)[0][0]
        self.scores: list[CheckpointScore] = []
        self.warnings: list[str] = list(photos.warnings)
        self._shown: dict[str, list[np.ndarray]] = {}

    def class_images(
        self, model: Mapping[str, Any], draw: Callable[[Sequence[str], Sequence[int]], list[np.ndarray]]
    ) -> class_images.ClassImages:
        """Return the pictures of the class that `draw(texts, seeds)` makes with the base `model`, once."""
        word, folder = self.photos.class_word, self.folder / "class"
        return class_images.made(folder, word, model, self.size, self.settings, draw, self.observer.say)

    def finals(self, draw: Callable[[CheckpointScore, Sequence[judge.Question]], list[np.ndarray]]) -> None:
        """Give the two best checkpoints more pictures, `draw(score, questions)`, until they differ by more than chance.

        At most `final_samples` pictures are drawn. Both have answered the same questions when they are compared.
        """
        captions = [example.caption for example in self.photos.examples]
        left = self.settings.final_samples
        while pair := judge.undecided(self.scores[1:]):
            answered = [len(score.likenesses) for score in pair]
            reach = max(answered)
            if min(answered) == reach:
                reach += min(judge.round_size(), left // 2)
            count = 2 * reach - sum(answered)
            if not 0 < count <= left:
                return
            left -= count
            asked = judge.questions(reach, captions, self.photos.prompt_words)
            for score in pair:
                if not (more := asked[len(score.likenesses) :]):
                    continue
                self.observer.say(f"judging the finalists: drawing {len(more)} portraits")
                pictures = draw(score, more)
                found = judge.judge(score.step, pictures, more, self.person, self.embedder, None, self.photos.known)
                self.scores[self.scores.index(score)] = judge.joined(score, found)

    def scored(
        self, step: int, pictures: list[np.ndarray], fused: Sequence[int] = (), rewarded: int = 0
    ) -> CheckpointScore:
        """Judge the pictures (RGB, uint8) of a checkpoint, keep and show them, and return the score."""
        base = self.scores[0] if self.scores else None
        score = judge.judge(step, pictures, self.asked, self.person, self.embedder, base, self.photos.known)
        score = replace(score, fused=tuple(sorted(fused)), rewarded=rewarded)
        self._shown[_label(score)] = pictures
        for index, picture in enumerate(pictures):
            files.save_picture(self.folder / "samples" / f"{_label(score)}-{index}.png", picture)
        self.observer.judged(score)
        self.observer.pictures(step, pictures)
        self.observer.say(f"{_label(score)}: likeness {score.likeness:.3f}")
        return score

    def best_checkpoints(self) -> list[CheckpointScore]:
        """Return the scores of the checkpoints that are worth fusing, the best first; none where there is only one."""
        ranked = sorted(self.scores[1:], key=lambda score: score.rank, reverse=True)[: self.settings.fuse_best]
        return ranked if len(ranked) > 1 else []

    def fused(self, best: Sequence[CheckpointScore], checkpoint: Callable[[int], Path], target: Path) -> Path:
        """Fuse the checkpoints of these scores into the file `target`; `checkpoint` gives the file of a step."""
        state.save_tensors(target, fusion.fuse([state.load_tensors(checkpoint(score.step)) for score in best]))
        return target

    def second_opinion(self, score: CheckpointScore) -> tuple[str, float | None]:
        """Return the name of the second face recognition and its likeness of a score's pictures, None without either.

        The pictures are those of the first questions.
        """
        second, _ = recognisers.second()
        if second is None:
            return "", None
        told = report.report(self._pictures(score), self.person, self.photos.known, self.embedder, second)
        return second.name, told.second.likeness if told.second else None

    def _pictures(self, score: CheckpointScore) -> list[np.ndarray]:
        label = _label(score)
        return self._shown.get(label) or files.load_pictures(self.folder / "samples", label)

    def publish(self, tensors: Mapping[str, torch.Tensor], course: Course) -> TrainedSubject:
        """Leave the best checkpoint, whose `tensors` these are, as the subject, with its card and its curves."""
        chosen = judge.best(self.scores[1:])
        if chosen.words is not None and chosen.words < judge.LEAST_KEPT:
            self.warnings.append("Garment and tone words are followed less than before; train fewer steps.")
        subject = subjects.Subject(
            name=self.name,
            trigger=self.photos.trigger,
            class_word=self.photos.class_word,
            references=np.stack([photo.embedding for photo in self.photos.held_out]),
            backend=self.photos.backend,
            card=self._card(chosen, course),
        )
        count = len(self.photos.examples)
        about = files.metadata(self.settings, course.family, chosen.step, count, course.class_pictures)
        drawn = curves.draw(course.losses, self.scores, chosen, self.name)
        saved = files.publish(subject, self.root, tensors, about)
        files.save_picture(self.folder / "curves.png", drawn)
        pictures = tuple(self._pictures(chosen))
        told = self._reported(pictures)
        return TrainedSubject(saved, tuple(self.scores), chosen, pictures, drawn, told, tuple(self.warnings))

    def _reported(self, pictures: Sequence[np.ndarray]) -> LikenessReport:
        """Hold the chosen checkpoint's pictures against the person's photos, and leave the report with the subject."""
        second, why = recognisers.second()
        told = report.report(pictures, self.person, self.photos.known, self.embedder, second)
        self.warnings += [*told.warnings, *told.remarks, *([why] if why else [])]
        folder = self.folder / known_photos.FOLDER
        if self.photos.known is not None:
            known_photos.save(self.photos.known, folder / known_photos.FACES)
        papers.write(folder, told, pictures, self.photos.known, self.name)
        return told

    def _card(self, chosen: CheckpointScore, course: Course) -> dict[str, Any]:
        photos = self.photos
        return {
            **({subjects.LOOK: self.look} if self.look else {}),
            "trained": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "trainer": course.trainer,
            "base": {**course.base, "family": course.family},
            "settings": self.settings.as_dict(),
            "steps": course.steps,
            "stopped": course.stopped,
            "chosen": {
                "step": chosen.step,
                "fused": list(chosen.fused),
                **({"rewarded": chosen.rewarded} if chosen.rewarded else {}),
                "likeness": round(chosen.likeness, 4),
            },
            "likeness_before": round(self.scores[0].likeness, 4),
            "checkpoints": [score.as_dict() for score in self.scores],
            "photos": {
                "trained": list(dict.fromkeys(example.sha256 for example in photos.examples)),
                "held_out": [photo.sha256 for photo in photos.held_out],
            },
        }


def _label(score: CheckpointScore) -> str:
    if score.rewarded:
        return f"rewarded-{score.rewarded:04d}"
    return "fusion" if score.fused else f"step-{score.step:06d}"
