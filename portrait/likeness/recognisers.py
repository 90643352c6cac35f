"""A second face recognition beside the first: an insightface-format recogniser in ONNX, from a file of one's own.

Nothing is downloaded. The file is run by onnxruntime, or by OpenCV where that is what is installed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..alignment import TEMPLATE_SIDE
from ..disk import read_toml
from ..identity import IdentityError

if TYPE_CHECKING:
    from ..warping import Picture

FILE = Path(__file__).with_name("recognisers.toml")
HOMES: list[Path] = []
"""Folders that are looked into for *.onnx; the nodes put models/portrait_studio/recognisers here."""
LEAST_NUMBERS = 64
OTHER = "use an insightface-format recogniser such as AuraFace's."
Run = Callable[[np.ndarray], np.ndarray]


class OnnxEmbedder:
    """An embedder from an ONNX file; `same_person` is its own threshold, None where nobody has measured it."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        facts = _facts(path)
        self.about = str(facts.get("about", ""))
        self.same_person: float | None = facts.get("same_person")
        self._mean, self._std = float(facts["mean"]), float(facts["std"])
        self._run = _runtime(path)
        probe = self(np.full((1, TEMPLATE_SIDE, TEMPLATE_SIDE, 3), 128, np.uint8))
        if probe.ndim != 2 or len(probe) != 1 or probe.shape[1] < LEAST_NUMBERS or not np.isfinite(probe).all():
            raise IdentityError(
                f"{path.name} is not a face recogniser: it answers {list(probe.shape)} to one face, not one row of "
                f"{LEAST_NUMBERS} numbers or more; {OTHER}"
            )

    def __call__(self, aligned: Picture) -> np.ndarray:
        """Return the embeddings `[N, K]` of aligned faces `[N, 112, 112, 3]` (RGB, uint8), not normalised."""
        faces = aligned if isinstance(aligned, np.ndarray) else aligned.cpu().numpy()
        values = (faces.astype(np.float32) - self._mean) / self._std
        pixels = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        return np.concatenate([np.asarray(self._run(one)) for one in np.array_split(pixels, len(pixels))])


def second() -> tuple[OnnxEmbedder | None, str]:
    """Return the second face recognition and "", or None and a sentence about why there is none.

    There being no file is no fault and gives "".
    """
    path = next((file for home in HOMES for file in sorted(home.glob("*.onnx"))), None)
    if path is None:
        return None, ""
    try:
        return opened(path), ""
    except IdentityError as error:
        return None, f"The second face recognition is left out: {error}"


def opened(path: Path) -> OnnxEmbedder:
    """Return the embedder of an ONNX file, the same as long as the file is. Raises IdentityError in one sentence."""
    try:
        return _opened(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise IdentityError(f"{path.name} cannot be read ({error.strerror}); put the file there again.") from None


@functools.lru_cache(maxsize=2)
def _opened(path: Path, _: int) -> OnnxEmbedder:
    return OnnxEmbedder(path)


def _facts(path: Path) -> dict[str, Any]:
    """Return what is known of a recogniser: what the file beside it says, or the entry that its name begins with."""
    beside = path.with_suffix(".toml")
    facts: dict[str, Any] = {"mean": 127.5, "std": 127.5}
    try:
        table = read_toml(beside) if beside.is_file() else _known(path.stem)
    except (OSError, ValueError) as error:
        raise IdentityError(f"{beside.name} cannot be read ({error}); see recognisers.toml for its entries.") from None
    for key in ("mean", "std", "same_person"):
        value = table.get(key, facts.get(key))
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise IdentityError(f"{beside.name} says {key!r} is {value!r}; it must be a number.")
    facts |= table
    if not facts["std"]:
        raise IdentityError(f"{beside.name} says 'std' is 0; it must be another number.")
    return facts


def _known(stem: str) -> dict[str, Any]:
    return next((dict(about) for name, about in read_toml(FILE).items() if stem.lower().startswith(name)), {})


def _runtime(path: Path) -> Run:
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]: an extra
    except ImportError:
        return _by_opencv(path)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base of its errors
        raise IdentityError(
            f"{path.name} is not an ONNX model that onnxruntime can run ({_short(error, path)}); {OTHER}"
        ) from None
    wanted, *more = session.get_inputs()
    sides = [side for side in wanted.shape[1:] if isinstance(side, int)]
    if more or len(wanted.shape) != 4 or sides not in ([3, TEMPLATE_SIDE, TEMPLATE_SIDE], [3], []):
        raise _other_size(path, str(wanted.shape))

    def run(pixels: np.ndarray) -> np.ndarray:
        try:
            return session.run(None, {wanted.name: pixels})[0]
        except Exception as error:
            raise IdentityError(f"{path.name} cannot look at a face ({_short(error, path)}); {OTHER}") from None

    return run


def _by_opencv(path: Path) -> Run:
    try:
        import cv2  # pyright: ignore[reportMissingImports]: an extra
    except ImportError:
        raise IdentityError(
            f"{path.name} needs the package onnxruntime; install it in ComfyUI's environment, or take the file away."
        ) from None
    try:
        network = cv2.dnn.readNetFromONNX(str(path))
    except (cv2.error, AttributeError) as error:
        raise IdentityError(
            f"{path.name} cannot be read by OpenCV ({_short(error, path)}); install the package onnxruntime in "
            "ComfyUI's environment, or take the file away."
        ) from None

    def run(pixels: np.ndarray) -> np.ndarray:
        try:
            network.setInput(pixels)
            return network.forward()
        except cv2.error as error:
            raise _other_size(path, _short(error, path)) from None

    return run


def _other_size(path: Path, said: str) -> IdentityError:
    return IdentityError(f"{path.name} does not take faces of 112 x 112 px ({said}); {OTHER}")


def _short(error: BaseException, path: Path) -> str:
    """Return what a runtime says in a few words, without where the file is."""
    return " ".join(str(error).replace(str(path), path.name).split())[:120]
