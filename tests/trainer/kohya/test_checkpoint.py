from __future__ import annotations

import pytest

from portrait_studio.portrait.subjects import SubjectError
from portrait_studio.trainer.kohya import checkpoint
from portrait_studio.trainer.kohya.data import table
from portrait_studio.trainer.kohya.errors import KohyaError


@pytest.mark.parametrize(("name", "script"), [("sd15", "train_network.py"), ("sdxl", "sdxl_train_network.py")])
def test_a_layout_is_told_by_its_shapes(tmp_path, hollow, name, script):
    path = hollow(tmp_path / "base.safetensors", table("layouts")[name]["shapes"])
    assert checkpoint.layout(path) == name
    assert checkpoint.script(name) == script


def test_a_network_of_other_sizes_is_refused_with_the_size(tmp_path, hollow):
    shapes = table("layouts")["sd15"]["shapes"] | {"model.diffusion_model.input_blocks.0.0.weight": [96, 4, 3, 3]}
    with pytest.raises(
        KohyaError, match=r"laid out as SD1\.5 but .*input_blocks\.0\.0.* is 96x4x3x3 instead of 320x4x3x3"
    ):
        checkpoint.layout(hollow(tmp_path / "small.safetensors", shapes))


def test_a_lora_and_a_half_checkpoint_are_no_base(tmp_path, hollow):
    with pytest.raises(KohyaError, match=r"not an SD1\.5 or SDXL checkpoint"):
        checkpoint.layout(hollow(tmp_path / "lora.safetensors", {"lora_unet_a.lora_up.weight": [4, 4]}))
    shapes = dict(table("layouts")["sd15"]["shapes"])
    del shapes["first_stage_model.decoder.conv_in.weight"]
    with pytest.raises(KohyaError, match=r"first_stage_model\.decoder\.conv_in\.weight \(512x4x3x3\) is missing"):
        checkpoint.layout(hollow(tmp_path / "no-vae.safetensors", shapes))


def test_a_pickle_is_never_opened(tmp_path):
    (tmp_path / "base.ckpt").write_bytes(b"\x80\x04.")
    with pytest.raises(SubjectError, match=r"not a \.safetensors file and was not read"):
        checkpoint.layout(tmp_path / "base.ckpt")


def test_the_pocket_checkpoint_is_refused_by_its_sizes(models):
    path = next((models / "checkpoints").glob("*.safetensors"), None)
    if path is None:
        pytest.skip("the pocket models are not assembled")
    with pytest.raises(KohyaError, match="use the native trainer"):
        checkpoint.layout(path)
