"""What is trained is what ComfyUI runs: the same tensors give the same outputs in both."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from portrait_studio.pocket.assemble import CHECKPOINT, CONTROLNETS, UPSCALER, WEIGHTS, assemble
from portrait_studio.pocket.train.machine import TimedTraining, load_mean, rounded
from portrait_studio.pocket.train.networks import Upscaler
from portrait_studio.pocket.train.upscaling import begin_bilinear


@pytest.mark.host
def test_the_training_networks_and_text_codes_equal_comfyuis(comfyui, tmp_path):
    assemble(tmp_path, WEIGHTS)
    files = [tmp_path / name for name in (CHECKPOINT, CONTROLNETS["openpose"], UPSCALER)]
    script = Path(__file__).with_name("compare_with_host.py")
    done = subprocess.run(
        [sys.executable, str(script), str(comfyui), *map(str, files)], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    far = json.loads(done.stdout.splitlines()[-1])
    assert set(far) >= {"unet", "controlnet", "vae encoder", "vae decoder", "upscaler", "text"}
    assert max(far.values()) < 2e-3, far


def _steps(run: TimedTraining, network: Upscaler, count: int) -> None:
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    for _, _ in zip(run.steps(), range(count), strict=False):
        run.update((network(x) - 0.5).square().mean())


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path):
    networks = []
    for parts in ((6,), (3, 3)):
        torch.manual_seed(0)
        network, path = Upscaler(features=8, layers=1), tmp_path / f"{len(parts)}.safetensors"
        made = 0
        for count in parts:
            run = TimedTraining(network, path, seconds=1e9, rate=1e-3)
            _steps(run, network, count)
            run.save()
            made += count
            assert run.step == made
            network = Upscaler(features=8, layers=1)
        networks.append(load_mean(network, path).state_dict())
    for name, value in networks[0].items():
        assert torch.allclose(value, networks[1][name], atol=1e-6), name


def test_a_stage_that_has_had_its_seconds_does_nothing(tmp_path):
    network = Upscaler(features=8, layers=1)
    run = TimedTraining(network, tmp_path / "run.safetensors", seconds=0.0, rate=1e-3)
    assert list(run.steps()) == []
    assert run.step == 0


def test_steps_with_stored_precision_leave_the_exact_weights_in_place(tmp_path):
    torch.manual_seed(0)
    network = Upscaler(features=32, layers=1)
    layer = network.body[2]
    assert isinstance(layer, torch.nn.Conv2d)
    before = layer.weight.detach().clone()
    run = TimedTraining(network, tmp_path / "run.safetensors", seconds=1e9, rate=0.0, weight_decay=0.0)
    run.quantised(4, 32)
    stored = layer.weight.detach().clone()
    assert torch.equal(stored, rounded(before, 4, 32))
    assert not torch.equal(stored, before)
    assert len(torch.unique(stored.reshape(-1, 32)[0])) <= 16
    run.update(network(torch.rand(1, 3, 8, 8)).square().mean())
    assert torch.equal(layer.weight, before)


def test_the_upscaler_begins_as_bilinear_interpolation():
    torch.manual_seed(2)
    network = Upscaler()
    begin_bilinear(network)
    x = torch.rand(1, 3, 10, 12)
    with torch.no_grad():
        y = network(x)
    smooth = torch.nn.functional.interpolate(x, scale_factor=4.0, mode="bilinear")
    assert torch.allclose(y[..., 4:-4, 4:-4], smooth[..., 4:-4, 4:-4], atol=1e-5)
