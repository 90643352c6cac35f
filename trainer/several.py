"""Several people trained at once over one frozen model: a pass is a batch of all of them.

Each person has a LoRA, an optimiser, judged checkpoints and an end of their own, and comes out as if trained alone with
the same seed. What goes wrong with one ends that one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..portrait import subjects
from ..portrait.errors import PortraitError
from .examples import TrainingSet
from .loop import Training
from .lora_group import LoraGroup
from .run import NativeSession, Steps, held
from .session import TrainedSubject, TrainingJob, TrainingObserver
from .settings import SettingsError
from .training_data import BatchPart, Model, TrainingData

TraineeOutcome = TrainedSubject | PortraitError


@dataclass(frozen=True)
class Trainee:
    """Who is to be trained, how, and who hears of it."""

    photos: TrainingSet
    job: TrainingJob
    observer: TrainingObserver = field(default_factory=TrainingObserver)


def train(model: Model, people: Sequence[Trainee], root: Path) -> list[TraineeOutcome]:
    """Train people at once, leave each in `root/<name>`, and return what became of each, in their order.

    That is the subject, or what was wrong with this person, who as in trainer.run may be there nevertheless, as far as
    training came. An error that is nobody's own (the user's stop, a bug) ends all of them, after each has been kept as
    far as it came. The settings must be the same but for the seed. Raises SettingsError.
    """
    _agree([person.job for person in people])
    found: dict[int, TraineeOutcome] = {}
    drawn: dict[Any, list[np.ndarray]] = {}
    with contextlib.ExitStack() as locks:
        sessions: dict[int, NativeSession] = {}
        for number, person in enumerate(people):
            try:
                name = subjects.clean_name(person.job.name)
                locks.enter_context(held(root, name))
                session = NativeSession(model, person.photos, person.job, name, root, person.observer, drawn)
                session.prepare()
                sessions[number] = session
            except PortraitError as error:
                found[number] = error
        if sessions:
            outcomes = _Company(model, list(sessions.values())).train()
            found |= dict(zip(sessions, outcomes, strict=True))
    return [found[number] for number in range(len(people))]


def _agree(jobs: Sequence[TrainingJob]) -> None:
    alike = {tuple((job.settings.as_dict() | {"seed": 0}).items()) for job in jobs}
    if len(alike) > 1:
        raise SettingsError("People who are trained at once need the same settings; only their seeds may differ.")


class _Company:
    """Prepared sessions that take their steps together."""

    def __init__(self, model: Model, sessions: Sequence[NativeSession]) -> None:
        self.model = model
        self.group = LoraGroup([session.lora for session in sessions])
        pairs = [(session.training, session.data) for session in sessions]
        self.joint = JointSteps(model, self.group, pairs)
        self.steps: dict[int, Steps] = {member: session.steps() for member, session in enumerate(sessions)}
        self.found: dict[int, TraineeOutcome] = {}

    def train(self) -> list[TraineeOutcome]:
        """Train until nobody wants another step; return what became of each."""
        count = len(self.steps)
        with self.group.attached():
            self.model.record(self.group.parameters)
            try:
                waiting = [member for member in range(count) if self._wants_a_step(member)]
                while waiting:
                    failed = self.joint.advance(waiting)
                    still = [member for member in waiting if self._wants_a_step(member, failed.get(member))]
                    if len(still) < len(waiting):
                        self.model.renew()
                    waiting = still
            except BaseException as error:
                self._keep_all(error)
                raise
        return [self.found[member] for member in range(count)]

    def _wants_a_step(self, member: int, error: PortraitError | None = None) -> bool:
        """Let a session do what it does between two steps; return whether it wants another one."""
        steps = self.steps[member]
        with self.group.passing([member]):
            try:
                if error is not None:
                    steps.throw(error)
                next(steps)
                return True
            except StopIteration as end:
                self.found[member] = end.value
            except PortraitError as its_own:
                self.found[member] = its_own
        return False

    def _keep_all(self, error: BaseException) -> None:
        """Let every session that is under way keep the best it has."""
        for member in self.steps.keys() - self.found.keys():
            with self.group.passing([member]), contextlib.suppress(BaseException):
                self.steps[member].throw(error)


class JointSteps:
    """Optimiser steps of several people, by number, whose pictures share passes of the network.

    Pictures share a pass when they have one size and each person has as many of them. When that is too much for the
    memory, fewer people share a pass, in the end one.
    """

    def __init__(self, model: Model, group: LoraGroup, people: Sequence[tuple[Training, TrainingData]]) -> None:
        self.model, self.group, self.people = model, group, people
        self.at_once = len(people)

    def advance(self, members: Sequence[int]) -> dict[int, PortraitError]:
        """Make one step of each of these people; return those whose step failed, and why."""
        failed: dict[int, PortraitError] = {}
        waiting = list(members)
        while waiting:
            some = waiting[: self.at_once]
            if len(some) == 1:
                losses: dict[int, Any] | None = dict.fromkeys(some)
            elif (losses := self._losses(some)) is None:
                if not self.model.free():
                    self.at_once = -(-len(some) // 2)
                continue
            for member, loss in losses.items():
                try:
                    self._take_step(member, loss)
                except PortraitError as error:
                    failed[member] = error
            waiting = waiting[len(some) :]
        return failed

    def _take_step(self, member: int, loss: torch.Tensor | None) -> None:
        """Take the step whose gradients are there with this loss; without one, make a whole step of this person."""
        training = self.people[member][0]
        if loss is not None:
            training.learn(loss)
            return
        with self.group.passing([member]):
            training.advance()

    def _losses(self, members: Sequence[int]) -> dict[int, torch.Tensor] | None:
        """Give the people the gradients of their next step and return their losses; None where memory is short."""
        try:
            return self._gradients(members)
        except RuntimeError as error:
            if not self.model.out_of_memory(error):
                raise
        for member in members:
            self.people[member][0].optimiser.zero_grad(set_to_none=True)
        return None

    def _gradients(self, members: Sequence[int]) -> dict[int, torch.Tensor]:
        losses: dict[int, Any] = dict.fromkeys(members, 0.0)
        for member in members:
            self.people[member][0].optimiser.zero_grad(set_to_none=True)
        for number in range(max(self.people[member][0].accumulation for member in members)):
            for some in self._passes(members, number):
                with self.group.passing(
                    [member for member, _ in some]
                ):  # for what is computed once more on the way back
                    found = self._answers(some)
                    torch.autograd.backward(found)
                for (member, _), loss in zip(some, found, strict=True):
                    losses[member] = losses[member] + loss.detach()
        return losses

    def _passes(self, members: Sequence[int], number: int) -> Iterator[list[tuple[int, BatchPart]]]:
        """Yield the pictures of pass `number` of a step, those together that can share a pass of the network."""
        alike: dict[Any, list[tuple[int, BatchPart]]] = {}
        for member in members:
            training, data = self.people[member]
            if number < training.accumulation:
                for part in data.parts(training.step * training.accumulation + number, training.batch):
                    alike.setdefault(part.x.shape, []).append((member, part))
        yield from alike.values()

    def _answers(self, some: Sequence[tuple[int, BatchPart]]) -> list[torch.Tensor]:
        """Return each person's share of the loss of a step."""
        parts = [part for _, part in some]
        x, levels = torch.cat([part.x for part in parts]), torch.cat([part.levels for part in parts])
        answers = self.model.predict(x, levels, self._words(some)).chunk(len(parts))
        return [
            part.loss(answer) / self.people[member][0].accumulation
            for (member, part), answer in zip(some, answers, strict=True)
        ]

    def _words(self, some: Sequence[tuple[int, BatchPart]]) -> list[Any]:
        text, texts = self.model.text, [text for _, part in some for text in part.texts]
        if text is None:
            return [word for member, part in some for word in self.people[member][1].words(part.texts)]
        if len(text.sections(texts)) == 1:
            return self.model.encode_text(texts)
        words = []
        for member, part in some:
            with self.group.passing([member]):
                words += self.people[member][1].words(part.texts)
        return words
