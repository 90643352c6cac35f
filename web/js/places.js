// Where a widget of a graph is: nodes lie in blocks, and a block may show the widgets of its nodes as its own.

// Every node with the blocks on the way to it: the nodes of a block are there once for each block of its kind.
export function placed(graph, way = []) {
  return (graph?.nodes ?? []).flatMap((node) => [{ node, way }, ...placed(node.subgraph, [...way, node])]);
}

// The ids that lead to a node, as extra.portrait_studio writes them.
export const path = ({ node, way }) => [...way, node].map((one) => one.id).join(":");

// The widget of a node in a block, and the widgets of the blocks around it that show it; the last one is what counts.
export function shown(node, widget, way) {
  const id = node.inputs?.find((input) => input.widget?.name === widget.name)?.link;
  const link = id == null ? undefined : (node.graph.getLink?.(id) ?? node.graph.links?.get?.(id) ?? node.graph.links?.[id]);
  const block = way.at(-1);
  const port = block && Number(link?.origin_id) === -10 ? node.graph.inputs?.[link.origin_slot]?.name : undefined;
  const outer = port && block.widgets?.find((one) => one.name === port);
  return outer ? [widget, ...shown(block, outer, way.slice(0, -1))] : [widget];
}

export function choices(widget) {
  const values = widget.options?.values;
  return (typeof values === "function" ? values() : values) ?? [];
}

export const isPocket = (file) => file.startsWith("pocket") && file.endsWith(".safetensors");
