"""PortraitLoadSubject on the real host, with the pocket checkpoint."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid

import numpy as np
import pytest
from safetensors.numpy import save_file

from portrait_studio.portrait import subjects

pytestmark = pytest.mark.host


@pytest.fixture
def subject(comfyui, tmp_path):
    """Save a subject into the host's models and take it away afterwards: subject(tensors) -> Subject."""
    root = comfyui / "models" / "portrait_studio" / "subjects"
    made = []

    def make(tensors: dict[str, np.ndarray]) -> subjects.Subject:
        save_file(tensors, tmp_path / "lora.safetensors")
        name = f"test 미나 {uuid.uuid4().hex[:8]}"
        made.append(subjects.save(subjects.Subject(name, "m1na", "woman", tmp_path / "lora.safetensors"), root))
        return made[-1]

    yield make
    for one in made:
        shutil.rmtree(root / one.name)


def lora(layer: str, out: int, into: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    return {
        f"{layer}.lora_up.weight": random.normal(0, 0.3, (out, 4)).astype(np.float32),
        f"{layer}.lora_down.weight": random.normal(0, 0.3, (4, into)).astype(np.float32),
        f"{layer}.alpha": np.array(4.0, np.float32),
    }


def graph(loaded: bool = True, **inputs) -> dict:
    settings = {"subject": "none", "strength_model": 1.0, "strength_clip": 1.0, "words": "person"}
    model, clip = (["subject", 0], ["subject", 1]) if loaded else (["checkpoint", 0], ["checkpoint", 1])
    sampler = {"seed": 3, "steps": 1, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    links = {"model": model, "positive": ["text", 0], "negative": ["text", 0], "latent_image": ["latent", 0]}
    nodes = {
        "checkpoint": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "pocket.safetensors"}},
        "subject": {
            "class_type": "PortraitLoadSubject",
            "inputs": {"model": ["checkpoint", 0], "clip": ["checkpoint", 1]} | settings | inputs,
        },
        "words": {"class_type": "PreviewAny", "inputs": {"source": ["subject", 2]}},
        "text": {"class_type": "CLIPTextEncode", "inputs": {"clip": clip, "text": "a portrait"}},
        "latent": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "sample": {"class_type": "KSampler", "inputs": sampler | links},
        "decode": {"class_type": "VAEDecode", "inputs": {"samples": ["sample", 0], "vae": ["checkpoint", 2]}},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["decode", 0], "filename_prefix": "subject"}},
    }
    return nodes


def test_a_lora_changes_the_picture_and_none_does_not(run_graph, subject):
    person = subject(lora("diffusion_model.time_embed.0", 1280, 320))
    bare = run_graph(graph(loaded=False)).picture("save")
    nobody = run_graph(graph(words="man"))
    assert np.array_equal(nobody.picture("save"), bare)
    assert nobody.text("words") == "man"
    changed = run_graph(graph(subject=person.name))
    assert changed.text("words") == "m1na woman"
    assert np.abs(changed.picture("save").astype(int) - bare).mean() > 1
    off = run_graph(graph(subject=person.name, strength_model=0.0, strength_clip=0.0))
    assert np.array_equal(off.picture("save"), bare)


def test_a_lora_for_another_kind_of_checkpoint_is_refused(run_graph, subject):
    person = subject(lora("diffusion_model.elsewhere", 8, 8))
    run = run_graph(graph(subject=person.name))
    assert run.status == "error"
    assert "fits no layer of this checkpoint" in run.error


def test_a_lora_whose_layers_have_other_shapes_is_refused(run_graph, subject):
    """The name is one of the pocket checkpoint's, the width that of another model."""
    person = subject(lora("diffusion_model.time_embed.0", 640, 320))
    run = run_graph(graph(subject=person.name))
    assert run.status == "error"
    assert "does not fit the layers of this checkpoint" in run.error


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("lora_up.weight", np.nan, "holds numbers that are not finite"),
        ("lora_down.weight", np.inf, "holds numbers that are not finite"),
        ("alpha", np.nan, "holds numbers that are not finite"),
        ("lora_up.weight", 1e30, "are too large to multiply"),
        ("alpha", 1e30, "are too large to multiply"),
    ],
)
def test_a_lora_that_would_paint_a_black_picture_is_refused_by_name(run_graph, subject, name, value, says):
    tensors = lora("diffusion_model.time_embed.0", 1280, 320)
    spoiled = tensors[f"diffusion_model.time_embed.0.{name}"]
    spoiled[(0,) * spoiled.ndim] = value
    person = subject(tensors)
    run = run_graph(graph(subject=person.name))
    assert run.status == "error"
    assert f"The LoRA of subject '{person.name}' cannot be used" in run.error
    assert says in run.error


def test_a_lora_whose_ranks_do_not_fit_is_refused_by_name(run_graph, subject, comfyui):
    person = subject(lora("diffusion_model.time_embed.0", 1280, 320))
    tensors = lora("diffusion_model.time_embed.0", 1280, 320)
    down = tensors["diffusion_model.time_embed.0.lora_down.weight"]
    tensors["diffusion_model.time_embed.0.lora_down.weight"] = np.concatenate((down, down))
    save_file(tensors, person.lora)
    run = run_graph(graph(subject=person.name))
    assert run.status == "error"
    assert "the ranks 4 and 8, which do not fit each other" in run.error


def test_an_error_shows_no_folder_of_this_machine(run_graph, subject):
    person = subject(lora("diffusion_model.elsewhere", 8, 8))
    run = run_graph(graph(subject=person.name))
    (failure,) = [data for kind, data in run.messages if kind == "execution_error"]
    assert failure["exception_type"] == "Portrait Studio"
    assert "/" not in failure["exception_message"]


def test_an_unknown_subject_is_refused_before_anything_runs(post):
    answer = post(graph(subject="../nobody"))
    assert "prompt_id" not in answer
    assert "There is no subject named '../nobody'" in answer["node_errors"]["subject"]["errors"][0]["details"]


def test_none_passes_the_very_objects_through(comfyui):
    script = """
import sys
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
from portrait_studio.nodes.subjects import PortraitLoadSubject
model, clip = object(), object()
out = PortraitLoadSubject.execute(model, clip, "none", 1.0, 1.0, "person").result
assert out[0] is model and out[1] is clip, out
assert out[3].name == "none" and out[3].lora is None
"""
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, cwd=comfyui, env=None, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
