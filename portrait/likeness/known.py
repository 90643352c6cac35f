"""The person's real photos as faces of one size: what a portrait is compared with, and a copy would be a copy of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import disk, subjects
from ..alignment import TEMPLATE_SIDE
from ..subjects import SubjectError
from .looks import HeadLooks

FOLDER = "likeness"
"""The folder within a subject's training/ that the report and the faces lie in."""
FACES = "faces.safetensors"
MOST = 1000


@dataclass(frozen=True, eq=False)
class KnownPhotos:
    """N photos of a person.

    `faces` are aligned `[N, 112, 112, 3]` (RGB, uint8), `embeddings` `[N, K]` theirs by the face recognition `backend`,
    of length 1, `turns` `[N, 2]` yaw and pitch in degrees; `trained` says which ones training saw, the others were held
    out. `looks` are what is seen of hair, glasses and beard in each, () where nobody has looked.
    """

    names: tuple[str, ...]
    faces: np.ndarray
    embeddings: np.ndarray
    turns: np.ndarray
    trained: np.ndarray
    backend: str
    looks: tuple[HeadLooks | None, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


def save(known: KnownPhotos, path: Path) -> None:
    """Write the faces whole or not at all. Raises SubjectError when the disk refuses."""
    from safetensors.numpy import save as packed

    tensors = {
        "faces": known.faces,
        "embeddings": known.embeddings.astype(np.float32),
        "turns": known.turns.astype(np.float32),
        "trained": known.trained.astype(np.uint8),
    }
    looks = [None if one is None else one.as_dict() for one in known.looks]
    about = {"backend": known.backend, "names": json.dumps(known.names), "looks": json.dumps(looks)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.write(path, packed({name: np.ascontiguousarray(one) for name, one in tensors.items()}, about))
    except OSError as error:
        raise SubjectError(f"{path.name} cannot be written ({error.strerror}); free some space.") from None


def load(path: Path) -> KnownPhotos:
    """Read what `save` wrote. Raises SubjectError naming the file when it is anything else."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    header = subjects.check_safetensors(path, links=False)
    try:
        names = json.loads(header.metadata["names"])
        backend = header.metadata["backend"]
        looks = _looks(header.metadata.get("looks", "[]"))
        count, size = header.shapes["embeddings"]
        shapes = {
            "faces": (count, TEMPLATE_SIDE, TEMPLATE_SIDE, 3),
            "embeddings": (count, size),
            "turns": (count, 2),
            "trained": (count,),
        }
        whole = header.shapes == shapes and 0 < count <= MOST and 0 < size <= 4096
        kinds = {name: header.dtypes[name] for name in shapes}
        whole = whole and kinds == {"faces": "U8", "embeddings": "F32", "turns": "F32", "trained": "U8"}
        whole = whole and isinstance(names, list) and len(names) == count and all(isinstance(n, str) for n in names)
        tensors = load_file(path) if whole else {}
        whole = whole and len(looks) in (0, count)
        whole = whole and all(np.isfinite(tensors[name]).all() for name in ("embeddings", "turns"))
    except (AttributeError, KeyError, ValueError, TypeError, OSError, SafetensorError):
        whole, names, backend, tensors, looks = False, [], "", {}, []
    if not whole:
        raise SubjectError(f"{path.name} does not hold the faces of a person's photos; train the subject again.")
    return KnownPhotos(
        tuple(names),
        tensors["faces"],
        tensors["embeddings"],
        tensors["turns"],
        tensors["trained"].astype(bool),
        backend,
        tuple(looks),
    )


def _looks(text: str) -> list[HeadLooks | None]:
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise ValueError("looks are a list")
    return [None if one is None else HeadLooks.from_dict(one) for one in rows]


def of_subject(subject: Any) -> KnownPhotos | None:
    """Return the photos that a subject was trained on and measured with, None where training left none.

    `subject` is a portrait.subjects.Subject, or anything else that goes for one. Raises SubjectError when the file is
    there and not what it should be.
    """
    lora = getattr(subject, "lora", None)
    if not isinstance(lora, Path):
        return None
    path = lora.parent / subjects.TRAINING / FOLDER / FACES
    return load(path) if path.is_file() else None
