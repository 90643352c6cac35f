"""Ready subjects as a likeness report knows them: their training photos, and photos that training never saw."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from portrait_studio.portrait import identity, photos
from portrait_studio.portrait.likeness import looking
from portrait_studio.portrait.likeness.known import KnownPhotos
from portrait_studio.portrait.originals import as_photo

SUBJECTS = Path(__file__).parents[3] / "pocket" / "subjects"
# The first six photos of a subject have no fault; two of them stand for the held-out ones.
TRAINED, HELD_OUT = (1, 3, 4, 5, 6, 8), (2, 7)


@functools.cache
def photo(name: str, number: int) -> np.ndarray:
    """A photo `[H, W, 3]` of a ready subject; numbers from 101 on are those of the references."""
    file = f"references/{name}-reference-{number - 100}.jpg" if number > 100 else f"{name}-{number:02d}.jpg"
    return np.asarray(as_photo(photos.read(SUBJECTS / name / file)).pixels)


@functools.cache
def known(name: str) -> KnownPhotos:
    """What training knows of a subject."""
    numbers = (*TRAINED, *HELD_OUT)
    seen = [one for one in looking.look([photo(name, n) for n in numbers], identity.embedder()) if one]
    assert len(seen) == len(numbers)
    return KnownPhotos(
        names=tuple(f"{name}-{number:02d}.jpg" for number in numbers),
        faces=np.stack([one.aligned for one in seen]),
        embeddings=np.stack([one.embedding for one in seen]),
        turns=np.array([one.turn for one in seen]),
        trained=np.array([number in TRAINED for number in numbers]),
        backend="sface",
    )


def person(name: str) -> np.ndarray:
    """The direction of the held-out photos."""
    own = known(name)
    return identity.reference(own.embeddings[~own.trained])


def pasted(picture: np.ndarray, how: str) -> np.ndarray:
    """A photo as a copier might return it."""
    image = Image.fromarray(picture)
    wide, high = image.size
    if how == "smaller":
        image = image.resize((256, round(256 * high / wide)), Image.Resampling.LANCZOS)
    elif how == "jpeg":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=50)
        image = Image.open(buffer).convert("RGB")
    elif how == "mirrored":
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    elif how == "brighter":
        image = ImageEnhance.Brightness(image).enhance(1.2)
    elif how == "grey":
        image = image.convert("L").convert("RGB")
    elif how == "softer":
        image = image.resize((256, round(256 * high / wide))).filter(ImageFilter.GaussianBlur(2))
    elif how == "shifted":
        image = image.crop((wide // 20, 0, wide, round(0.97 * high))).rotate(3, Image.Resampling.BICUBIC)
    elif how == "warmer":
        image = Image.fromarray((picture * np.array((1.1, 1.0, 0.8))).clip(0, 255).astype(np.uint8))
    elif how == "elsewhere":
        canvas = Image.new("RGB", (2 * wide, 2 * high), (90, 120, 90))
        canvas.paste(image, (wide // 3, high // 2))
        image = canvas
    return np.asarray(image)


WAYS = ("as it is", "smaller", "softer", "shifted", "jpeg", "mirrored", "brighter", "warmer", "grey", "elsewhere")
