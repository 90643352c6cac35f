"""Opening a graph as an artist does: from the template browser, and what the canvas then shows and would save."""

from __future__ import annotations

import json

from .chromium import Canvas

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


def opened(canvas: Canvas, name: str) -> dict:
    """Open a template; return what was `said` on the console, `missing` node types, `dialogs` and the graph `saved`."""
    return json.loads(canvas.evaluate(OPEN_TEMPLATE % json.dumps(name)))


def settled(graph: dict) -> dict:
    """Return a saved graph without where the canvas happens to be scrolled to."""
    extra = {key: value for key, value in graph["extra"].items() if key not in ("ds", "frontendVersion")}
    return {**graph, "extra": extra}
