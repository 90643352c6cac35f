"""What a checkpoint is worth: how much its pictures look like the person, and whether they still follow other words."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..portrait import identity
from ..portrait.closeups import close_ups_of
from ..portrait.colour_spaces import to_lab
from ..portrait.disk import read_toml
from ..portrait.faces import Face
from ..portrait.likeness import looking, report
from ..portrait.likeness.known import KnownPhotos

FILE = Path(__file__).with_name("judging.toml")
SEED = 7_000_000
"""The first seed of judged pictures: far from the ones that people type."""

LEAST_KEPT = 0.8
"""A checkpoint that follows a smaller share of the words that the base model follows is overfitted."""


@dataclass(frozen=True)
class Question:
    """A prompt with `{subject}` in it, the seed it is sampled with, and the colour that its words ask for.

    `expect` has a region ("garment", "background" or "picture") and a range for one or more of L, a, b and chroma.
    """

    words: str
    seed: int
    expect: Mapping[str, Any]

    def text(self, subject: str) -> str:
        """Return the prompt for a subject's words."""
        return self.words.format(subject=subject)


@dataclass(frozen=True)
class CheckpointScore:
    """The worth of one checkpoint.

    `step` is the optimiser step, and `fused` the steps that a fusion was made of. `likenesses` has the cosine of each
    picture to the person, None where no face was found, and `followed` whether each picture shows what its words say.
    `words` is the share, 0..1, of the words that the base model follows that are followed still, None when it follows
    none. `credits` is what each picture counts for: its likeness, no more than real photos have, and 0 for a copy of a
    training photo (portrait.likeness); empty where there was nothing to compare with, and likeness alone counts.
    `held_out_loss` is the loss on the held-out photos, None where it was not measured. `rewarded` is how many steps of
    tuning by reward came on top of the checkpoint or fusion.
    """

    step: int
    likenesses: tuple[float | None, ...]
    followed: tuple[bool, ...]
    words: float | None = None
    fused: tuple[int, ...] = ()
    credits: tuple[float, ...] = ()
    held_out_loss: float | None = None
    rewarded: int = 0

    @property
    def plain(self) -> bool:
        """Whether it is a checkpoint as training left it."""
        return not (self.fused or self.rewarded)

    @property
    def worth(self) -> tuple[float, ...]:
        """What each picture counts for, -1..1; no face and a copy for 0."""
        return self.credits or tuple(value or 0.0 for value in self.likenesses)

    @property
    def copies(self) -> int:
        """How many of the pictures are copies of a training photo."""
        pairs = zip(self.credits, self.likenesses, strict=False)
        return sum(credit == 0 and bool(likeness) for credit, likeness in pairs)

    @property
    def likeness(self) -> float:
        """The mean likeness; a picture without a face counts as 0."""
        return float(np.mean([value or 0.0 for value in self.likenesses])) if self.likenesses else 0.0

    @property
    def rank(self) -> tuple[bool, float]:
        """What scores are compared by: first whether the words are kept, then what the pictures count for."""
        return (self.words is None or self.words >= LEAST_KEPT, float(np.mean(self.worth)) if self.worth else 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the score as JSON holds it."""
        told = {
            "likeness": round(self.likeness, 4),
            "likenesses": [identity.rounded(value) for value in self.likenesses],
            "credits": [round(value, 4) for value in self.credits],
            "copies": self.copies,
        }
        return asdict(self) | told

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> CheckpointScore:
        """Return the score that `as_dict` wrote."""
        lists = {name: tuple(facts.get(name, ())) for name in ("likenesses", "followed", "fused", "credits")}
        return cls(
            step=facts["step"],
            words=facts["words"],
            held_out_loss=facts.get("held_out_loss"),
            rewarded=facts.get("rewarded", 0),
            **lists,
        )


def questions(count: int, captions: Iterable[str] = (), subject: str = "", first_seed: int = SEED) -> list[Question]:
    """Return `count` questions, a seed each; a prompt that is one of the training captions is never asked."""
    known = set(captions)
    rows = [row for row in _file()["prompt"] if row["words"].format(subject=subject) not in known]
    return [Question(rows[i % len(rows)]["words"], first_seed + i, rows[i % len(rows)]["expect"]) for i in range(count)]


def negative() -> str:
    """Return the negative prompt of judged pictures."""
    return str(_file()["negative"])


def judge(
    step: int,
    pictures: Sequence[np.ndarray],
    asked: Sequence[Question],
    person: np.ndarray,
    embedder: identity.Embedder,
    base: CheckpointScore | None = None,
    known: KnownPhotos | None = None,
) -> CheckpointScore:
    """Return the score on the pictures (RGB, uint8) that a checkpoint made of the questions.

    `person` is the direction `[K]` of photos that training never saw; of several faces the largest is measured. `base`
    is the score on the base model's pictures of the same questions, `known` are the person's photos as faces.
    """
    seen = looking.seen_in(close_ups_of(list(pictures)), embedder)
    told = report.measured(seen, person, known, embedder)
    followed = [
        follows(picture, face.face if face else None, question.expect)
        for picture, face, question in zip(pictures, seen, asked, strict=True)
    ]
    words = None if base is None else kept(followed, base.followed)
    credited = tuple(one.credit for one in told.pictures) if told.band else ()
    likenesses = tuple(one.likeness for one in told.pictures)
    return CheckpointScore(step, likenesses, tuple(followed), words, credits=credited)


def kept(followed: Sequence[bool], by_base: Sequence[bool]) -> float | None:
    """Return how many of the words that the base model follows are followed still, 0..1; None when it follows none."""
    counted = [now for now, before in zip(followed, by_base, strict=True) if before]
    return sum(counted) / len(counted) if counted else None


def best(scores: Sequence[CheckpointScore]) -> CheckpointScore:
    """Return the score that wins, of scores in the order of their steps.

    A checkpoint that has lost its words can win only where all have. The latest wins unless an earlier one is ahead by
    more than chance, or the later one copies training photos more often: on pictures that judging never saw, the last
    checkpoint was better in each close case (benchmarks/results/train_likeness.json). A fusion wins only by the margin
    of judging.toml over the best checkpoint, and what was tuned by reward over the best before it, with no word less.
    """
    single = [score for score in scores if score.plain] or list(scores)
    *earlier, winner = [score for score in single if score.rank[0]] or single
    for score in reversed(earlier):
        ahead, error = lead(score, winner)
        if ahead > (0.0 if winner.copies > score.copies else error):
            winner = score
    for made in (score for score in scores if not score.plain and single[0].plain):
        if made.rewarded and (made.words or 0.0) < (winner.words or 0.0):
            continue  # a reward that looks at the face alone is not paid in words
        if made.rank[0] and (not winner.rank[0] or lead(made, winner)[0] > margin()):
            winner = made
    return winner


def lead(first: CheckpointScore, second: CheckpointScore) -> tuple[float, float]:
    """Return how much more the first one's pictures count for than the second's, and the standard error of that.

    Pictures of the same question are compared, so that hard questions are hard for both; with fewer than two the error
    is infinite.
    """
    pairs = min(len(first.worth), len(second.worth))
    apart = np.subtract(first.worth[:pairs], second.worth[:pairs])
    error = float(apart.std(ddof=1) / math.sqrt(pairs)) if pairs > 1 else math.inf
    return (float(apart.mean()) if pairs else 0.0), error


def undecided(scores: Sequence[CheckpointScore]) -> tuple[CheckpointScore, CheckpointScore] | None:
    """Return the best score and the next one where the difference is within its standard error, else None."""
    if len(scores) < 2:
        return None
    first = best(scores)
    second = max((score for score in scores if score is not first), key=lambda score: score.rank)
    if first.rank[0] != second.rank[0]:
        return None  # one has lost its words; no picture of a face changes that
    ahead, error = lead(first, second)
    later = scores.index(first) > scores.index(second)
    needed = 0.0 if (first if later else second).plain else margin() if later else -margin()
    return (first, second) if error > 0 and abs(ahead - needed) <= error else None


def joined(score: CheckpointScore, more: CheckpointScore) -> CheckpointScore:
    """Return a score with the pictures of further questions; its words are those of the first questions."""
    credited = (*score.worth, *more.worth) if score.credits or more.credits else ()
    return replace(
        score,
        likenesses=(*score.likenesses, *more.likenesses),
        followed=(*score.followed, *more.followed),
        credits=credited,
    )


def margin() -> float:
    """Return by how much a fusion must win."""
    return float(_file()["fusion_margin"])


def round_size() -> int:
    """Return how many questions finalists get at a time."""
    return int(_file()["round"])


def loss_levels() -> tuple[float, ...]:
    """Return the noise levels of the held-out loss, as shares of the timesteps, 0..1."""
    return tuple(_file()["levels"])


def worse_for(scores: Sequence[CheckpointScore]) -> int:
    """Return how many checkpoints were judged after the one whose pictures count for most; of equals the first."""
    return len(scores) - 1 - list(scores).index(max(scores, key=lambda score: score.rank)) if scores else 0


def follows(picture: np.ndarray, face: Face | None, expect: Mapping[str, Any]) -> bool:
    """Return whether the region's median colour is in all the ranges; without a face only "picture" can be judged."""
    colour = _colour(picture, face, expect["region"])
    if colour is None:
        return False
    values: dict[str, float] = dict(zip(("L", "a", "b", "chroma"), colour.tolist(), strict=True))
    ranges = {name: limits for name, limits in expect.items() if name != "region"}
    return all(low <= values[name] <= high for name, (low, high) in ranges.items())


def _colour(picture: np.ndarray, face: Face | None, region: str) -> np.ndarray | None:
    """Return L, a, b and chroma: the median of a garment or background, the mean of the whole picture.

    The garment is looked for half a face's height below the chin and a third of its width to either side of the face,
    the background in the two upper corners.
    """
    high, wide = picture.shape[:2]
    if region == "picture":
        return _lab(picture).mean(0)
    if region == "background":
        corner = max(4, wide // 10)
        return np.median(_lab(np.concatenate([picture[:corner, :corner], picture[:corner, -corner:]])), axis=0)
    if face is None:
        return None
    x, y, w, h = face.box
    top, bottom = round(y + 1.55 * h), round(y + 1.95 * h)
    left, right = round(x - 0.35 * w), round(x + 1.35 * w)
    area = picture[max(0, top) : min(high, bottom), max(0, left) : min(wide, right)]
    return np.median(_lab(area), axis=0) if area.shape[0] * area.shape[1] >= 6 else None


def _lab(picture: np.ndarray) -> np.ndarray:
    """Return L, a, b and chroma of every pixel, `[N, 4]`."""
    lab = to_lab(picture.reshape(-1, 3) / 255)
    return np.column_stack((lab, np.hypot(lab[:, 1], lab[:, 2])))


@functools.cache
def _file() -> dict[str, Any]:
    return read_toml(FILE)
