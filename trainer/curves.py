"""Loss and likeness of a training as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..portrait.lettering import FAINT, INK, PAPER, font, printable
from .judge import CheckpointScore

SIZE = (960, 620)
LOSS, LIKENESS, WORDS, GRID = (196, 120, 48), (31, 95, 168), (70, 140, 90), (224, 222, 216)
HELD_OUT = (150, 60, 130)
_LEFT, _RIGHT, _TEXT = 84, 40, 15


def draw(
    losses: Sequence[float], scores: Sequence[CheckpointScore], chosen: CheckpointScore | None = None, title: str = ""
) -> np.ndarray:
    """Return the picture `[620, 960, 3]` (RGB, uint8): loss a step above, likeness and words kept a checkpoint below.

    The first score is that of the base model (step 0); `chosen` is marked with a ring.
    """
    picture = Image.new("RGB", SIZE, PAPER)
    pen = ImageDraw.Draw(picture)
    if title:
        pen.text((_LEFT, 14), printable(title), INK, font(20))
    last = max([len(losses), *(score.step for score in scores), 1])
    _loss(pen, losses, last, (_LEFT, 74, SIZE[0] - _RIGHT, 250))
    _held_out(pen, scores, last, (_LEFT, 74, SIZE[0] - _RIGHT, 250))
    _likeness(pen, scores, chosen, last, (_LEFT, 320, SIZE[0] - _RIGHT, 560))
    return np.asarray(picture)


def _loss(pen: ImageDraw.ImageDraw, losses: Sequence[float], last: int, box: tuple[int, int, int, int]) -> None:
    pen.text((box[0], box[1] - 26), "loss, running mean", LOSS, font(_TEXT))
    values = np.asarray(losses, np.float64)
    values = values[np.isfinite(values)]
    smooth = smoothed(values)
    low, high = (0.0, float(smooth.max()) * 1.1) if len(smooth) else (0.0, 1.0)
    _axes(pen, box, last, low, high or 1.0, "{:.3f}")
    if len(smooth) > 1:
        points = [_place(box, i + 1, value, last, low, high or 1.0) for i, value in enumerate(smooth)]
        pen.line(points, LOSS, 2, "curve")


def _held_out(
    pen: ImageDraw.ImageDraw, scores: Sequence[CheckpointScore], last: int, box: tuple[int, int, int, int]
) -> None:
    """Draw the loss on held-out photos on a scale of its own; its first and last value are written beside its name."""
    known = [(score.step, score.held_out_loss) for score in scores if score.plain and score.held_out_loss]
    if not known:
        return
    values = [value for _, value in known]
    told = f"on held-out photos {values[0]:.4f} to {values[-1]:.4f} (own scale)"
    pen.text((box[0] + 230, box[1] - 26), told, HELD_OUT, font(_TEXT))
    points = [_place(box, step, value, last, 0.0, max(values) * 1.25) for step, value in known]
    if len(points) > 1:
        pen.line(points, HELD_OUT, 2)
    for x, y in points:
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), HELD_OUT)


def _likeness(
    pen: ImageDraw.ImageDraw,
    scores: Sequence[CheckpointScore],
    chosen: CheckpointScore | None,
    last: int,
    box: tuple[int, int, int, int],
) -> None:
    pen.text((box[0], box[1] - 26), "likeness to held-out photos", LIKENESS, font(_TEXT))
    pen.text((box[0] + 230, box[1] - 26), "words kept", WORDS, font(_TEXT))
    _axes(pen, box, last, 0.0, 1.0, "{:.2f}")
    pen.text(((box[0] + box[2]) // 2 - 20, box[3] + 26), "step", FAINT, font(_TEXT))
    steps = [score for score in scores if score.plain]
    words = [_place(box, v.step, v.words, last) for v in steps if v.words is not None]
    faces = [_place(box, v.step, v.likeness, last) for v in steps]
    for points, colour in ((words, WORDS), (faces, LIKENESS)):
        if len(points) > 1:
            pen.line(points, colour, 2)
        for x, y in points:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), colour)
    for score in (v for v in scores if not v.plain):
        x, y = _place(box, last, score.likeness, last)
        pen.polygon(((x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)), LIKENESS)
        pen.text((x - 46, y - 24), "reward" if score.rewarded else "fusion", LIKENESS, font(_TEXT))
    if chosen is not None:
        x, y = _place(box, chosen.step if chosen.plain else last, chosen.likeness, last)
        pen.ellipse((x - 9, y - 9, x + 9, y + 9), outline=INK, width=2)
        text = f"chosen {chosen.likeness:.2f}"
        wide = pen.textlength(text, font(_TEXT))
        pen.text((min(x - wide / 2, SIZE[0] - _RIGHT / 2 - wide), y + 14), text, INK, font(_TEXT))


def smoothed(values: np.ndarray, share: float = 0.05) -> np.ndarray:
    """Return the running mean of values `[N]` over a window of `share` of them, shorter at both ends."""
    if not len(values):
        return values
    half = max(0, int(len(values) * share / 2))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    start = np.maximum(np.arange(len(values)) - half, 0)
    stop = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[stop] - sums[start]) / (stop - start)


def _axes(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], last: int, low: float, high: float, form: str
) -> None:
    for part in range(5):
        y = box[3] - (box[3] - box[1]) * part / 4
        pen.line((box[0], y, box[2], y), GRID)
        text = form.format(low + (high - low) * part / 4)
        pen.text((box[0] - 10 - pen.textlength(text, font(_TEXT)), y - 9), text, FAINT, font(_TEXT))
        x = box[0] + (box[2] - box[0]) * part / 4
        step = str(round(last * part / 4))
        pen.text((x - pen.textlength(step, font(_TEXT)) / 2, box[3] + 6), step, FAINT, font(_TEXT))


def _place(
    box: tuple[int, int, int, int], step: int, value: float, last: int, low: float = 0.0, high: float = 1.0
) -> tuple[float, float]:
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return box[0] + (box[2] - box[0]) * step / last, box[3] - (box[3] - box[1]) * share
