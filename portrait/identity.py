"""How much a face looks like a person: embeddings, references and cosine likeness.

SFace ships with the pack. InsightFace is used only on request, when it is installed and its weights are already on the
disk; nothing is ever downloaded, and its published weights are for non-commercial research only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from . import workers
from .alignment import TEMPLATE_SIDE
from .closeups import close_ups_of
from .errors import PortraitError
from .faces import Face
from .originals import AnyPhoto

if TYPE_CHECKING:
    from .warping import Picture

# The cosine above which two photographs show one person, per backend: for SFace the value in OpenCV's documentation
# (FaceRecognizerSF tutorial, from LFW); for the ArcFace models of InsightFace about their operating point on IJB-C.
SAME_PERSON = {"sface": 0.363, "insightface": 0.4}
BACKENDS = tuple(SAME_PERSON)
INSIGHTFACE_PACK = "buffalo_l"
INSIGHTFACE_HOMES: list[Path] = []
"""Folders with a sub-folder models/buffalo_l; the nodes put ComfyUI's models/insightface here."""
AT_ONCE = {"cpu": 1}
"""How many faces go through SFace at once; on a processor each core has its own."""
AT_ONCE_ELSEWHERE = 256


class IdentityError(PortraitError):
    """Likeness cannot be measured as asked."""


class Embedder(Protocol):
    """Turns aligned faces into directions; the name is recorded wherever a likeness is."""

    name: str

    def __call__(self, aligned: Picture) -> np.ndarray:
        """Return the embeddings `[N, K]` of aligned faces `[N, 112, 112, 3]` (RGB, uint8), not normalised."""
        ...


class SFaceEmbedder:
    """SFace (128 numbers)."""

    name = "sface"

    def __call__(self, aligned: Picture) -> np.ndarray:
        """Return the embeddings of aligned faces; a tensor is embedded on its device."""
        import torch

        from .networks import sface

        faces = aligned if isinstance(aligned, torch.Tensor) else torch.from_numpy(np.array(aligned))
        if len(faces) == 0:
            return np.zeros((0, sface.SIZE), np.float32)
        kind, network = faces.device.type, sface.network(str(faces.device))

        def look(part: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode(), torch.autocast(kind, enabled=False):
                return network(part.permute(0, 3, 1, 2).float())

        parts = faces.split(AT_ONCE.get(kind, AT_ONCE_ELSEWHERE))
        found = workers.each(parts, look) if kind == "cpu" and len(parts) > 1 else map(look, parts)
        return torch.cat(list(found)).cpu().numpy()


class InsightFaceEmbedder:
    """A recognition model of InsightFace (512 numbers) from weights already on the disk."""

    name = "insightface"

    def __init__(self, model: Path) -> None:
        from insightface.model_zoo import get_model  # pyright: ignore[reportMissingImports]: an extra that is rarely there

        self._model = get_model(str(model), download=False)
        self._model.prepare(ctx_id=-1)

    def __call__(self, aligned: Picture) -> np.ndarray:
        """Return the embeddings of aligned faces."""
        faces = np.asarray(aligned) if isinstance(aligned, np.ndarray) else aligned.cpu().numpy()
        return np.asarray(self._model.get_feat([np.ascontiguousarray(face[:, :, ::-1]) for face in faces]))


def insightface_weights() -> Path | None:
    """Return the recognition weights that InsightFace has on this disk, or None.

    They are looked for in INSIGHTFACE_HOMES, then in ~/.insightface, where InsightFace keeps them itself.
    """
    for home in (*INSIGHTFACE_HOMES, Path.home() / ".insightface"):
        found = sorted((home / "models" / INSIGHTFACE_PACK).glob("w600k_*.onnx"))
        if found:
            return found[0]
    return None


@functools.cache
def embedder(backend: str = "sface") -> Embedder:
    """Return the embedder of this name.

    Raises IdentityError for an unknown name, and for insightface when the package or its weights are not there.
    """
    if backend not in BACKENDS:
        raise IdentityError(f"Unknown likeness backend {backend!r}; choose one of {', '.join(BACKENDS)}.")
    if backend == "sface":
        return SFaceEmbedder()
    model = insightface_weights()
    if model is None:
        raise IdentityError(
            f"InsightFace has no weights here: put its {INSIGHTFACE_PACK} models (non-commercial licence) in "
            f"ComfyUI/models/insightface/models/{INSIGHTFACE_PACK} or ~/.insightface/models/{INSIGHTFACE_PACK}, or use "
            "sface."
        )
    try:
        return InsightFaceEmbedder(model)
    except ImportError as error:
        raise IdentityError(
            "InsightFace is not installed: install insightface and onnxruntime, or use sface."
        ) from error


def align(image: Picture, face: Face, side: int = TEMPLATE_SIDE) -> Any:
    """Return the face `[side, side, 3]` of a picture (RGB, uint8), its five landmarks laid on the template.

    An array for an array, a tensor on the same device for a tensor. warping.aligned is the same, differentiable.
    """
    import torch

    from . import warping

    with torch.inference_mode():
        found = warping.aligned(image, np.array(face.landmarks), side).round().to(torch.uint8).permute(1, 2, 0)
    return found if isinstance(image, torch.Tensor) else np.ascontiguousarray(found.numpy())


def embed(image: Picture, face: Face, with_embedder: Embedder | None = None) -> np.ndarray:
    """Return the embedding `[K]` of a face in a picture (RGB, uint8), of length 1."""
    return embed_all([image], [[face]], with_embedder)[0][0]


def embed_all(
    images: Sequence[Picture], faces: Sequence[Sequence[Face]], with_embedder: Embedder | None = None
) -> list[np.ndarray]:
    """Return the embeddings `[N, K]` of the N faces of each picture, of length 1, faster than one by one.

    The pictures are arrays, or tensors of one device.
    """
    aligned = [[align(image, face) for face in own] for image, own in zip(images, faces, strict=True)]
    return embed_aligned(aligned, with_embedder)


def embed_aligned(aligned: Sequence[Sequence[Picture]], with_embedder: Embedder | None = None) -> list[np.ndarray]:
    """Return the embeddings `[N, K]`, of length 1, of what `align` made of the N faces of each picture."""
    every: list[Any] = [face for own in aligned for face in own]
    if not every:
        return [np.zeros((0, 0), np.float32) for _ in aligned]
    if isinstance(every[0], np.ndarray):
        stacked: Picture = np.stack(every)
    else:
        import torch

        stacked = torch.stack(every)
    found = normalised((with_embedder or embedder())(stacked))
    return np.split(found, np.cumsum([len(own) for own in aligned])[:-1])


def normalised(vector: np.ndarray) -> np.ndarray:
    """Return the vectors along the last axis with length 1; a zero vector stays zero."""
    vector = np.asarray(vector, np.float32)
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(length > 0, length, 1)


def reference(embeddings: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return the one direction that stands for a person: the mean of the normalised embeddings, renormalised.

    Raises IdentityError when there are none.
    """
    if len(embeddings) == 0:
        raise IdentityError("No face was found in the reference photos; add photos that show the face.")
    return normalised(normalised(np.stack(list(embeddings))).mean(0))


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return the cosine of two embeddings, -1..1.

    Raises IdentityError when they come from different backends.
    """
    if first.shape != second.shape:
        raise IdentityError(
            f"Embeddings of {first.size} and {second.size} numbers cannot be compared; measure both with one backend."
        )
    return float(np.clip(normalised(first) @ normalised(second), -1.0, 1.0))


def rounded(likeness: float | None) -> float | None:
    """Return a likeness as JSON holds it: with four digits, None where none was measured."""
    return None if likeness is None else round(likeness, 4)


def likeness_to(image: np.ndarray, person: np.ndarray, with_embedder: Embedder) -> Callable[[Face], float]:
    """Return the function that measures how much a face of this picture looks like the person."""

    def measured(face: Face) -> float:
        return likeness(embed(image, face, with_embedder), person)

    return measured


def known_faces(subject: Any, photos: Sequence[AnyPhoto]) -> tuple[np.ndarray | None, Embedder]:
    """Return the direction `[K]` of a person, and the embedder that measures against it.

    `subject` has `references` `[K, D]` (or None) and `backend` (see portrait.subjects); without references the photos
    (RGB, uint8) are measured with SFace. None stands for nobody known.
    """
    references = getattr(subject, "references", None)
    if references is not None and len(references):
        return reference(references), embedder(subject.backend or "sface")
    found = embed_largest(photos)
    return (reference(found) if found else None), embedder()


def embed_largest(images: Iterable[AnyPhoto], with_embedder: Embedder | None = None) -> list[np.ndarray]:
    """Return the embedding of the largest face of each picture (RGB, uint8) that shows one."""
    aligned = [[align(one.pixels, one.seen) for one in found[:1]] for found in close_ups_of(list(images))]
    return [own[0] for own in embed_aligned(aligned, with_embedder) if len(own)]
