"""A graph of ours on a ComfyUI without its models: what is offered, and what each of the two buttons does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portrait_studio.runner.client import host as hosts

from ..workflows.offers import levels
from ..workflows.shelf import ALL
from .chromium import Canvas, on_canvas
from .opening import opened

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
STARTER = next(path for path in ALL if path.stem.startswith("portrait-starter."))
FOLDERS = ("checkpoints", "controlnet", "upscale_models")
POCKET = ["pocket.safetensors", "pocket-openpose.safetensors", "pocket-tile.safetensors", "pocket-x4.safetensors"]
PANEL = "document.getElementById('portrait-studio-models')"
PRESS = "[...document.querySelectorAll('#portrait-studio-models button')].find(one => one.textContent === %s).click()"
SET_TO = """JSON.stringify([app.graph, ...(app.graph.subgraphs?.values?.() ?? [])].flatMap(graph => graph.nodes)
  .flatMap(node => (node.widgets ?? []).map(widget => widget.value))
  .filter(value => typeof value === "string" && value.endsWith(".safetensors")))"""


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A ComfyUI's own folder with this pack in it and no model."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "custom_nodes").mkdir()
    (folder / "custom_nodes" / "portrait-studio").symlink_to(ROOT, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def empty_host(comfyui, base) -> Iterator[hosts.LocalHost]:
    arguments = ["--cpu", "--base-directory", str(base)]
    with hosts.start(comfyui, Path(sys.executable), base / "work", arguments=arguments) as host:
        yield host


@pytest.fixture
def canvas(empty_host, base) -> Iterator[Canvas]:
    for file in models_in(base):
        file.unlink()
    with on_canvas(empty_host.url, "the offer of models was not looked at") as opened:
        yield opened


def models_in(base: Path) -> list[Path]:
    return sorted(file for folder in FOLDERS for file in (base / "models" / folder).glob("*.safetensors"))


def until(canvas: Canvas, condition: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not canvas.evaluate(condition):
        assert time.monotonic() < end, f"not within {seconds:g} s: {condition}; the page says: {text(canvas)[-800:]}"
        time.sleep(0.3)


def text(canvas: Canvas) -> str:
    return canvas.evaluate("document.body.innerText")


def test_the_offer_names_what_is_missing_and_no_dialog_refuses_a_download(canvas):
    opened(canvas, STARTER.stem)
    until(canvas, f"!!{PANEL}")
    offer = canvas.evaluate(f"{PANEL}.innerText")
    real = ["v1-5-pruned-emaonly-fp16.safetensors", "RealESRGAN_x4plus.safetensors"]
    assert all(name in offer for name in [*POCKET, *real])
    assert "not allowed" not in text(canvas)


def test_the_first_button_makes_the_pocket_models_and_the_graph_then_opens_without_an_offer(canvas, base):
    opened(canvas, STARTER.stem)
    until(canvas, f"!!{PANEL}")
    canvas.evaluate(PRESS % json.dumps("Make the pocket models"))
    until(canvas, f"{PANEL}.innerText.includes('Ready: the graph can run.')", 240)
    assert [file.name for file in models_in(base)] == POCKET
    opened(canvas, STARTER.stem)
    time.sleep(1)  # the offer comes a third of a second after the graph
    assert canvas.evaluate(f"!{PANEL}")


def test_the_second_button_sets_every_loader_to_a_real_model_and_nothing_is_made(canvas, base):
    opened(canvas, STARTER.stem)
    until(canvas, f"!!{PANEL}")
    before = json.loads(canvas.evaluate(SET_TO))
    assert before
    assert all(name.startswith("pocket") for name in before)
    canvas.evaluate(PRESS % json.dumps("Set the graph to the real models"))
    # The graph is loaded again with them, and is empty for a moment.
    until(canvas, f"JSON.parse({SET_TO}).length === {len(before)} && !{SET_TO}.includes('pocket')")
    offers = {
        model["name"]
        for level in levels(json.loads(STARTER.read_text("utf-8")))
        for node in level["nodes"]
        for model in node["properties"].get("models", ())
    }
    assert set(json.loads(canvas.evaluate(SET_TO))) == offers
    assert not models_in(base)
    assert "not allowed" not in text(canvas)
