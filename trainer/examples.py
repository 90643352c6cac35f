"""What a training set is made of; photo_set.py makes it from photos, the trainers consume it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..portrait.likeness.known import KnownPhotos


@dataclass(frozen=True, eq=False)
class Example:
    """One crop to train on.

    `image` is RGB uint8 `[H, W, 3]`, `mask` float32 `[H, W]`, 0..1, 1 on the face; `name` and `sha256` (hex) are those
    of the photo that it was cut from.
    """

    image: np.ndarray
    mask: np.ndarray
    caption: str
    name: str
    sha256: str


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A photo that training never sees.

    `image` is RGB uint8 `[H, W, 3]`, `embedding` that of the person's face in it, float32 `[D]`, of length 1.
    """

    image: np.ndarray
    embedding: np.ndarray
    name: str
    sha256: str


@dataclass(frozen=True)
class Rejected:
    """A photo that will not do, and one sentence that says why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Everything that training knows of a person.

    `trigger` is the word that will call the person up, `class_word` what the person is ("woman"). `backend` is the face
    recognition that made the embeddings of `held_out`; `known` are all accepted photos as faces, None where nobody
    made them.
    """

    examples: tuple[Example, ...]
    held_out: tuple[HeldOut, ...]
    rejected: tuple[Rejected, ...]
    trigger: str
    class_word: str
    warnings: tuple[str, ...] = ()
    backend: str = "sface"
    known: KnownPhotos | None = None

    @property
    def prompt_words(self) -> str:
        """What calls the person up in a prompt: trigger and class word."""
        return " ".join(word for word in (self.trigger.strip(), self.class_word.strip()) if word)
