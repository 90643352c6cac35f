"""Group-wise quantisation and the shards it is stored in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from portrait_studio.pocket.packing import (
    dequantise,
    pack,
    quantise,
    read_shard,
    safetensors_bytes,
    unpack,
    write_shard,
)


@given(st.integers(1, 8), st.lists(st.integers(0, 255), min_size=1, max_size=70))
def test_packed_codes_come_back(bits, values):
    codes = np.array(values, np.uint8) & (2**bits - 1)
    packed = pack(codes, bits)
    assert len(packed) == -(-len(values) * bits // 8)
    assert (unpack(packed, bits, len(codes)) == codes).all()


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("shape", [(7,), (5, 64), (4, 3, 3, 3)])
def test_no_value_moves_by_more_than_clipping_and_half_a_step_allow(bits, shape):
    values = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    packed, steps = quantise(values, bits, 32)
    back = dequantise(packed, steps, shape, bits, 32)
    assert back.shape == shape
    reach = 2 ** (bits - 1) * steps.astype(np.float32).repeat(32)[: values.size].reshape(shape)
    clipped = np.clip(values, -reach, reach * (1 - 2.0 ** (1 - bits)))
    assert np.abs(back - clipped).max() <= steps.astype(np.float32).max() * 0.501


def test_every_further_bit_at_least_halves_the_squared_error():
    values = np.random.default_rng(2).standard_normal(64 * 512).astype(np.float32)
    errors = [
        np.square(dequantise(*quantise(values, bits, 64), values.shape, bits, 64) - values).mean()
        for bits in range(3, 9)
    ]
    assert all(later < earlier / 2 for earlier, later in itertools.pairwise(errors))


def test_a_group_of_zeros_stays_zero():
    values = np.zeros((2, 32), np.float32)
    values[1] = 1
    back = dequantise(*quantise(values, 4, 32), values.shape, 4, 32)
    assert (back[0] == 0).all()
    assert np.abs(back[1] - 1).max() < 0.2


def test_a_shard_is_a_safetensors_file_and_gives_back_its_tensors(tmp_path):
    rng = np.random.default_rng(3)
    tensors = {"matrix": rng.standard_normal((8, 64)), "bias": rng.standard_normal(8), "scale": np.array(0.123456789)}
    path = tmp_path / "part-0.safetensors"
    write_shard(path, {k: v.astype(np.float32) for k, v in tensors.items()}, {"matrix": (8, 64)})
    back = read_shard(path.read_bytes())
    assert set(back) == set(tensors)
    assert np.abs(back["matrix"] - tensors["matrix"]).max() < 0.03
    assert np.abs(back["bias"] - tensors["bias"]).max() < 2e-3
    assert back["scale"] == np.float32(0.123456789)
    assert set(load(path.read_bytes())) == {"matrix", "matrix.steps", "bias", "scale"}


def test_what_we_write_is_what_the_safetensors_library_reads():
    tensors = {"b": np.arange(6, dtype=np.float16).reshape(2, 3), "a": np.array([[1.5]], np.float32)}
    back = load(b"".join(safetensors_bytes(tensors, {"made": "here"})))
    assert all((back[name] == value).all() and back[name].dtype == value.dtype for name, value in tensors.items())
