"""3D look-up tables: applying them in torch, and reading them from .cube files.

A LUT here is float32 `[N, N, N, 3]`, indexed [red, green, blue], from and to display-referred sRGB, 0..1.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import PortraitError
from ..presets import shown
from ..reading import ReadError, limit, opened

if TYPE_CHECKING:
    import torch

SIZE = 33
"""Grid points an axis of the LUTs that presets generate: what grading software exports by default."""

MAX_SIZE = 129

_CHUNK = 1 << 15  # pixels at a time on a CPU: their intermediate results stay in its cache


def identity(size: int = SIZE) -> np.ndarray:
    """Return the LUT that changes nothing, `[size, size, size, 3]` float32."""
    steps = np.linspace(0.0, 1.0, size, dtype=np.float32)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)


def apply(image: torch.Tensor, lut: np.ndarray, strength: float = 1.0) -> torch.Tensor:
    """Map an image through a LUT with trilinear interpolation, on the device and in the dtype of the image.

    `image` is `[..., C]`, 0..1 (values outside are clamped), C of 3 or more: channels after the third pass unchanged.
    `strength` mixes the result with the image: 0 returns `image` itself, 1 the full LUT.

    The LUT's difference from identity is interpolated and added to the image. Trilinear interpolation is linear in the
    table, so this is the same result, and what the LUT leaves alone stays exact.

    Raises PortraitError for a wrong shape of either.
    """
    import torch

    if strength == 0:
        return image
    size = lut.shape[0]
    if lut.shape != (size, size, size, 3) or size < 2:
        raise PortraitError(f"A LUT of shape {list(lut.shape)} cannot be applied; it must be [N, N, N, 3], N from 2.")
    if image.shape[-1] < 3:
        raise PortraitError(f"An image of {image.shape[-1]} channels cannot be graded; give an RGB image.")
    change = torch.from_numpy(np.float32(strength) * (lut.astype(np.float32) - identity(size)))
    table = _paired(change).to(image.device)
    flat = image.reshape(-1, image.shape[-1])
    graded = torch.empty_like(flat)
    chunk = _CHUNK if image.device.type == "cpu" else max(1, len(flat))
    for start in range(0, len(flat), chunk):
        part = flat[start : start + chunk]
        graded[start : start + chunk, :3] = _look_up(part[:, :3].float().clamp(0, 1), table, size)
        graded[start : start + chunk, 3:] = part[:, 3:]
    return graded.reshape(image.shape)


def _paired(change: torch.Tensor) -> torch.Tensor:
    """Lay `[N, N, N, 3]` out for 2D look-ups: `[1, 6, N * (N + 1), N]`.

    torch samples 2D tables three times faster than 3D ones on a CPU. So green and blue are looked up in 2D, in slabs
    stacked along the rows, one slab for each red; the six channels are the colour there and that at the next red. Each
    slab ends in a repeated row, so that rounding at its edge never reaches the next one.
    """
    import torch

    size = len(change)
    following = torch.cat((change[1:], change[-1:]))
    pairs = torch.cat((change, following), dim=-1)
    slabs = torch.cat((pairs, pairs[:, -1:]), dim=1)
    return slabs.permute(3, 0, 1, 2).reshape(1, 6, size * (size + 1), size).contiguous()


def _look_up(colours: torch.Tensor, table: torch.Tensor, size: int) -> torch.Tensor:
    import torch

    red = colours[:, 0] * (size - 1)
    slab = red.floor()
    rows = table.shape[2]
    places = torch.empty((1, 1, len(colours), 2), device=colours.device)
    torch.mul(colours[:, 2], 2, out=places[0, 0, :, 0]).sub_(1)
    torch.add(
        slab * (2 * (size + 1) / (rows - 1)) - 1,
        colours[:, 1],
        alpha=2 * (size - 1) / (rows - 1),
        out=places[0, 0, :, 1],
    )
    found = torch.nn.functional.grid_sample(table, places, align_corners=True, padding_mode="border")[0, :, 0]
    return colours + torch.lerp(found[:3], found[3:], red - slab).T


def read_cube(path: Path) -> np.ndarray:
    """Read an Iridas/Resolve .cube file as a LUT over 0..1.

    A 1D LUT, or one with a shaper, or a domain other than 0..1, is evaluated on the grid of a 3D LUT over 0..1.

    Raises PortraitError naming the file when it is missing, too large, not a LUT, holds a number that is not finite or
    has an empty domain.
    """
    try:
        with opened(path) as lines:
            if os.fstat(lines.fileno()).st_size > limit("lut"):
                most = limit("lut") // 1_000_000
                raise PortraitError(f"The LUT {path.name} is larger than {most} MB; export it with 65 points.")
            _check_declared_size(lines, path.name)
    except ReadError as error:
        raise PortraitError(
            f"The LUT file {shown(path.name)} cannot be read ({error}); put it beside its preset or correct the name."
        ) from None
    try:
        colour = colour_science()
    except ImportError:
        raise PortraitError(f"Reading {path.name} needs colour-science; install the pack's requirements.txt.") from None
    try:
        table = colour.io.read_LUT(str(path))
    except Exception as error:  # the reader lets through whatever its arithmetic meets
        raise PortraitError(f"{path.name} is not a .cube LUT ({type(error).__name__}); export it again.") from None
    return _over_unit_cube(table, path.name)


def colour_science() -> ModuleType:
    """Return the module colour of colour-science, without what it leaves behind. Raises ImportError.

    Where matplotlib is missing, colour puts empty modules of that name into sys.modules. They break other packages:
    transformers asks whether matplotlib is there and gets "matplotlib.__spec__ is not set".
    """
    before = set(sys.modules)
    import colour

    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "matplotlib" and getattr(sys.modules[name], "__spec__", None) is None:
            del sys.modules[name]
    return colour


def _check_declared_size(lines: BinaryIO, name: str) -> None:
    for line in lines:
        words = line.split()
        if words and words[0] == b"LUT_3D_SIZE":
            size = int(words[1]) if len(words) == 2 and words[1].isdigit() and len(words[1]) < 10 else 0
            if not 2 <= size <= MAX_SIZE:
                raise PortraitError(f"The LUT {name} declares a size that is not 2 to {MAX_SIZE}; export it again.")
            return


def _over_unit_cube(table: Any, name: str) -> np.ndarray:
    colour = colour_science()
    steps = list(table) if isinstance(table, colour.LUTSequence) else [table]
    if not steps or not all(isinstance(step, (colour.LUT3D, colour.LUT3x1D)) for step in steps):
        raise PortraitError(f"{name} holds something other than 1D and 3D LUTs; export it as a 3D .cube.")
    for step in steps:
        values, domain = np.asarray(step.table), np.asarray(step.domain)
        if not np.isfinite(values).all() or not np.isfinite(domain).all():
            raise PortraitError(f"The LUT {name} holds a number that is not finite; export it again.")
        if domain.shape != (2, 3) or np.any(domain[1] <= domain[0]):
            raise PortraitError(f"The LUT {name} has an empty domain; DOMAIN_MAX must be above DOMAIN_MIN.")
    first = steps[0]
    unit = np.array([(0.0, 0.0, 0.0), (1.0, 1.0, 1.0)])
    if len(steps) == 1 and isinstance(first, colour.LUT3D) and np.array_equal(first.domain, unit):
        return np.asarray(first.table, dtype=np.float32)
    colours = identity(max(SIZE, *(len(step.table) for step in steps if isinstance(step, colour.LUT3D)), 0))
    for step in steps:
        low, high = np.asarray(step.domain)
        inside = np.clip(colours, low, high)
        colours = step.apply(inside)
    return np.asarray(colours, dtype=np.float32)
