"""Headers of safetensors files from outside: read with a limit and checked before any tensor is.

The format: eight bytes with the length of a JSON header, the header, then the tensors' bytes without a gap
(https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import reading

_BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "I16": 2, "U16": 2, "F16": 2}
_BYTES |= {"BF16": 2, "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8, "C64": 8}
_MOST_AXES = 16

# The names of a LoRA's two matrices: kohya's, PEFT's and those of several diffusers versions.
_PAIRS = (
    (".lora_up.weight", ".lora_down.weight"),
    (".lora_B.weight", ".lora_A.weight"),
    (".lora_B.default.weight", ".lora_A.default.weight"),
    (".lora_B", ".lora_A"),
    ("_lora.up.weight", "_lora.down.weight"),
    (".lora.up.weight", ".lora.down.weight"),
    (".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"),
)


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself: `shapes` and `dtypes` (as "F32") by tensor name, and its metadata."""

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    metadata: dict[str, str]


def read_header(path: Path, links: bool = True) -> Header:
    """Read and check the header of a safetensors file; no tensor is read.

    Raises reading.ReadError when it cannot be opened, ValueError when it is not a whole file of the format.
    """
    with reading.opened(path, links) as file:
        length = int.from_bytes(file.read(8), "little")
        size = os.fstat(file.fileno()).st_size
        if not 2 <= length <= min(reading.limit("safetensors header"), size - 8):
            raise ValueError("its header has an impossible length")
        raw = reading.parse_json(file.read(length))
    if not isinstance(raw, dict):
        raise ValueError("its header is not an object")
    about = raw.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(text, str) for text in about.values()):
        raise ValueError("its metadata is not text")
    places = sorted(_place(name, entry) for name, entry in raw.items())
    end = 0
    for start, stop in places:
        if start != end:
            raise ValueError("its tensors overlap or leave a gap")
        end = stop
    if 8 + length + end != size:
        raise ValueError("it is cut short, or longer than it says")
    shapes = {name: tuple(entry["shape"]) for name, entry in raw.items()}
    return Header(shapes, {name: entry["dtype"] for name, entry in raw.items()}, about)


def copy_with_metadata(source: Path, target: Path, kept: Collection[str]) -> None:
    """Copy a safetensors file with none of its metadata but `kept`; the tensors' bytes are copied as they are.

    Raises reading.ReadError and ValueError as `read_header` does, OSError when the target cannot be written.
    """
    metadata = read_header(source).metadata
    with reading.opened(source) as file, target.open("wb") as copy:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length)
        if not set(metadata) <= set(kept):
            header = reading.parse_json(text)
            header["__metadata__"] = {key: value for key, value in metadata.items() if key in kept}
            text = json.dumps(header, separators=(",", ":")).encode()
            text += b" " * (-len(text) % 8)  # the format wants the tensors to begin at a multiple of eight
        copy.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(file, copy)


def lora_fault(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return what keeps tensors of these shapes from being a LoRA that can be applied, None when nothing does.

    A host that meets such a LoRA logs it and paints without it.
    """
    for name in shapes:
        if name.endswith(".reshape_weight"):
            return f"{name!r} would change the size of a layer"
        if name.endswith(".alpha") and math.prod(shapes[name]) != 1:
            return f"{name!r} is not one number"
        for ending, other in (*_PAIRS, *(pair[::-1] for pair in _PAIRS)):
            if name.endswith(ending) and name[: -len(ending)] + other not in shapes:
                return f"{name!r} lacks its other half"
    for stem, up, down in lora_pairs(shapes):
        if fault := _rank_fault(stem, shapes[up], shapes[down], shapes.get(f"{stem}.lora_mid.weight")):
            return fault
    return None


def lora_pairs(names: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (layer, name of the matrix that widens, name of the one that narrows) for each layer of a LoRA."""
    for up, down in _PAIRS:
        for name in names:
            if name.endswith(up) and name[: -len(up)] + down in names:
                yield name[: -len(up)], name, name[: -len(up)] + down


def _rank_fault(stem: str, up: tuple[int, ...], down: tuple[int, ...], mid: tuple[int, ...] | None) -> str | None:
    if min(len(up), len(down)) < 2 or 0 in (*up, *down) or (mid is not None and len(mid) != 4):
        return f"the matrices of {stem!r} have impossible shapes"
    if up[1] != down[0] or (mid is not None and mid[:2] != (up[1], up[1])):
        return f"the two matrices of {stem!r} have the ranks {up[1]} and {down[0]}, which do not fit each other"
    return None


def _place(name: str, entry: Any) -> tuple[int, int]:
    """Return where a tensor's bytes begin and end. Raises ValueError when the entry contradicts itself."""
    if not isinstance(entry, dict):
        raise ValueError("an entry of its header is not an object")
    shape, offsets, dtype = _sizes(entry.get("shape")), _sizes(entry.get("data_offsets")), entry.get("dtype")
    if shape is None or offsets is None or len(offsets) != 2 or len(shape) > _MOST_AXES:
        raise ValueError(f"the shape or place of {name[:80]!r} is impossible")
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise ValueError(f"{name[:80]!r} has the unknown type {str(dtype)[:20]!r}")
    if offsets[1] - offsets[0] != math.prod(shape) * _BYTES[dtype]:
        raise ValueError(f"the size of {name[:80]!r} is not that of its shape")
    return offsets[0], offsets[1]


def _sizes(value: Any) -> list[int] | None:
    fine = isinstance(value, list) and all(type(one) is int and one >= 0 for one in value)
    return value if fine else None
