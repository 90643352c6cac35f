"""The host's models made trainable: SDXL's names and words, gradients, and what is refused."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def found(comfyui) -> dict:
    if not (comfyui / "comfy").is_dir():
        pytest.skip("there is no ComfyUI here")
    script = Path(__file__).with_name("host_checks.py")
    answer = subprocess.run([sys.executable, str(script), str(comfyui)], capture_output=True, text=True, timeout=280)
    assert answer.returncode == 0, answer.stderr[-3000:]
    return json.loads(answer.stdout.splitlines()[-1])


def test_every_name_of_an_sdxl_lora_is_known_to_the_hosts_loader(found):
    assert found["unknown"] == []


def test_a_lora_learns_on_sdxl_with_its_sizes_and_pooled_words(found):
    assert all(later < earlier for earlier, later in itertools.pairwise(found["losses"]))


def test_gradient_checkpointing_changes_nothing_of_the_result(found):
    assert found["checkpointed"] == pytest.approx(found["losses"], rel=1e-4)


def test_the_trained_text_encoder_reads_as_the_hosts_own_until_it_has_learnt(found):
    assert found["words"]["farthest"] < 1e-5


def test_each_section_of_text_is_looked_up_once_and_learning_reaches_the_layers(found):
    words = found["words"]
    assert words["sections"] > 1
    assert words["reads"] == 2 + words["sections"]  # two short texts, and the long one's sections
    assert words["learning"] == 2 * 6  # with the last layer but one asked for, the last has no part in the words


def test_the_model_that_the_graph_holds_is_never_touched(found):
    assert found["host_untouched"]


def test_sd15_and_sdxl_are_trained_and_others_refused_by_name(found):
    assert (found["sd15"], found["sdxl"]) == ("sd15", "sdxl")
    assert found["sd20"] == "A SD20 checkpoint cannot be trained here; load an SD1.5 or SDXL checkpoint."
    assert "inpainting or editing checkpoint cannot be trained" in found["inpainting"]
    assert "predicts EDM cannot be trained" in found["edm"]
