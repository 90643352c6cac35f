"""PortraitModelFamily on the real host: which checkpoint it is, and what it says of one that does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host


def graph(family: str) -> dict:
    return {
        "checkpoint": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "pocket.safetensors"}},
        "family": {"class_type": "PortraitModelFamily", "inputs": {"model": ["checkpoint", 0], "family": family}},
        "save": {
            "class_type": "ModelSamplingDiscrete",
            "inputs": {"model": ["family", 0], "sampling": "eps", "zsnr": False},
        },
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["save", 0]}},
    }


@pytest.mark.parametrize("family", ["pocket", "custom"])
def test_a_checkpoint_of_the_chosen_family_passes_through_and_custom_asks_nothing(run_graph, family):
    run = run_graph(graph(family))
    assert run.status == "success"
    assert "family" not in run.outputs
    assert "ModelPatcher" in run.text("shown")


def test_a_checkpoint_that_fits_at_other_sizes_is_a_warning(run_graph):
    run = run_graph(graph("SD1.5"))
    assert run.status == "success"
    assert run.said("family")["warnings"] == [
        "The checkpoint is pocket, but sizes and steps are set for SD1.5; choose pocket as family."
    ]


def test_a_checkpoint_of_another_family_is_an_error_that_says_what_to_choose(run_graph):
    run = run_graph(graph("SDXL"))
    assert run.status == "error"
    assert "The checkpoint is pocket, but the graph is set for SDXL; choose pocket as family, or load" in run.error


def test_every_family_is_told_by_the_models_own_layers(comfyui):
    script = Path(__file__).with_name("family_checks.py")
    answer = subprocess.run([sys.executable, str(script), str(comfyui)], capture_output=True, text=True, timeout=280)
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert json.loads(answer.stdout.splitlines()[-1]) == {
        "pocket": "pocket",
        "SD1.5": "SD1.5",
        "SDXL": "SDXL",
        "SD2": "SD20",
    }
