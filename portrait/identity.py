"""How much a face looks like a person: embeddings, references and cosine likeness.

SFace ships with the pack. InsightFace is used only on request, when it is installed and its weights already lie on the
disk; nothing is ever downloaded, and its published weights are for non-commercial research only.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from . import weights
from .alignment import similarity, warp
from .errors import PortraitError
from .faces import Face, detect
from .opencv import opencv

# The cosine above which two photographs show one person, per backend: for SFace the value in OpenCV's documentation
# (FaceRecognizerSF tutorial, from LFW); for the ArcFace models of InsightFace about their operating point on IJB-C.
SAME_PERSON = {"sface": 0.363, "insightface": 0.4}
BACKENDS = tuple(SAME_PERSON)
INSIGHTFACE_PACK = "buffalo_l"
# Where the five landmarks lie in the 112 x 112 px picture that SFace and ArcFace were trained on (insightface,
# python-package/insightface/utils/face_align.py, arcface_dst; OpenCV uses the same).
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float64
)
TEMPLATE_SIDE = 112

_local = threading.local()


class IdentityError(PortraitError):
    """Likeness cannot be measured as asked."""


class Embedder(Protocol):
    """Turns aligned faces into directions; the name is recorded wherever a likeness is."""

    name: str

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Return the embedding `[K]` of one aligned face `[112, 112, 3]` (RGB, uint8), not normalised."""
        ...


class SFace:
    """SFace (128 numbers), through OpenCV; one network a thread, since OpenCV's object is not thread safe."""

    name = "sface"

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Return the embedding of one aligned face."""
        cv2 = opencv()
        network = getattr(_local, "sface", None)
        if network is None:
            model = np.frombuffer(weights.read("face_recognition"), np.uint8)
            network = _local.sface = cv2.FaceRecognizerSF.create("onnx", model, np.zeros(0, np.uint8))
        return network.feature(cv2.cvtColor(aligned, cv2.COLOR_RGB2BGR)).ravel()


class InsightFace:
    """A recognition model of InsightFace (512 numbers) from weights already on the disk."""

    name = "insightface"

    def __init__(self, model: Path) -> None:
        from insightface.model_zoo import get_model  # pyright: ignore[reportMissingImports]: an extra that is rarely there

        self._model = get_model(str(model), download=False)
        self._model.prepare(ctx_id=-1)

    def __call__(self, aligned: np.ndarray) -> np.ndarray:
        """Return the embedding of one aligned face."""
        return np.asarray(self._model.get_feat(np.ascontiguousarray(aligned[:, :, ::-1]))).ravel()


def insightface_weights(home: Path | None = None) -> Path | None:
    """Return the recognition weights that InsightFace has on this disk, or None.

    `home` is its folder (default: $INSIGHTFACE_HOME, else ~/.insightface).
    """
    home = home or Path(os.environ.get("INSIGHTFACE_HOME", Path.home() / ".insightface"))
    found = sorted((home / "models" / INSIGHTFACE_PACK).glob("w600k_*.onnx"))
    return found[0] if found else None


@functools.cache
def embedder(backend: str = "sface") -> Embedder:
    """Return the embedder of this name.

    Raises IdentityError for an unknown name, and for insightface when the package or its weights are not there.
    """
    if backend not in BACKENDS:
        raise IdentityError(f"Unknown likeness backend {backend!r}; choose one of {', '.join(BACKENDS)}.")
    if backend == "sface":
        return SFace()
    model = insightface_weights()
    if model is None:
        raise IdentityError(
            f"InsightFace has no weights here: put its {INSIGHTFACE_PACK} models (non-commercial licence) in "
            f"~/.insightface/models/{INSIGHTFACE_PACK}, or use sface."
        )
    try:
        return InsightFace(model)
    except ImportError as error:
        raise IdentityError(
            "InsightFace is not installed: install insightface and onnxruntime, or use sface."
        ) from error


def align(image: np.ndarray, face: Face, side: int = TEMPLATE_SIDE) -> np.ndarray:
    """Return the face `[side, side, 3]` of a picture (RGB, uint8), its five landmarks laid on the template."""
    return warp(image, similarity(np.array(face.landmarks), TEMPLATE * (side / TEMPLATE_SIDE)), side)


def embed(image: np.ndarray, face: Face, with_embedder: Embedder | None = None) -> np.ndarray:
    """Return the embedding `[K]` of a face in a picture (RGB, uint8), of length 1."""
    return normalised((with_embedder or embedder())(align(image, face)))


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


def likeness_to(image: np.ndarray, person: np.ndarray, with_embedder: Embedder) -> Callable[[Face], float]:
    """Return the function that tells how much a face of this picture is the person."""

    def measured(face: Face) -> float:
        return likeness(embed(image, face, with_embedder), person)

    return measured


def known_faces(subject: Any, photos: Sequence[np.ndarray]) -> tuple[np.ndarray | None, Embedder]:
    """Return the direction `[K]` of a person, and the embedder that measures against it.

    `subject` has `references` `[K, D]` (or None) and `backend` (see portrait.subjects); without references the photos
    (RGB, uint8) are measured with SFace. None stands for nobody known.
    """
    references = getattr(subject, "references", None)
    if references is not None and len(references):
        return reference(references), embedder(subject.backend or "sface")
    found = embed_largest(photos)
    return (reference(found) if found else None), embedder()


def embed_largest(images: Iterable[np.ndarray], with_embedder: Embedder | None = None) -> list[np.ndarray]:
    """Return the embedding of the largest face of each picture (RGB, uint8) that shows one."""
    embeddings = []
    for image in images:
        faces = detect(image)
        if faces:
            embeddings.append(embed(image, faces[0], with_embedder))
    return embeddings
