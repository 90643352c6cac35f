"""The OpenCV Zoo's ONNX files to the safetensors files in portrait/models/.

    python -m portrait_studio.portrait.networks.convert ZOO [--out FOLDER]

ZOO holds the two files that models.json names under `made_from`; they come from https://github.com/opencv/opencv_zoo.
Without --out nothing is written, and the files that ship are compared. Needs the package onnx.

The int8 values stay as they are. Batch norms behind a convolution go into its scales and bias, and YuNet's first
convolution is turned from BGR to RGB.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from .. import weights
from ..errors import PortraitError
from ..weights import WeightsError

WeightArrays = dict[str, np.ndarray]

# YuNet's units in the order of the graph, by their names in the module: the stem's first convolution stands alone.
_YUNET_UNITS = (
    "stem.2", "fine.0", "fine.1", "fine.2", "fine.3", "fine.5", "fine.6", "middle.1", "middle.2", "coarse.1",
    "coarse.2", "neck.2", "neck.1", "neck.0",
    *(f"heads.{head}.{level}" for head in ("face", "box", "there", "points") for level in range(3)),
)  # fmt: skip


def convert(role: str, onnx_file: bytes) -> bytes:
    """Return the safetensors file of the network with this role (`face_detection` or `face_recognition`).

    Raises WeightsError when the ONNX file is not the pinned one.
    """
    source = weights.pins()[role]["made_from"]
    if hashlib.sha256(onnx_file).hexdigest() != source["sha256"]:
        raise WeightsError(f"This is not the {source['file']} that models.json names (its SHA-256 differs).")
    nodes, values = _read(onnx_file)
    tensors = _yunet(nodes, values) if role == "face_detection" else _sface(nodes, values)
    # One entry alone: safetensors writes several in no fixed order, and the file has a pinned hash.
    about = f"{source['file']} of the OpenCV Zoo, sha256 {source['sha256']}, {weights.pins()[role]['licence']}"
    return save(tensors, {"made_from": about})


class _Quantised:
    """An int8 tensor with its scales and zero points `[out, blocks]`."""

    def __init__(self, values: np.ndarray, scale: np.ndarray, zero: np.ndarray):
        self.values, self.scale, self.zero = values, scale, zero

    def stored(self, name: str) -> WeightArrays:
        return {name: self.values, f"{name}.scale": self.scale.astype(np.float32), f"{name}.zero": self.zero}

    def times(self, gain: np.ndarray) -> _Quantised:
        return _Quantised(self.values, self.scale.astype(np.float64) * gain[:, None], self.zero)


def _read(onnx_file: bytes) -> tuple[list[tuple[str, list[Any], dict[str, Any]]], dict[str, Any]]:
    """Return the nodes that compute (kind, constants, attributes) and all constants by name."""
    import onnx  # pyright: ignore[reportMissingImports]: needed for this command alone

    graph = onnx.load_from_string(onnx_file).graph
    values: dict[str, Any] = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    nodes = []
    for node in graph.node:
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        constants = [values[name] for name in node.input if name in values]
        if node.op_type == "DequantizeLinear":
            stored, scale, zero = constants
            if options["axis"] == 1:
                values[node.output[0]] = _Quantised(stored, scale, zero)
            else:  # a bias: so small that it is kept as float32
                scale, zero = (np.repeat(v, options["block_size"])[: len(stored)] for v in (scale, zero))
                values[node.output[0]] = (stored.astype(np.float32) - zero.astype(np.float32)) * scale
        elif node.op_type == "Reshape" and constants and isinstance(constants[0], _Quantised):
            flat, shape = constants
            values[node.output[0]] = _Quantised(flat.values.reshape(shape), flat.scale, flat.zero)
        else:
            nodes.append((node.op_type, constants, options))
    return nodes, values


def _yunet(nodes: list[tuple[str, list[Any], dict[str, Any]]], values: dict[str, Any]) -> WeightArrays:
    convolutions = [constants for kind, constants, _ in nodes if kind == "Conv"]
    names = ["stem.0", *(f"{unit}.{part}" for unit in _YUNET_UNITS for part in (0, 1))]
    tensors: WeightArrays = {}
    for name, (weight, bias) in zip(names, convolutions, strict=True):
        if name == "stem.0":
            weight = _Quantised(np.ascontiguousarray(weight.values[:, ::-1]), weight.scale, weight.zero)
        tensors |= weight.stored(f"{name}.weight") if isinstance(weight, _Quantised) else {f"{name}.weight": weight}
        tensors[f"{name}.bias"] = bias
    return tensors


def _sface(nodes: list[tuple[str, list[Any], dict[str, Any]]], values: dict[str, Any]) -> WeightArrays:
    tensors: WeightArrays = {}
    names = [name for block in range(13) for name in (f"blocks.{block}.0", f"blocks.{block}.2")]
    names = iter(["stem.0", *names])
    name, weight, bias = "", None, np.zeros(1, np.float32)
    for kind, constants, options in nodes:
        if kind == "Conv":
            name, weight = next(names), constants[0]
        elif kind == "PRelu":
            slope_of, place = name.rsplit(".", 1)
            tensors[f"{slope_of}.{int(place) + 1}.weight"] = constants[0].ravel()
        elif kind == "Gemm":
            name, (weight, bias) = "last", constants
        elif kind == "BatchNormalization":
            gain, shift = _affine(constants, options["epsilon"])
            if weight is None:  # between the last block and the linear layer
                tensors |= {"norm.weight": gain.astype(np.float32), "norm.bias": shift.astype(np.float32)}
                continue
            if name == "last":
                shift = shift + bias * gain
            tensors |= weight.times(gain).stored(f"{name}.weight")
            tensors[f"{name}.bias"] = shift.astype(np.float32)
            weight = None
    return tensors


def _affine(constants: list[np.ndarray], epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Return gain and shift of a batch norm, as float64."""
    gamma, beta, mean, variance = constants
    gain = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    return gain, beta - mean * gain


def main() -> int:
    """Compare or write; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("zoo", type=Path, help="the folder of the ONNX files")
    options.add_argument("--out", type=Path, help="where to write")
    given = options.parse_args()
    for role, pin in weights.pins().items():
        try:
            data = convert(role, (given.zoo / pin["made_from"]["file"]).read_bytes())
        except (OSError, PortraitError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
        same = hashlib.sha256(data).hexdigest() == pin["sha256"]
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            (given.out / pin["file"]).write_bytes(data)
        sys.stdout.write(
            f"{pin['file']}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, "
            f"{'the same as' if same else 'NOT'} the pinned one\n"
        )
        if given.out is None and not same:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
