"""OpenCV, which is imported only when a face is looked for."""

from __future__ import annotations

from typing import Any

from .errors import PortraitError


class OpenCVError(PortraitError):
    """OpenCV is missing or is a version that cannot run the models."""


def opencv() -> Any:
    """Return the module cv2.

    Raises OpenCVError, which says what to install, when it is missing, older than 4.11 or version 5.
    """
    try:
        import cv2
    except ImportError as error:
        raise OpenCVError("Faces need OpenCV: install opencv-python-headless (at least 4.11, below 5).") from error
    # 4.10 reads models from files alone; SFace crashes on 5.0.
    if not (4, 11) <= tuple(int(part) for part in cv2.__version__.split(".")[:2]) < (5, 0):
        raise OpenCVError(
            f"OpenCV {cv2.__version__} cannot run SFace: install opencv-python-headless (at least 4.11, below 5)."
        )
    return cv2
