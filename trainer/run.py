"""The native training of a subject, inside ComfyUI: from a training set and a model, whatever happens on the way."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..portrait import subjects
from ..portrait.errors import PortraitError
from ..portrait.lock import locked
from . import class_images, face_reward, files, judge, state
from . import reward as rewarding
from .examples import TrainingSet
from .judge import CheckpointScore
from .loop import LossError, Training
from .lora import Lora
from .session import Course, Session, TrainedSubject, TrainingJob, TrainingObserver, refuse_taken
from .training_data import Model, TrainingData

FUSED = "step-fused.safetensors"
KEPT = "The LoRA from before it is kept."
Steps = Generator[Training, None, TrainedSubject]


def train(
    model: Model, photos: TrainingSet, job: TrainingJob, root: Path, observer: TrainingObserver | None = None
) -> TrainedSubject:
    """Train a subject and leave it in `root/<name>`; an interrupted training of the same job goes on where it was.

    Whatever ends the training early, once a checkpoint has been judged the best one so far is left as a usable subject.

    Raises SubjectError when the name cannot be used or is taken, BusyError when another process trains it, LossError,
    MemoryShortError, LockError and StateError as the loop and the disk do.
    """
    name = subjects.clean_name(job.name)
    with held(root, name):
        session = NativeSession(model, photos, job, name, root, observer)
        session.prepare()
        with session.lora.attached():
            model.record(session.lora.parameters)
            return _alone(session.steps())


@contextlib.contextmanager
def held(root: Path, name: str) -> Iterator[None]:
    """Keep all others off a subject meanwhile, and leave no empty folder of it."""
    folder = root / name / subjects.TRAINING
    try:
        with locked(root, name):
            yield
    finally:
        with contextlib.suppress(OSError):  # nothing is removed that anything was kept in
            folder.rmdir()
            folder.parent.rmdir()


def _alone(steps: Steps) -> TrainedSubject:
    while True:
        try:
            training = next(steps)
        except StopIteration as end:
            return end.value
        try:
            training.advance()
        except BaseException as error:
            steps.throw(error)
            raise


class NativeSession(Session):
    """One native training: `prepare()`, then `steps()` with the LoRA attached.

    `drawn` keeps what the base model has drawn; several people may share it.
    """

    def __init__(
        self,
        model: Model,
        photos: TrainingSet,
        job: TrainingJob,
        name: str,
        root: Path,
        observer: TrainingObserver | None,
        drawn: dict[Any, list[np.ndarray]] | None = None,
    ) -> None:
        super().__init__(photos, job, name, root, observer)
        self.drawn = {} if drawn is None else drawn
        self.model, self.keep_checkpoints = model, job.keep_checkpoints
        self.warnings = [*(f"{photo.name}: {photo.reason}" for photo in photos.rejected), *self.warnings]
        self.base["fingerprint"] = model.fingerprint
        self.key = files.job_key(self.base, photos, job.settings)
        self.kept = state.load(self.folder)
        if self.kept and self.kept[1].get("job") != self.key:
            self.kept = None
        if not self.kept:
            refuse_taken(name, root, job)
            files.clear(self.folder, samples=True)

    def prepare(self) -> None:
        """Read the pictures and make the LoRA, or what an interrupted training left of it."""
        of_class = self.class_images({"fingerprint": self.model.fingerprint}, self._by_base)
        self.data = TrainingData(self.model, self.photos, self.settings, of_class)
        self.lora = Lora(self.model.layers, self.settings.rank, self.settings.alpha, self.settings.seed)
        self.training = Training(self.data, self.lora, self.settings)
        if self.kept:
            self.training.restore(*self.kept)
            self.scores = [CheckpointScore.from_dict(facts) for facts in self.kept[1]["verdicts"]]
            self.observer.say(f"goes on at step {self.training.step}")

    def steps(self) -> Steps:
        """Yield the training whenever it wants a step made, judge on the way, and return the trained subject.

        Whoever makes the steps throws their errors in here.
        """
        try:
            yield from self._steps()
            self._fuse()
            self._reward()
            self.finals(self._drawn)
            outcome = self._publish()
        except BaseException as error:
            self._salvage(error)
            raise
        if not self.keep_checkpoints:
            files.clear(self.folder)
        return outcome

    def _steps(self) -> Iterator[Training]:
        training, settings = self.training, self.settings
        if not self.scores:
            self._judge()  # before the first step the LoRA changes nothing: this is the base model
        while training.step < settings.steps and not self._had_enough():
            self.model.check()
            yield training
            loss = training.losses[-1] if training.losses else float("nan")
            self.observer.progress(training.step, settings.steps, loss)
            if training.step % settings.sample_every == 0 or training.step == settings.steps:
                training.look()
                self._judge()

    def _had_enough(self) -> bool:
        patience = self.settings.patience
        return bool(patience) and len(self.scores) > 1 and judge.worse_for(self.scores[1:]) >= patience

    def _judge(self) -> None:
        """Sample, judge and keep the present checkpoint."""
        with self.training.average.in_place():
            score = self._sampled_score()
            if score.step:
                state.save_tensors(self._checkpoint(score.step), self.training.lora.state_dict())
        self.scores.append(score)
        told = {"job": self.key, "verdicts": [score.as_dict() for score in self.scores]}
        state.save(self.folder, self.training.parts(), {**self.training.notes(), **told})

    def _sampled_score(self, fused: Sequence[int] = (), rewarded: int = 0, step: int | None = None) -> CheckpointScore:
        texts = [question.text(self.photos.prompt_words) for question in self.asked]
        what = "a fusion of the best checkpoints" if fused else "what was learnt so far" if self.scores else "the start"
        what = "what the reward has done" if rewarded else what
        self.observer.say(f"judging {what}: drawing {len(texts)} portraits")
        draw = self._sampled if self.scores else self._by_base
        pictures = draw(texts, [question.seed for question in self.asked])
        score = self.scored(self.training.step if step is None else step, pictures, fused, rewarded)
        return replace(score, held_out_loss=self.data.held_out_loss(judge.loss_levels()))

    def _sampled(self, texts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        settings = self.settings
        drawn = self.observer.drawing
        return self.model.sample(texts, seeds, self.size, settings.sample_steps, settings.sample_cfg, progress=drawn)

    def _by_base(self, texts: Sequence[str], seeds: Sequence[int]) -> list[np.ndarray]:
        """Return pictures of the base model, which is what there is before the first step."""
        wanted = (*texts, *seeds, self.size)
        if wanted not in self.drawn:
            self.drawn[wanted] = self._sampled(texts, seeds)
        return self.drawn[wanted]

    def _fuse(self) -> None:
        """Fuse the best checkpoints, and judge the fusion as they were judged."""
        best = self.best_checkpoints()
        if not best:
            return
        file = self.fused(best, self._checkpoint, self.folder / FUSED)
        with self._in_place(file):
            score = self._sampled_score([score.step for score in best])
        self.scores.append(score)

    def _reward(self) -> None:
        """Tune the best so far by a reward on the faces it draws, and judge it half way and at the end.

        What goes wrong is a warning: the subject is trained already, and stays as it was before.
        """
        settings = self.settings
        if not settings.reward_steps or not self.scores[1:]:
            return
        reward, why = face_reward.of_photos(self.photos.known, self.model.device, rewarding.numbers())
        if reward is None:
            self.warnings.append(f"The tuning by reward is left out: {why}.")
            return
        before = judge.best(self.scores[1:])
        try:
            with self._in_place(self._file(before)):
                self._rewarded(before, reward)
        except LossError as error:
            self.warnings.append(f"{error} {KEPT}")
        except RuntimeError as error:
            if not self.model.out_of_memory(error):
                raise
            self.warnings.append(f"There is too little memory for the tuning by reward. {KEPT}")

    def _rewarded(self, before: CheckpointScore, reward: rewarding.Reward) -> None:
        settings, lora, words = self.settings, self.training.lora, self.photos.prompt_words
        self.observer.say("tuning by reward: drawing what it begins with")
        phase = rewarding.Rewarding(self.model, lora, reward, words, self.size, settings)
        self.observer.say("tuning by reward")
        half = math.ceil(settings.reward_steps / 2)
        while len(phase.rewards) < settings.reward_steps:
            self.model.check()
            phase.advance()
            done = len(phase.rewards)
            self.observer.drawing(done, settings.reward_steps)
            if done not in (half, settings.reward_steps):
                continue
            score = self._sampled_score(before.fused, done, before.step)
            if not self._by_second(before, score):
                return
            state.save_tensors(self._rewarded_file(done), lora.state_dict())
            self.scores.append(score)
            if judge.lead(score, before)[0] <= 0:
                return  # what half the steps made no better, the other half will not
            self.observer.say("tuning by reward")

    def _by_second(self, before: CheckpointScore, after: CheckpointScore) -> bool:
        """Return whether a second face recognition, if there is one, sees no less of the person than before."""
        name, was = self.second_opinion(before)
        now = self.second_opinion(after)[1]
        if was is None or now is None or now >= was:
            return True
        self.warnings.append(
            f"The tuning by reward is left out: by {name} the likeness went from {was:.3f} to {now:.3f}."
        )
        return False

    def _drawn(self, score: CheckpointScore, questions: Sequence[judge.Question]) -> list[np.ndarray]:
        """Draw further questions with the checkpoint of a score."""
        texts = [question.text(self.photos.prompt_words) for question in questions]
        with self._in_place(self._file(score)):
            return self._sampled(texts, [question.seed for question in questions])

    @contextlib.contextmanager
    def _in_place(self, file: Path) -> Iterator[None]:
        """Put the LoRA of a file in place of the one that is trained."""
        own = self.training.lora.state_dict()
        self.training.lora.load(state.load_tensors(file))
        try:
            yield
        finally:
            self.training.lora.load(own)

    def _publish(self, stopped: str | None = None) -> TrainedSubject:
        chosen = judge.best(self.scores[1:])
        course = Course(
            trainer="native",
            family=self.model.family,
            base=self.base,
            steps=self.training.step,
            losses=self.training.losses,
            class_pictures=class_images.wanted(self.settings),
            stopped=stopped,
        )
        return self.publish(state.load_tensors(self._file(chosen)), course)

    def _salvage(self, error: BaseException) -> None:
        """Leave the best checkpoint so far as the subject; the error goes on its way with a word about it."""
        if len(self.scores) < 2:
            return
        with contextlib.suppress(PortraitError, OSError):
            said = str(error) if isinstance(error, PortraitError) else ""
            chosen = self._publish(said or type(error).__name__).chosen
            if isinstance(error, LossError):
                error.args = (f"{error} The checkpoint of step {chosen.step} is kept as subject {self.name!r}.",)

    def _file(self, score: CheckpointScore) -> Path:
        if score.rewarded:
            return self._rewarded_file(score.rewarded)
        return self.folder / FUSED if score.fused else self._checkpoint(score.step)

    def _rewarded_file(self, done: int) -> Path:
        return self.folder / f"step-rewarded-{done:04d}.safetensors"

    def _checkpoint(self, step: int) -> Path:
        return self.folder / f"step-{step:06d}.safetensors"
