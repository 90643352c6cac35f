"""Photographs from disk: found by folder or by name, refused by name, read upright in sRGB."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from .errors import PortraitError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".heif"}
)
HEIF_SUFFIXES = frozenset({".heic", ".heif"})
# Phones with a 108 MP sensor save 12,000 x 9,000 px; as float32 a picture of 120 MP already takes 1.4 GB.
MAX_SIDE = 20_000
MAX_PIXELS = 120_000_000
PAPER = (255, 255, 255)


class PhotoError(PortraitError):
    """A photograph cannot be read; the message names it."""


def read(path: Path) -> np.ndarray:
    """Return a photograph as RGB `[H, W, 3]`, uint8, upright, in sRGB.

    The EXIF orientation is applied (all eight), transparency is put on white, of an animation the first frame counts,
    16-bit and floating point samples are scaled (not clipped) to 8 bit, an embedded ICC profile is converted to sRGB.
    HEIC needs the package pillow-heif.

    Raises PhotoError, naming the file, when it is missing, empty, truncated, not a picture, or larger than MAX_SIDE or
    MAX_PIXELS (looked up in its header, before a pixel is decoded).
    """
    if path.is_dir():
        raise PhotoError(f"{path.name} is a folder; name the photos in it.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PhotoError(
            f"{path.name} cannot be opened ({error.strerror or error}); check its name and place."
        ) from error
    if not data:
        raise PhotoError(f"{path.name} is empty (0 bytes); copy it again from the camera or phone.")
    if path.suffix.lower() in HEIF_SUFFIXES or _is_heif(data):
        _register_heif(path.name)
    try:
        with _strict_pillow(), Image.open(io.BytesIO(data)) as picture:
            _refuse_giants(path.name, picture.size)
            return np.asarray(_upright_rgb(picture))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(_giant(path.name)) from error
    except UnidentifiedImageError as error:
        raise PhotoError(
            f"{path.name} is not a picture that can be read, whatever its name says; export it as JPEG or PNG."
        ) from error
    # Pillow's decoders meet damaged bytes with any of these.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, OverflowError, MemoryError) as error:
        raise PhotoError(f"{path.name} is damaged or cut short ({error}); copy or export it again.") from error


def list_folder(root: Path, folder: str) -> list[Path]:
    """Return the picture files of `folder` under `root`, in natural order (photo2 before photo10), without hidden ones.

    Raises PhotoError when the folder is absolute, leaves `root`, does not exist or holds no picture.
    """
    place = inside(root, folder)
    if not place.is_dir():
        raise PhotoError(f"There is no folder {folder!r} in {root.name}/; put the photos there or correct the name.")
    paths = [
        path
        for path in place.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not paths:
        raise PhotoError(
            f"The folder {folder or '.'!r} in {root.name}/ holds no photos; add JPEG, PNG, WebP or TIFF files."
        )
    return sorted(paths, key=lambda path: natural_key(path.name))


def inside(root: Path, name: str) -> Path:
    """Return the path of `name` under `root`; names with spaces and of any script are fine.

    Raises PhotoError when `name` is absolute (in POSIX or Windows spelling), or leads outside `root` by `..` or a link.
    """
    name = name.strip()
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or PureWindowsPath(name).root
    if absolute or ".." in PureWindowsPath(name).parts or "\0" in name:
        raise PhotoError(f"{name!r} leads outside {root.name}/; name a file or folder inside it.")
    path = root / name
    try:
        outside = not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise PhotoError(f"{name!r} is not a usable file name ({error}); rename it.") from error
    if outside:
        raise PhotoError(f"{name!r} is a link that leads outside {root.name}/; copy the photos inside instead.")
    return path


def read_all(paths: Iterable[Path]) -> list[np.ndarray]:
    """Return every photograph, or raise one PhotoError that names each file that cannot be read."""
    photos, complaints = [], []
    for path in paths:
        try:
            photos.append(read(path))
        except PhotoError as error:
            complaints.append(str(error))
    if len(complaints) > 1:
        raise PhotoError(f"{len(complaints)} photos cannot be read: {' '.join(complaints)}")
    if complaints:
        raise PhotoError(complaints[0])
    return photos


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key that reads runs of digits as numbers and ignores case."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


@contextlib.contextmanager
def _strict_pillow() -> Iterator[None]:
    """Refuse truncated files even if another pack told Pillow to accept them; our size check replaces its warning."""
    lenient = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _giant(name: str, size: tuple[int, int] | None = None) -> str:
    dimensions = f"{size[0]} x {size[1]} px" if size else "far more pixels than a photo"
    return (
        f"{name} is too large ({dimensions}; the limit is {MAX_SIDE} px a side and {MAX_PIXELS // 10**6} megapixels); "
        "save it smaller."
    )


def _refuse_giants(name: str, size: tuple[int, int]) -> None:
    if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
        raise PhotoError(_giant(name, size))


def _upright_rgb(picture: Image.Image) -> Image.Image:
    """Return the first frame of an opened picture as upright RGB in sRGB."""
    picture.seek(0)
    profile = picture.info.get("icc_profile")
    picture.load()
    frame = _eight_bit(picture)
    with contextlib.suppress(SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        # A damaged EXIF block leaves the picture as it is stored.
        frame = ImageOps.exif_transpose(_with_exif(frame, picture))
    alpha = None
    if frame.mode == "P" or "transparency" in frame.info:
        frame = frame.convert("RGBA")
    if frame.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        frame = frame.convert("RGBA") if frame.mode != "LA" else frame
        alpha = frame.getchannel("A")
        frame = frame.convert("L" if frame.mode == "LA" else "RGB")
    frame = _srgb(frame, profile)
    if alpha is not None:
        frame = Image.composite(frame, Image.new("RGB", frame.size, PAPER), alpha)
    return frame


def _with_exif(frame: Image.Image, source: Image.Image) -> Image.Image:
    """Give a converted frame the EXIF block of its source, which mode conversions from arrays lose."""
    if frame is not source:
        exif = source.getexif()
        frame = frame.copy()
        frame.info["exif"] = exif.tobytes()
    return frame


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Return pictures of 16 and 32 bit a sample scaled to 8 bit, and every other picture as it is.

    Pillow itself clips them (mode I;16 and I) or truncates them (F) when it converts.
    """
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture).astype(np.uint16) / 257.0 + 0.5).astype(np.uint8))
    if picture.mode == "I":  # 16-bit greyscale in older Pillows, or true 32-bit integers
        values = np.asarray(picture).astype(np.float64)
        return _scaled(values, 65535.0 if values.max(initial=0) <= 65535 else 2.0**31 - 1)
    if picture.mode == "F":  # floating point TIFFs hold 0..1 by convention, some hold 0..255
        values = np.nan_to_num(np.asarray(picture).astype(np.float64))
        return _scaled(values, 1.0 if values.max(initial=0) <= 1.0 else 255.0)
    return picture


def _scaled(values: np.ndarray, top: float) -> Image.Image:
    return Image.fromarray((np.clip(values / top, 0, 1) * 255 + 0.5).astype(np.uint8))


def _srgb(frame: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the frame as RGB, through its ICC profile when it has one that fits."""
    if profile and frame.mode in ("RGB", "L", "CMYK"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = ImageCms.profileToProfile(
                frame, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            if converted is not None:
                return converted
    return frame.convert("RGB")


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def _register_heif(name: str) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError(
            f"{name} is a HEIC picture, which needs the package pillow-heif; install it, or export the photo as JPEG."
        ) from error
    pillow_heif.register_heif_opener()
