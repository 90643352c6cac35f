"""What an artist sees on a block: the picture of its stage, and titles and labels in their own language."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from ..workflows.shelf import ALL, named
from .chromium import Canvas
from .opening import drawn, opened

pytestmark = [pytest.mark.host, pytest.mark.timeout(600)]

KOREAN = re.compile("[가-힣]")
# Only the photo report in the block Who runs, which takes seconds.
RUN = """(async () => {
  const { output, workflow } = await app.graphToPrompt();
  const who = app.graph.nodes.find(one => one.title === "Who");
  const report = `${who.id}:${who.properties.portrait_studio_shows}`;
  output[report].inputs.min_face = %d;
  const body = {client_id: app.api.clientId, prompt: output, partial_execution_targets: [report],
                extra_data: {extra_pnginfo: {workflow}}};
  return (await app.api.fetchApi("/prompt", {method: "POST", body: JSON.stringify(body),
                                             headers: {"Content-Type": "application/json"}})).status;
})()"""
# Of every picture that lies in the block, below its sockets and widgets: how high it is drawn.
HEIGHTS = """(() => {
  const who = app.graph.nodes.find(one => one.title === "Who");
  const corner = (x, y) => app.canvas.convertOffsetToCanvas([x, y]);
  const page = app.canvas.canvas.getBoundingClientRect();
  const [left, top] = corner(who.pos[0], who.pos[1] + 100), [right, bottom] = corner(
    who.pos[0] + who.size[0], who.pos[1] + who.size[1] + 40);
  return JSON.stringify([...document.querySelectorAll("img")].filter(one => one.naturalWidth).map(one => {
    const box = one.getBoundingClientRect();
    return box.left >= left + page.left && box.right <= right + page.left && box.top >= top + page.top
      && box.bottom <= bottom + page.top ? box.height : 0;
  }));
})()"""
TRANSLATED = """(async graph => {
  const files = await (await fetch("/extensions")).json();
  const { ENGLISH, KOREAN, translate } = await import(files.find(one => one.endsWith("/js/graph_korean.js")));
  const korean = translate(structuredClone(graph), KOREAN);
  return JSON.stringify([korean, translate(structuredClone(korean), ENGLISH)]);
})(%s)"""
PROMPT = "(async () => JSON.stringify((await app.graphToPrompt()).output))()"


@pytest.fixture(scope="module", params=["LiteGraph", "Nodes 2.0"])
def canvas(request, host) -> Iterator[Canvas]:
    with drawn(host.url, request.param, "en", "no block was looked at") as page:
        yield page


def words(graph: dict) -> Iterator[str]:
    """Yield every title in a graph and every label on a block."""
    blocks = graph.get("definitions", {}).get("subgraphs", [])
    identities = {block["id"] for block in blocks}
    for node in (*graph["nodes"], *(node for block in blocks for node in block["nodes"])):
        if node.get("title"):
            yield node["title"]
        if node["type"] in identities:
            yield from (slot.get("label", slot["name"]) for slot in (*node["inputs"], *node["outputs"]))
    for block in blocks:
        yield block["name"]
        yield from (slot.get("label", slot["name"]) for slot in (*block["inputs"], *block["outputs"]))


def test_a_block_shows_the_picture_of_its_stage(canvas):
    opened(canvas, "portrait-starter")
    time.sleep(1)
    canvas.evaluate("document.querySelectorAll('.p-dialog-mask').forEach(one => one.remove())")
    assert canvas.evaluate(RUN % (40 + int(time.time()) % 20)) == 200
    end = time.monotonic() + 120
    while max(json.loads(canvas.evaluate(HEIGHTS)), default=0) < 60 and time.monotonic() < end:
        time.sleep(0.5)
    assert max(json.loads(canvas.evaluate(HEIGHTS))) >= 60


@pytest.mark.parametrize("path", ALL, ids=named)
def test_every_title_and_label_of_a_graph_is_there_in_korean_and_comes_back(canvas, path):
    graph = json.loads(path.read_text("utf-8"))
    korean, again = json.loads(canvas.evaluate(TRANSLATED % json.dumps(graph)))
    untold = {"CFG", "CLIP"}
    assert [word for word in words(korean) if not KOREAN.search(word) and word not in untold] == []
    assert again == graph


def test_a_korean_canvas_opens_a_graph_in_korean_and_asks_the_host_for_the_same(host, canvas):
    opened(canvas, "portrait-starter")
    english = json.loads(canvas.evaluate(PROMPT))
    with drawn(host.url, "LiteGraph", "ko", "no graph was opened in Korean") as page:
        opened(page, "portrait-starter")
        titles = json.loads(page.evaluate("JSON.stringify(app.graph.nodes.map(one => one.title))"))
        assert {"누구", "포즈", "프롬프트", "업스케일", "인물 사진"} <= set(titles)
        prompt = json.loads(page.evaluate(PROMPT))
    assert {key: one["inputs"] for key, one in prompt.items()} == {key: one["inputs"] for key, one in english.items()}
