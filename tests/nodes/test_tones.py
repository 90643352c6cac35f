"""PortraitToneFilter on the real host."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from portrait_studio.portrait import tones

pytestmark = pytest.mark.host


@pytest.fixture(autouse=True)
def photo(host) -> np.ndarray:
    picture = astronaut()[:160, 120:320]
    Image.fromarray(picture).save(host.input / "tone.png")
    return picture


def graph(**inputs) -> dict:
    settings = {"image": ["photo", 0], "preset": "golden-hour", "strength": 1.0, "skin_protection": -1.0}
    nodes = {
        "photo": {"class_type": "LoadImage", "inputs": {"image": "tone.png"}},
        "tone": {"class_type": "PortraitToneFilter", "inputs": settings | inputs},
        "save": {"class_type": "SaveImage", "inputs": {"images": ["tone", 0], "filename_prefix": "tone"}},
    }
    for index, name in enumerate(("prompt", "negative", "denoise", "cfg"), 1):
        nodes[name] = {"class_type": "PreviewAny", "inputs": {"source": ["tone", index]}}
    return nodes


def test_a_tone_grades_the_picture_and_joins_the_words(run_graph, photo):
    run = run_graph(graph(prompt="portrait photo of a woman, ", negative=" blurry"))
    tone = tones.load("golden-hour")
    graded = tones.apply(torch.from_numpy(photo / 255.0).float(), tone.protected_lut())
    assert np.abs(run.picture("save") - graded.numpy() * 255).max() <= 1.0
    assert run.text("prompt") == f"{tone.words}, portrait photo of a woman"
    assert run.text("negative") == f"{tone.negative}, blurry"
    assert (float(run.text("denoise")), float(run.text("cfg"))) == (tone.denoise, tone.cfg)


def test_skin_protection_on_the_node_wins_over_the_preset(run_graph, photo):
    run = run_graph(graph(skin_protection=0.0))
    graded = tones.apply(torch.from_numpy(photo / 255.0).float(), tones.load("golden-hour").lut)
    assert np.abs(run.picture("save") - graded.numpy() * 255).max() <= 1.0


def test_strength_zero_gives_the_picture_back(run_graph, photo):
    run = run_graph(graph(strength=0.0))
    assert np.array_equal(run.picture("save"), photo)
    assert run.text("prompt") == tones.load("golden-hour").words


def test_an_unknown_tone_is_refused_before_anything_runs(post):
    answer = post(graph(preset="golden hour"))
    assert "prompt_id" not in answer
    assert "'golden-hour'" in answer["node_errors"]["tone"]["errors"][0]["details"]
