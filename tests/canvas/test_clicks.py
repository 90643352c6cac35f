"""From the template browser to a portrait of one's own person with one's own photos: by mouse alone, clicks counted."""

from __future__ import annotations

import io
import json
import shutil
import time
import urllib.request
import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from portrait_studio.portrait import subjects
from portrait_studio.runner.demo.studio import example_photos

from .chromium import Canvas, on_canvas

pytestmark = [pytest.mark.host, pytest.mark.timeout(1200)]

MOST = 12
IN_THE_DIALOG = 3  # clicks in the system's own dialog, which no browser lets one press: first photo, last photo, Open
CENTRE = """(() => {
  const one = %s;
  if (!one) return null;
  one.scrollIntoView({block: "center"});
  const box = one.getBoundingClientRect();
  return box.width ? [box.x + box.width / 2, box.y + box.height / 2] : null;
})()"""
TEXT = """[...document.querySelectorAll(%s)].filter(one => one.innerText?.trim() === %s).at(-1)"""
# The middle of a widget on a node that LiteGraph draws.
WIDGET = """(() => {
  const node = app.graph.nodes.find(one => one.title === %s);
  const widget = node?.widgets.find(one => one.name === %s);
  if (widget?.last_y === undefined) return null;
  const [x, y] = app.canvas.convertOffsetToCanvas(
    [node.pos[0] + node.size[0] / 2, node.pos[1] + widget.last_y + 10]);
  const box = app.canvas.canvas.getBoundingClientRect();
  return [box.x + x, box.y + y];
})()"""
PHOTOS = """app.graph.nodes.find(one => one.type === "PortraitLoadPhotos")
  ?.widgets.find(one => one.name === "portrait_studio_photos").element"""
# A new artist's ComfyUI opens with it by itself.
BROWSER = """(() => {
  const open = !!document.querySelector(".p-dialog, [role=dialog]"); // a frontend of 2026 has the second
  if (!open) app.extensionManager.command.execute("Comfy.BrowseTemplates");
  return open;
})()"""
LOADED = f"{PHOTOS}.querySelectorAll('.portrait-studio-photo img').length"
PORTRAIT = (
    """JSON.stringify(app.nodeOutputs[app.graph.nodes.find(one => one.title === "Portrait").id]?.images ?? null)"""
)


class Mouse:
    """A person with a mouse, whose clicks are counted."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas, self.clicks = canvas, 0

    def on(self, point: str, what: str) -> None:
        """Click where an expression says, once it says so twice alike."""
        before, end = None, time.monotonic() + 60
        while (found := self.canvas.evaluate(point)) is None or found != before:
            assert time.monotonic() < end, f"{what} is not to be seen"
            before = found
            time.sleep(0.4)
        self.canvas.click(*found)
        self.clicks += 1

    def on_text(self, words: str, kind: str = "button, span, h3, div") -> None:
        """Click on the innermost element with these words."""
        self.on(CENTRE % (TEXT % (json.dumps(kind), json.dumps(words))), words)


@pytest.fixture
def person(comfyui, tmp_path):
    """A subject as a training leaves it, with a look on its card; taken away afterwards."""
    random = np.random.default_rng(7)
    layer = "diffusion_model.time_embed.0"
    tensors = {
        f"{layer}.lora_up.weight": random.normal(0, 0.01, (1280, 4)).astype(np.float32),
        f"{layer}.lora_down.weight": random.normal(0, 0.01, (4, 320)).astype(np.float32),
    }
    save_file(tensors, tmp_path / "lora.safetensors")
    root = comfyui / "models" / "portrait_studio" / "subjects"
    card = {"look": "short black hair, tanned skin"}
    name = f"me {uuid.uuid4().hex[:6]}"
    yield subjects.save(subjects.Subject(name, "m1na", "woman", tmp_path / "lora.safetensors", card=card), root)
    shutil.rmtree(root / name)


def until(canvas: Canvas, condition: str, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not canvas.evaluate(condition):
        assert time.monotonic() < end, f"not within {seconds:g} s: {condition}"
        time.sleep(0.5)


def own_photos(folder: Path) -> list[Path]:
    """Copies of photos under names that nothing in the pack knows."""
    made = [folder / f"holiday {number}.jpg" for number in range(6)]
    for file, photo in zip(made, example_photos("mina"), strict=False):
        shutil.copyfile(photo, file)
    return made


def test_twelve_clicks_lead_from_the_template_browser_to_a_portrait(host, person, tmp_path):
    photos = own_photos(tmp_path)
    with on_canvas(host.url, "the clicks to a portrait were not counted") as canvas:
        canvas.size(1920, 1080)
        canvas.keep_dialogs_shut()
        mouse = Mouse(canvas)
        until(canvas, BROWSER, 60)
        mouse.on_text("portrait-studio", "span, div")
        mouse.on_text("1 Portrait from my photos", "h3, span, div")
        until(canvas, f"!!({PHOTOS})", 60)
        mouse.on(CENTRE % f"{PHOTOS}.querySelector('button')", "Add photos")
        canvas.choose(f"{PHOTOS}.querySelector('input[type=file]')", photos)
        mouse.clicks += IN_THE_DIALOG
        until(canvas, f"{LOADED} === {len(photos)}", 120)
        mouse.on(WIDGET % ('"Who"', '"subject"'), "the list of subjects")
        mouse.on_text(person.name, ".litemenu-entry")
        mouse.on_text("Run", "button")
        until(canvas, f"{PORTRAIT} !== 'null'", 900)
        (portrait,) = json.loads(canvas.evaluate(PORTRAIT))
    assert mouse.clicks <= MOST
    assert mouse.clicks == 9
    with urllib.request.urlopen(
        f"{host.url}/view?filename={portrait['filename']}&subfolder={portrait['subfolder']}&type={portrait['type']}"
    ) as answer:
        assert Image.open(io.BytesIO(answer.read())).size == (1024, 1024)
    with urllib.request.urlopen(f"{host.url}/history?max_items=1") as answer:
        (made,) = json.load(answer).values()
    prompt = made["prompt"][2]
    (loader,) = [node for node in prompt.values() if node["class_type"] == "PortraitLoadPhotos"]
    assert len(loader["inputs"]["files"].splitlines()) == len(photos)
    (who,) = [node for node in prompt.values() if node["class_type"] == "PortraitLoadSubject"]
    assert who["inputs"]["subject"] == person.name
    (written,) = [
        node for node in prompt.values() if node["class_type"] == "PrimitiveStringMultiline" and node["inputs"]["value"]
    ]
    assert "hair" not in written["inputs"]["value"]
