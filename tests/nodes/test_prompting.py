"""PortraitPrompt on the real host: the look of a subject's card, of Load Subject, and of nobody."""

from __future__ import annotations

import json
import shutil
import uuid

import pytest

from portrait_studio.portrait import subjects

pytestmark = pytest.mark.host


@pytest.fixture
def mina(comfyui):
    """A subject on the host with a look and without a LoRA, taken away afterwards."""
    root = comfyui / "models" / "portrait_studio" / "subjects"
    card = {"look": "short black hair, tanned skin"}
    made = subjects.save(subjects.Subject(f"mina {uuid.uuid4().hex[:8]}", "m1na", "woman", card=card), root)
    yield made
    shutil.rmtree(root / made.name)


def graph(prompt: str, **settings) -> dict:
    person = {"subject": "none", "strength_model": 1.0, "strength_clip": 1.0, "words": "woman"}
    links = {"model": ["checkpoint", 0], "clip": ["checkpoint", 1]}
    return {
        "checkpoint": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "pocket.safetensors"}},
        "person": {"class_type": "PortraitLoadSubject", "inputs": person | links | settings},
        "prompt": {
            "class_type": "PortraitPrompt",
            "inputs": {"words": ["person", 2], "prompt": prompt, "subject": ["person", 3]},
        },
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["prompt", 0]}},
    }


def test_the_look_comes_from_the_subjects_card_and_not_from_the_widget(run_graph, mina):
    run = run_graph(graph("navy sweater", subject=mina.name, look="red hair"))
    assert run.text("shown") == "m1na woman, short black hair, tanned skin, navy sweater"
    assert run_graph(graph("blonde braids", subject=mina.name)).text("shown") == (
        "m1na woman, tanned skin, blonde braids"
    )


def test_with_no_subject_the_look_is_that_of_the_widget_or_nothing(run_graph):
    assert run_graph(graph("navy sweater", look="red hair\n, fair skin,")).text("shown") == (
        "woman, red hair, fair skin, navy sweater"
    )
    assert run_graph(graph("navy sweater")).text("shown") == "woman, navy sweater"


def test_a_card_whose_look_is_no_text_is_refused_in_one_sentence(run_graph, mina, comfyui):
    card = comfyui / "models" / "portrait_studio" / "subjects" / mina.name / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text("utf-8")), "look": ["red"]}), "utf-8")
    run = run_graph(graph("navy sweater", subject=mina.name))
    assert run.status == "error"
    assert "says 'look' is" in run.error
    assert "it must be text" in run.error
