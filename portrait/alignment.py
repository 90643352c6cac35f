"""Turning and scaling arrays `[H, W, 3]` (RGB, uint8) by a 2x3 matrix, fitted to points."""

from __future__ import annotations

import numpy as np

from .opencv import opencv


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


def warp(image: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """Return the picture moved by the matrix into `side` x `side` px; beyond its border the border goes on.

    Coordinates are in pixels from the outer corner of the picture. A picture that shrinks is first averaged down, so
    that no pixel is skipped.
    """
    cv2 = opencv()
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.75:
        image, matrix = _shrunk(image, matrix, scale, side)
    # cv2 counts from the middle of the first pixel.
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(image, shifted, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _shrunk(image: np.ndarray, matrix: np.ndarray, scale: float, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of the picture that the matrix looks at, smaller, and the matrix for it."""
    cv2 = opencv()
    corners = transformed(np.array([(0, 0), (side, 0), (0, side), (side, side)]), inverse(matrix))
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(corners.min(0)).astype(int) - 2, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + 2, (left + 1, top + 1), (width, height))
    part = image[top:bottom, left:right]
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    grown = matrix[:, :2] / (np.array(size) / (part.shape[1], part.shape[0]))
    return small, np.column_stack((grown, matrix[:, 2] + matrix[:, :2] @ (left, top)))
