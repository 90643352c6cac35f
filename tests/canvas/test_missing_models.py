"""A graph of ours on a ComfyUI without its models: what is offered, and what each of the two buttons does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portrait_studio.runner.client import host as hosts

from ..workflows.shelf import file_of
from .chromium import Canvas, on_canvas
from .opening import opened

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
STARTER = file_of("portrait-starter")
FOLDERS = ("checkpoints", "controlnet", "upscale_models")
POCKET = ["pocket.safetensors", "pocket-openpose.safetensors", "pocket-tile.safetensors", "pocket-x4.safetensors"]
PANEL = "document.getElementById('portrait-studio-models')"
PRESS = "[...document.querySelectorAll('#portrait-studio-models button')].find(one => one.textContent === %s).click()"
SHOWN = """%s.map(name => app.graph.nodes.flatMap(node => node.widgets ?? [])
  .find(widget => widget.name === name).value)"""
CHOOSE = """(family => {
  const node = app.graph.nodes.find(one => one.title === "Checkpoint");
  const widget = node.widgets.find(one => one.name === "family");
  if (widget.setValue) widget.setValue(family, {e: new PointerEvent("pointerdown"), node, canvas: app.canvas});
  else { widget.value = family; widget.callback?.(family, app.canvas, node); } // a block's, in frontends of 2026
})(%s)"""
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
    opened(canvas, "portrait-starter")
    until(canvas, f"!!{PANEL}")
    offer = canvas.evaluate(f"{PANEL}.innerText")
    real = ["v1-5-pruned-emaonly-fp16.safetensors", "RealESRGAN_x4plus.safetensors"]
    assert all(name in offer for name in [*POCKET, *real])
    assert "not allowed" not in text(canvas)


def test_the_first_button_makes_the_pocket_models_and_the_graph_then_opens_without_an_offer(canvas, base):
    opened(canvas, "portrait-starter")
    until(canvas, f"!!{PANEL}")
    canvas.evaluate(PRESS % json.dumps("Make the pocket models"))
    until(canvas, f"{PANEL}.innerText.includes('Ready: the graph can run.')", 240)
    assert [file.name for file in models_in(base)] == POCKET
    opened(canvas, "portrait-starter")
    time.sleep(1)  # the offer comes a third of a second after the graph
    assert canvas.evaluate(f"!{PANEL}")


@pytest.mark.parametrize("family", ["SD1.5", "SDXL"])
def test_a_button_sets_the_whole_graph_to_a_real_family_and_nothing_is_made(canvas, base, family):
    opened(canvas, "portrait-starter")
    until(canvas, f"!!{PANEL}")
    before = json.loads(canvas.evaluate(SET_TO))
    assert before
    assert all(name.startswith("pocket") for name in before)
    canvas.evaluate(PRESS % json.dumps(f"Set the graph to {family}"))
    # The graph is loaded again with them, and is empty for a moment.
    until(canvas, f"JSON.parse({SET_TO}).length === {len(before)} && !{SET_TO}.includes('pocket')")
    values = json.loads(STARTER.read_text("utf-8"))["extra"]["portrait_studio"]["families"][family]
    assert set(json.loads(canvas.evaluate(SET_TO))) == {one for one in values.values() if isinstance(one, str)}
    assert canvas.evaluate(SHOWN % json.dumps(["width", "height"])) == [values["width"], values["height"]]
    assert not models_in(base)
    assert "not allowed" not in text(canvas)


def test_a_family_takes_the_files_that_are_there_keeps_ones_own_and_names_what_is_missing(canvas, base):
    for name in ("checkpoints/anna-portraits.safetensors", "checkpoints/big_xl_v9.safetensors"):
        (base / "models" / name).write_bytes(b"")  # the choice goes by the names alone
    (base / "models" / "controlnet" / "OpenPoseXL2.safetensors").write_bytes(b"")
    canvas.evaluate("app.refreshComboInNodes()")
    opened(canvas, "portrait-starter")
    until(canvas, f"!!{PANEL}")

    def chosen(family: str) -> list[str]:
        canvas.evaluate(CHOOSE % json.dumps(family))
        return canvas.evaluate(SHOWN % json.dumps(["checkpoint", "openpose"]))

    assert chosen("SDXL") == ["big_xl_v9.safetensors", "OpenPoseXL2.safetensors"]
    assert "xinsir-tile-sdxl-1.0.safetensors" in canvas.evaluate(f"{PANEL}.innerText")
    assert "xinsir-openpose-sdxl-1.0.safetensors" not in canvas.evaluate(f"{PANEL}.innerText")
    assert chosen("SD1.5")[0] == "anna-portraits.safetensors"
    (base / "models" / "checkpoints" / "v1-5-pruned-emaonly-fp16.safetensors").write_bytes(b"")
    canvas.evaluate("app.refreshComboInNodes()")
    assert chosen("SD1.5")[0] == "anna-portraits.safetensors"
