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
def found(comfyui, models) -> dict:
    if not (comfyui / "comfy").is_dir():
        pytest.skip("there is no ComfyUI here")
    script = Path(__file__).with_name("host_checks.py")
    checkpoint = models / "checkpoints" / "pocket.safetensors"
    command = [sys.executable, str(script), str(comfyui), str(checkpoint)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert answer.returncode == 0, answer.stderr[-3000:]
    return json.loads(answer.stdout.splitlines()[-1])


def test_every_name_of_an_sdxl_lora_is_known_to_the_hosts_loader(found):
    assert found["unknown"] == []


def test_a_lora_learns_on_sdxl_with_its_sizes_and_pooled_words(found):
    assert all(later < earlier for earlier, later in itertools.pairwise(found["losses"]))


def test_gradient_checkpointing_changes_nothing_of_the_result(found):
    assert found["checkpointed"] == pytest.approx(found["losses"], rel=1e-4)


def test_what_is_computed_again_goes_to_its_end_since_torch_loses_its_early_stop_on_a_card(found):
    assert found["to the end"] == 2


def test_a_pass_of_several_people_gives_each_the_gradients_of_a_pass_alone(found):
    for one in found["several"]:  # without checkpointing and with it
        assert one["answer"] < 1e-5
        assert one["gradients"] < 1e-4
    assert found["several_readers"] < 1e-5


def test_the_trained_text_encoder_reads_as_the_hosts_own_until_it_has_learnt(found):
    assert found["words"]["farthest"] < 1e-5


def test_each_section_of_text_is_looked_up_once_and_learning_reaches_the_layers(found):
    words = found["words"]
    assert words["sections"] > 1
    assert words["reads"] == 2 + words["sections"]  # two short texts, and the long one's sections
    assert words["learning"] == 2 * 6  # with the last layer but one asked for, the last has no part in the words


def test_the_model_that_the_graph_holds_is_never_touched(found):
    assert found["host_untouched"]


def test_the_copy_is_whole_on_its_device_where_the_hosts_layers_allocate_nothing(found):
    lazy = found["lazy"]
    assert lazy["lazy"] > 20
    assert lazy["devices"] == ["meta"]
    assert lazy["answer"] == [2, 4, 8, 8]
    assert lazy["learning"] == lazy["trained"] > 20


def test_the_way_ends_in_the_picture_that_is_sampled_and_the_decoder_gives_it_a_gradient(found):
    assert found["decoded"]["apart"] < 1.5 / 255
    assert 0 < found["decoded"]["slope"] < 1
    assert found["decoded"]["looks"] == [[3, 4, 8, 16], [3, 4, 8, 16], [3]]
    assert found["decoded"]["falls"]


def test_handles_by_which_the_host_manages_its_memory_are_not_copied_and_so_not_freed_twice(found):
    assert found["handles"] == {"freed": 0, "copied": []}


def test_weights_that_another_pack_has_packed_are_refused_by_name(found):
    assert "packed weights (GGMLTensor) cannot be trained" in found["packed"]["gguf"]
    assert "packed weights (torch.int8) cannot be trained" in found["packed"]["int8"]


def test_what_the_host_has_quantised_rounded_patched_or_not_read_yet_is_trained_as_it_computes(found):
    packed = found["packed"]
    assert packed["fp8"] < 0.04
    assert packed["scaled"] < 0.08
    assert packed["used_as"] == "torch.float16"
    assert packed["unpatched"] == pytest.approx(1, abs=1e-3)
    assert packed["unread"] == 0


def test_sd15_and_sdxl_are_trained_and_others_refused_by_name(found):
    assert (found["sd15"], found["sdxl"]) == ("sd15", "sdxl")
    assert found["sd20"] == "A SD20 checkpoint cannot be trained here; load an SD1.5 or SDXL checkpoint."
    assert "inpainting or editing checkpoint cannot be trained" in found["inpainting"]
    assert "predicts EDM cannot be trained" in found["edm"]
