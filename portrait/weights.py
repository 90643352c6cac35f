"""The small models that ship in portrait/models/, checked against their pins before use."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from .errors import PortraitError

FOLDER = Path(__file__).parent / "models"


class WeightsError(PortraitError):
    """A shipped model is missing or is not the file it should be."""


@functools.cache
def pins() -> dict[str, dict[str, Any]]:
    """Return models.json: role -> name, file, bytes, sha256, source, licence, licence_file,
    made_from."""
    return json.loads((FOLDER / "models.json").read_text("utf-8"))


def read(role: str) -> bytes:
    """Return the bytes of the model with this role (`face_detection` or `face_recognition`).

    Raises WeightsError when the file is missing or its SHA-256 differs from the pin.
    """
    pin = pins()[role]
    path = FOLDER / pin["file"]
    if not path.is_file():
        raise WeightsError(f"The model {path} is missing; install the pack again.")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != pin["sha256"]:
        raise WeightsError(f"The model {path} is damaged (its SHA-256 is not the pinned one); install the pack again.")
    return data
