// A DOM widget of ours on any node, blocks too. From 2026 on a block's list of widgets is computed from its inputs, and
// LiteGraph draws a widget that is added to it over its sockets: so it joins the list. Nodes 2.0 of these frontends draws
// none but the inputs' on a block; it shows pictures by itself (`previewExposures` in the graph).
const added = new WeakMap(); // by node: its widgets of ours, by name

function joined(node, widget) {
  if (node.widgets?.includes(widget)) return;
  const { get: before, set } = Object.getOwnPropertyDescriptor(node, "widgets") ?? {};
  if (!before) return;
  Object.defineProperty(node, "widgets", {
    get() { return [...before.call(this), widget]; },
    set, configurable: true, enumerable: true,
  });
}

// The node's widget of this name; `make` returns its element when there is none yet. Nothing of it is saved in the graph.
export function elementWidget(node, name, make, options) {
  const known = added.get(node)?.get(name);
  if (known) return known;
  const widget = node.addDOMWidget(name, name, make(), { serialize: false, ...options });
  widget.serialize = false;
  joined(node, widget);
  added.set(node, (added.get(node) ?? new Map()).set(name, widget));
  return widget;
}
