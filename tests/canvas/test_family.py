"""One choice in the Checkpoint block sets sizes, steps and files of all blocks, in both ways of drawing."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator

import pytest

from portrait_studio.runner import graph as graphs

from ..workflows.shelf import file_of
from .chromium import Canvas, on_canvas
from .opening import opened

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

# What each way of drawing does when an artist picks an entry of a list on a block.
PICK = {
    "LiteGraph": """(async (block, name, wanted) => {
      const node = app.graph.nodes.find(one => String(one.id) === String(block));
      const widget = node.widgets.find(one => one.name === name);
      if (widget.setValue) widget.setValue(wanted, {e: new PointerEvent("pointerdown"), node, canvas: app.canvas});
      else { // a block's, in frontends of 2026
        widget.value = wanted;
        widget.callback?.(wanted, app.canvas, node);
        document.body.click();
        await new Promise(done => setTimeout(done, 50));
      }
    })(%s, %s, %s)""",
    "Nodes 2.0": """(async (block, name, wanted) => {
      const until = async found => {
        for (let i = 0; i < 100; i++) {
          const one = found();
          if (one) return one;
          await new Promise(done => setTimeout(done, 50));
        }
        throw new Error(`nothing to pick ${wanted} from`);
      };
      const drawn = await until(() => document.querySelector(`[data-node-id="${block}"]`));
      const at = app.graph.nodes.find(one => String(one.id) === String(block)).widgets
        .filter(one => one.type === "combo").findIndex(one => one.name === name);
      (await until(() => drawn.querySelectorAll("[role=combobox]")[at])).click();
      (await until(() => [...document.querySelectorAll("[role=option]")]
        .find(one => one.innerText.trim() === wanted))).click();
      await new Promise(done => setTimeout(done, 300));
    })(%s, %s, %s)""",
}
PROMPT = "(async () => JSON.stringify((await app.graphToPrompt()).output))()"
VUE = "app.ui.settings.setSettingValueAsync('Comfy.VueNodes.Enabled', %s)"


@pytest.fixture(scope="module")
def info(host) -> dict:
    with urllib.request.urlopen(f"{host.url}/object_info") as answer:
        return json.load(answer)


@pytest.fixture(params=list(PICK))
def canvas(request, host) -> Iterator[tuple[Canvas, str]]:
    with on_canvas(host.url, "the choice of a family was not looked at") as page:
        page.size(1920, 1080)
        page.evaluate(VUE % json.dumps(request.param == "Nodes 2.0"))
        try:
            yield page, PICK[request.param]
        finally:
            page.evaluate(VUE % "false")


def starter(page: Canvas) -> graphs.UIGraph:
    path = file_of("portrait-starter")
    opened(page, "portrait-starter")
    time.sleep(1)  # what the template browser showed before is gone, and the nodes are drawn
    return graphs.read(path)


def pick(canvas: tuple[Canvas, str], block: int, widget: str, wanted: str) -> dict:
    page, script = canvas
    page.evaluate(script % (block, json.dumps(widget), json.dumps(wanted)))
    return json.loads(page.evaluate(PROMPT))


def test_the_choice_sets_what_the_runner_sets_and_pocket_brings_everything_back(canvas, info):
    graph = starter(canvas[0])
    before = json.loads(canvas[0].evaluate(PROMPT))
    for family in ("SD1.5", "SDXL", "pocket"):
        shown = pick(canvas, 110, "family", family)
        settings = graphs.with_family(graph, {"family": family})
        wanted = graphs.apply(graphs.to_api(graph, info), graphs.parameters(graph), settings)
        assert {key: one["inputs"] for key, one in shown.items()} == {key: one["inputs"] for key, one in wanted.items()}
        assert (shown == before) == (family == "pocket")


def test_a_pose_that_is_picked_on_its_block_is_the_pose_of_the_prompt(canvas):
    starter(canvas[0])
    shown = pick(canvas, 112, "pose", "head-three-quarter-left")
    assert shown["112:10"]["inputs"]["preset"] == "head-three-quarter-left"


def test_custom_changes_nothing_but_itself(canvas):
    starter(canvas[0])
    before = json.loads(canvas[0].evaluate(PROMPT))
    shown = pick(canvas, 110, "family", "custom")
    before["110:90"]["inputs"]["family"] = "custom"
    assert shown == before
