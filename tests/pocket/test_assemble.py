"""The shards become ordinary ComfyUI files, the same bytes everywhere, or nothing at all."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from portrait_studio.pocket import assemble as assembly
from portrait_studio.pocket import text_encoder
from portrait_studio.pocket.__main__ import main
from portrait_studio.pocket.assemble import (
    CHECKPOINT,
    CONTROLNETS,
    PINS,
    UPSCALER,
    WEIGHTS,
    AssemblyError,
    assemble,
    complete,
    read_parts,
)
from portrait_studio.pocket.packing import write_shard
from portrait_studio.pocket.train import export

FIRST_OF_STREAM = [222, 238, 248, 38, 202, 4, 178, 222, 150, 127, 154, 81]
TARGETS = {CHECKPOINT, *CONTROLNETS.values(), UPSCALER}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Shards of the real layout in miniature: a few tensors a part."""
    folder = tmp_path_factory.mktemp("weights")
    rng = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    parts = {
        "unet-0": {"input_blocks.0.0.weight": some(32, 4), "out.2.weight": some(4, 32)},
        "unet-1": {"middle_block.0.bias": some(32)},
        "openpose-0": {"input_blocks.0.0.weight": some(32, 4) / 50, "zero_convs.0.0.weight": some(32, 32)},
        "tile-0": {"zero_convs.0.0.weight": some(32, 32)},
        "vae-0": {"taesd_encoder.0.weight": some(32, 3)},
        "vae-scale-0": {"vae_scale": np.array(0.7, np.float32)},
        "upscaler-0": {"body.0.weight": some(64, 3)},
    }
    for name, tensors in parts.items():
        precision = {key: (4, 32) for key, value in tensors.items() if value.ndim > 1}
        write_shard(folder / f"{name}.safetensors", tensors, precision)
    export.pin(folder)
    return folder


@pytest.fixture
def copy(weights: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    for path in weights.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_every_file_has_its_pinned_hash(weights, tmp_path):
    paths = assemble(tmp_path, weights)
    pins = json.loads((weights / PINS).read_text())
    assert {str(p.relative_to(tmp_path)) for p in paths} == TARGETS == set(pins["files"])
    for path in paths:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == pins["files"][str(path.relative_to(tmp_path))]


def test_a_second_run_leaves_the_files_alone_and_repairs_only_the_broken_one(weights, tmp_path):
    paths = assemble(tmp_path, weights)
    before = {path: path.stat().st_mtime_ns for path in paths}
    assemble(tmp_path, weights)
    assert {path: path.stat().st_mtime_ns for path in paths} == before
    upscaler = tmp_path / UPSCALER
    good = upscaler.read_bytes()
    upscaler.write_bytes(good[:-1] + b"\0" if good[-1] else good[:-1] + b"\1")
    assemble(tmp_path, weights)
    assert upscaler.read_bytes() == good
    assert {path for path in paths if path.stat().st_mtime_ns != before[path]} == {upscaler}


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_corrupt_or_missing_shard_is_named_with_its_hash_and_nothing_is_written(copy, tmp_path, harm):
    shard = copy / "unet-1.safetensors"
    expected = hashlib.sha256(shard.read_bytes()).hexdigest()
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    match harm:
        case "flip":
            shard.write_bytes(data)
        case "cut":
            shard.write_bytes(data[:-3])
        case "remove":
            shard.unlink()
    models = tmp_path / "models"
    with pytest.raises(AssemblyError) as caught:
        assemble(models, copy)
    assert shard.name in str(caught.value)
    assert expected in str(caught.value)
    assert not models.exists()


def test_a_shard_is_refused_even_where_the_assembled_files_are_already_right(copy, tmp_path):
    assemble(tmp_path / "models", copy)
    (copy / "tile-0.safetensors").unlink()
    with pytest.raises(AssemblyError, match="tile-0"):
        assemble(tmp_path / "models", copy)


def test_a_file_that_would_differ_from_its_pin_is_not_written(copy, tmp_path):
    pins = json.loads((copy / PINS).read_text())
    pins["files"][UPSCALER] = "0" * 64
    (copy / PINS).write_text(json.dumps(pins))
    with pytest.raises(AssemblyError, match=r"pocket-x4.*0000"):
        assemble(tmp_path / "models", copy)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"shards": {}}', "{"])
def test_broken_pins_are_one_sentence(copy, tmp_path, text):
    (copy / PINS).write_text(text)
    with pytest.raises(AssemblyError, match=r"pins\.json cannot be read"):
        assemble(tmp_path / "models", copy)


def test_an_interrupted_write_leaves_the_old_file(weights, tmp_path, monkeypatch):
    assemble(tmp_path, weights)
    target = tmp_path / UPSCALER
    target.write_bytes(b"old")

    def fail(self, other):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        assemble(tmp_path, weights)
    assert target.read_bytes() == b"old"
    assert {p.name for p in target.parent.iterdir()} == {target.name}


def test_a_controlnet_is_the_unets_encoder_plus_its_differences(weights, tmp_path):
    assemble(tmp_path, weights)
    shards = {p.name: p.read_bytes() for p in weights.glob("*.safetensors")}
    parts = read_parts(shards)
    whole = complete(parts["openpose"], parts["unet"])
    name = "input_blocks.0.0.weight"
    assert np.array_equal(whole[name], parts["unet"][name] + parts["openpose"][name])
    assert "out.2.weight" not in whole
    with safe_open(tmp_path / CONTROLNETS["openpose"], "np") as file:
        assert np.array_equal(file.get_tensor(name), whole[name].astype(np.float16))
        assert np.array_equal(file.get_tensor("middle_block.0.bias"), parts["unet"]["middle_block.0.bias"])


def test_another_process_without_torch_makes_the_same_bytes(weights, tmp_path):
    """What torch is installed cannot matter: assembly runs where importing it fails."""
    assemble(tmp_path / "here", weights)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from portrait_studio.pocket.assemble import assemble\n"
        f"assemble(Path({str(tmp_path / 'there')!r}), Path({str(weights)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in TARGETS:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_the_word_codes_are_the_philox_stream_this_project_fixed():
    """The first values of the stream, written down: a numpy that changed it would be caught here by name."""
    assert text_encoder.stream(text_encoder.SEED, 12).tolist() == FIRST_OF_STREAM
    assert len(text_encoder.stream(1, 5)) == 5


def test_the_command_prints_the_files_or_one_sentence(copy, tmp_path, capsys):
    assert main(["assemble", "--models", str(tmp_path / "models"), "--weights", str(copy)]) == 0
    assert len(capsys.readouterr().out.split()) == len(TARGETS)
    (copy / "vae-0.safetensors").unlink()
    assert main(["assemble", "--models", str(tmp_path / "models"), "--weights", str(copy)]) == AssemblyError.exit_code
    assert "vae-0.safetensors" in capsys.readouterr().err


@pytest.mark.skipif(not (WEIGHTS / PINS).exists(), reason="no trained weights are shipped yet")
def test_the_shipped_shards_are_whole_and_small_enough():
    pins = assembly._pins(WEIGHTS)
    shards = assembly._verified(WEIGHTS, pins["shards"])
    assert {p.name for p in WEIGHTS.glob("*.safetensors")} == set(shards)
    assert sum(map(len, shards.values())) <= 36_000_000
    assert max(map(len, shards.values())) <= 16_000_000


def test_the_shards_may_be_in_the_zip_of_a_release(weights, tmp_path):
    folder = tmp_path / "pocket"
    folder.mkdir()
    with zipfile.ZipFile(folder / assembly.ARCHIVE, "w") as packed:
        for shard in weights.glob("*.safetensors"):
            packed.write(shard, shard.name)
    paths = assemble(tmp_path / "models", zipfile.Path(folder / assembly.ARCHIVE), pins_dir=weights)
    assert all(path.is_file() for path in paths)


def test_a_zip_whose_shard_is_another_is_refused_and_nothing_is_written(weights, tmp_path):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as packed:
        for shard in weights.glob("*.safetensors"):
            packed.writestr(shard.name, shard.read_bytes()[::-1])
    with pytest.raises(AssemblyError, match=r"has sha256 .* where pins.json says"):
        assemble(tmp_path / "models", zipfile.Path(tmp_path / "odd.zip"), pins_dir=weights)
    assert not (tmp_path / "models").exists()


def test_only_whole_sets_of_shards_are_offered(tmp_path):
    half, whole = tmp_path / "half", tmp_path / "whole"
    for folder in (half, whole):
        folder.mkdir()
    (half / assembly.ARCHIVE).write_bytes(b"no zip")
    with zipfile.ZipFile(whole / assembly.ARCHIVE, "w") as packed:
        for name in json.loads((WEIGHTS / PINS).read_text("utf-8"))["shards"]:
            packed.writestr(name, b"")
    assert set(assembly.places(half, whole)) == {"in this pack", f"whole/{assembly.ARCHIVE}"}
