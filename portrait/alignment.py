"""2x3 matrices that turn, scale and shift, and how they are fitted to points."""

from __future__ import annotations

import numpy as np

# Where the five landmarks lie in the 112 x 112 px picture that SFace and ArcFace were trained on (insightface,
# python-package/insightface/utils/face_align.py, arcface_dst; OpenCV uses the same).
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float64
)
TEMPLATE_SIDE = 112


def similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the 2x3 matrix (rotation, one scale, shift) that best takes points `[N, 2]` to targets `[N, 2]`.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991), in two
    dimensions and without mirroring. Points that all lie in one place give a matrix that only shifts.
    """
    points, targets = np.asarray(points, np.float64), np.asarray(targets, np.float64)
    centre, wanted = points.mean(0), targets.mean(0)
    from_centre, from_wanted = points - centre, targets - wanted
    spread = float((from_centre**2).sum())
    if spread < 1e-9:
        cosine, sine = 1.0, 0.0
    else:
        cosine = float((from_centre * from_wanted).sum()) / spread
        sine = float((from_centre[:, 0] * from_wanted[:, 1] - from_centre[:, 1] * from_wanted[:, 0]).sum()) / spread
    turn = np.array([(cosine, -sine), (sine, cosine)])
    return np.column_stack((turn, wanted - turn @ centre))


def around(centre: tuple[float, float], side: float, degrees: float, size: int) -> np.ndarray:
    """Return the matrix that takes a square, turned clockwise by `degrees`, to `size` x `size` px."""
    angle, scale = np.radians(degrees), size / side
    turn = scale * np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return np.column_stack((turn, size / 2 - turn @ np.array(centre)))


def transformed(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return points `[N, 2]` moved by a 2x3 matrix."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Return the 2x3 matrix of the way back."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack((back, -back @ matrix[:, 2]))
