// Nodes 2.0 of frontends of 2025 shows what an artist chooses on a block, but leaves the graph as it was: it asks a widget's
// callback to keep the value, and the widgets of a block come too late to get one that does.
import { app } from "../../../scripts/app.js";
import { root } from "./page.js";
import { placed } from "./places.js";

const keeping = new WeakSet();

function keep(widget) {
  if (keeping.has(widget)) return;
  keeping.add(widget);
  const before = widget.callback;
  widget.callback = function (value, ...more) {
    if (widget.value !== value) widget.value = value;
    return before?.call(this ?? widget, value, ...more);
  };
}

// Let Nodes 2.0 look at a node's widgets again, at their values and callbacks: it does so when their number changes.
export function refresh(node) {
  if (!window.LiteGraph?.vueNodesMode || !node.widgets?.length) return;
  node.widgets.push(node.widgets.at(-1));
  node.widgets.pop();
}

const name = "PortraitStudio.Promoted";
// A second copy of the pack brings a second copy of this file.
if (!app.extensions.some((extension) => extension.name === name)) app.registerExtension({
  name,
  afterConfigureGraph() {
    for (const { node } of placed(root())) {
      if (!node.subgraph) continue;
      for (const widget of node.widgets ?? []) if (!widget.element) keep(widget);
      refresh(node);
    }
  },
});
