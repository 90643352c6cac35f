"""Weights packed for storage: group-wise quantisation, and a safetensors writer whose bytes depend on nothing else.

A tensor [rows, ...] is cut into groups of consecutive values. Each group keeps one float16 step, each value a code of
`bits` bits around zero; unpacking multiplies the two in float32. Every operation is exactly rounded by IEEE 754, so the
same shard gives the same bytes on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..portrait import disk

DTYPES = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32", np.dtype(np.uint8): "U8"}
STEPS = ".steps"


def quantise(values: np.ndarray, bits: int, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Return packed codes (uint8) and steps (float16 [groups]) of an array of any shape.

    The step of a group is the best of several fractions of the one that reaches its largest value, by squared error.
    """
    flat = values.astype(np.float32).reshape(-1)
    flat = np.pad(flat, (0, -flat.size % group)).reshape(-1, group)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    reach = np.abs(flat).max(1) / -low
    best = np.full(len(flat), np.inf, np.float32)
    steps = np.zeros(len(flat), np.float16)
    for fraction in np.linspace(0.7, 1.1, 13):
        trial = np.maximum(reach * fraction, 2.0**-24).astype(np.float16)
        codes = np.clip(np.rint(flat / trial[:, None].astype(np.float32)), low, high)
        error = ((codes * trial[:, None].astype(np.float32) - flat) ** 2).sum(1)
        steps[error < best] = trial[error < best]
        best = np.minimum(best, error)
    codes = np.clip(np.rint(flat / steps[:, None].astype(np.float32)), low, high)
    return pack((codes - low).astype(np.uint8).reshape(-1), bits), steps


def dequantise(packed: np.ndarray, steps: np.ndarray, shape: tuple[int, ...], bits: int, group: int) -> np.ndarray:
    """Return the float32 array of `shape` that `quantise` stored."""
    count = int(np.prod(shape))
    codes = unpack(packed, bits, len(steps) * group).astype(np.float32) - 2 ** (bits - 1)
    values = codes.reshape(len(steps), group) * steps[:, None].astype(np.float32)
    return values.reshape(-1)[:count].reshape(shape)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Return codes (uint8 below 2 ** bits) as a dense bit stream, most significant bit first."""
    planes = np.unpackbits(codes[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(planes.reshape(-1))


def unpack(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    """Return the first `count` codes of a bit stream."""
    planes = np.unpackbits(packed, count=count * bits).reshape(count, bits)
    return np.packbits(np.pad(planes, ((0, 0), (8 - bits, 0))), axis=1).reshape(-1)


def safetensors_bytes(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> list[bytes]:
    """Return a safetensors file in pieces, tensors in the mapping's order (huggingface/safetensors, format section)."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    return [head, *(np.ascontiguousarray(tensor).tobytes() for tensor in tensors.values())]


def write_shard(path: Path, tensors: Mapping[str, np.ndarray], precision: Mapping[str, tuple[int, int]]) -> int:
    """Write a shard and return its size in bytes.

    `precision` gives bits and group size by name; what it does not name is kept as it is (float32) if it is a scalar,
    and as float16 otherwise.
    """
    stored: dict[str, np.ndarray] = {}
    shapes: dict[str, list[int]] = {}
    for name, tensor in tensors.items():
        if name in precision:
            stored[name], stored[name + STEPS] = quantise(tensor, *precision[name])
            shapes[name] = [*precision[name], *tensor.shape]
        else:
            stored[name] = tensor.astype(np.float16 if tensor.ndim else np.float32)
    pieces = safetensors_bytes(stored, {"packed": json.dumps(shapes, separators=(",", ":"))})
    disk.write(path, b"".join(pieces))
    return path.stat().st_size


def read_shard(data: bytes) -> dict[str, np.ndarray]:
    """Return a shard's tensors as float32."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    names = {code: dtype for dtype, code in DTYPES.items()}
    stored = {
        name: np.frombuffer(data[8 + length :][slice(*entry["data_offsets"])], names[entry["dtype"]]).reshape(
            entry["shape"]
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }
    packed = json.loads(header["__metadata__"]["packed"])
    return {
        name: dequantise(tensor, stored[name + STEPS], tuple(packed[name][2:]), *packed[name][:2])
        if name in packed
        else tensor.astype(np.float32)
        for name, tensor in stored.items()
        if not name.endswith(STEPS)
    }
