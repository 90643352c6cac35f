"""Opening a graph as an artist does: from the template browser, and what the canvas then shows and would save."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from ..workflows.shelf import file_of
from .chromium import Canvas, on_canvas

# Fetched from where the template browser fetches it, and loaded as it loads it.
OPEN_TEMPLATE = """(async name => {
  window.said = []; const log = console.error;
  console.error = (...words) => { window.said.push(words.map(String).join(" ")); log(...words); };
  const graph = await (await app.api.fetchApi("/workflow_templates/portrait-studio/" + name + ".json")).json();
  await app.loadGraphData(graph, true, true, name, {openSource: "template"});
  for (let i = 0; i < 10; i++) await new Promise(done => setTimeout(done, 50));
  return JSON.stringify({
    said: window.said,
    missing: app.graph.nodes.filter(node => !LiteGraph.registered_node_types[node.type]).map(node => node.type),
    dialogs: [...document.querySelectorAll(".p-dialog")].map(dialog => dialog.textContent),
    saved: app.graph.serialize(),
  });
})(%s)"""
RELOAD = """(async () => {
  await app.loadGraphData(JSON.parse(JSON.stringify(app.graph.serialize())), true, false);
  for (let i = 0; i < 10; i++) await new Promise(done => setTimeout(done, 50));
  return JSON.stringify(app.graph.serialize());
})()"""
SHOWN = "JSON.stringify(Object.fromEntries(Object.entries(app.nodeOutputs).map(([id, o]) => [id, Object.keys(o)])))"


SET = "app.extensionManager.setting.set(%s, %s)"


@contextlib.contextmanager
def drawn(url: str, way: str, language: str, otherwise: str) -> Iterator[Canvas]:
    """Open the canvas as wide as a monitor, drawn by "LiteGraph" or "Nodes 2.0", in "en" or "ko"; put it back after."""

    def put(canvas: Canvas, nodes_2: bool, locale: str) -> None:
        canvas.evaluate(SET % ("'Comfy.VueNodes.Enabled'", json.dumps(nodes_2)))
        canvas.evaluate(SET % ("'Comfy.Locale'", json.dumps(locale)))

    with on_canvas(url, otherwise) as canvas:
        canvas.size(1920, 1080)
        put(canvas, way == "Nodes 2.0", language)
        try:
            yield canvas
        finally:
            put(canvas, False, "en")


def opened(canvas: Canvas, name: str) -> dict:
    """Open a graph's template; return what was `said` on the console, `missing` types, `dialogs` and `saved` graph."""
    return json.loads(canvas.evaluate(OPEN_TEMPLATE % json.dumps(file_of(name).stem)))


NODES_2 = "!!LiteGraph.vueNodesMode"


def settled(graph: dict, nodes_2: bool = False) -> dict:
    """Return a saved graph without where the canvas is scrolled to, and without the places that Nodes 2.0 changes."""
    extra = {key: value for key, value in graph["extra"].items() if key not in ("ds", "frontendVersion")}
    if not nodes_2:
        return {**graph, "extra": extra}
    nodes = [{key: value for key, value in node.items() if key not in ("pos", "size")} for node in graph["nodes"]]
    extra = {key: value for key, value in extra.items() if key not in ("reroutes", "workflowRendererVersion")}
    return {**graph, "extra": extra, "nodes": nodes, "groups": [group["title"] for group in graph["groups"]]}
