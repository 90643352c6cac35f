// What our nodes say, on the node: while it works (the event that nodes/notice.py sends) and afterwards (the text among
// its outputs, which ComfyUI draws for PreviewAny alone). A node inside a block also marks the block with its likeness.
// A DOM widget is drawn by LiteGraph and by Nodes 2.0 alike.
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { elementWidget } from "./element_widget.js";
import { element, root, translated } from "./page.js";

const EVENT = "portrait_studio.said";
const WIDGET = "portrait_studio_said";
const WARNING = "Warning: ";
const COLOURS = { plain: "#cfd6dd", warning: "#ffc24d", error: "#ff8a80", line: "#6fb7ff" };
const ours = (node) => typeof node?.comfyClass === "string" && node.comfyClass.startsWith("Portrait");

// The nodes on the way to a node of a prompt: "12:8" is node 8 in the block that is node 12.
function way(id) {
  const nodes = [];
  let graph = root();
  for (const part of String(id).split(":")) {
    const node = graph?.getNodeById?.(part) ?? graph?.getNodeById?.(Number(part));
    if (!node) return [];
    nodes.push(node);
    graph = node.subgraph;
  }
  return nodes;
}

function sketch(curve) {
  const space = "http://www.w3.org/2000/svg";
  const steps = curve.map(([step]) => step), scores = curve.map(([, score]) => score);
  const across = (step) => 4 + (292 * (step - steps[0])) / Math.max(1, steps.at(-1) - steps[0]);
  const low = Math.min(...scores), high = Math.max(...scores);
  const down = (score) => 36 - (32 * (score - low)) / Math.max(0.01, high - low);
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 300 40");
  Object.assign(drawing.style, { width: "100%", height: "40px", display: "block" });
  const line = document.createElementNS(space, "polyline");
  line.setAttribute("points", curve.map(([step, score]) => `${across(step)},${down(score)}`).join(" "));
  line.setAttribute("fill", "none");
  line.setAttribute("stroke", COLOURS.line);
  line.setAttribute("stroke-width", "2");
  drawing.append(line);
  return drawing;
}

function widgetOf(node) {
  const box = () => {
    const made = element("div", { overflow: "auto", padding: "4px 8px", font: "12px/1.4 sans-serif", boxSizing: "border-box" });
    made.className = "portrait-studio-said";
    return made;
  };
  // The node's own height follows from the text, and the text from the node's width: a bounded guess ends the circle.
  // LiteGraph leaves ten pixels free on every side.
  const height = () =>
    Math.min(160, 30 + (widget.element.lines ?? 1) * 17 + (widget.element.querySelector("svg") ? 44 : 0));
  const widget = elementWidget(node, WIDGET, box, { getMinHeight: height, getMaxHeight: height });
  return widget;
}

function show(node, said) {
  const widget = widgetOf(node);
  const box = widget.element;
  const lines = said.text.split("\n").filter(Boolean);
  box.replaceChildren(
    ...lines.map((line) => {
      const kind = said.error ? "error" : line.startsWith(WARNING) ? "warning" : "plain";
      const text = kind === "warning" ? `⚠ ${translated(line.slice(WARNING.length))}` : translated(line);
      return element("div", { color: COLOURS[kind], overflowWrap: "anywhere" }, text);
    }),
  );
  if (said.curve?.length > 1) box.append(sketch(said.curve));
  const letters = Math.max(20, node.size[0] / 7);
  box.lines = lines.reduce((sum, line) => sum + Math.ceil(line.length / letters), 0);
  const least = node.computeSize();
  if (node.size[1] < least[1]) node.setSize([node.size[0], least[1]]);
  node.setDirtyCanvas?.(true, true);
}

// A block's own widgets are those of its inputs, so what is measured inside it becomes a badge in its title.
function mark(block, said) {
  const known = block.badges.find((badge) => badge.portraitStudio);
  const numbers = /^likeness ([-.\d]+)$/m.exec(said.text);
  const warned = said.error || said.text.includes(WARNING);
  if (!numbers && !warned) return;
  const text = `${warned ? "⚠ " : ""}${numbers ? translated(`likeness ${(+numbers[1]).toFixed(2)}`) : ""}`.trim();
  // LGraphBadge is not exported; ComfyUI's own badges are of it.
  const first = block.badges.map((badge) => (typeof badge === "function" ? badge() : badge)).find(Boolean);
  if (!first) return;
  const made = new first.constructor({ text, fgColor: warned ? COLOURS.warning : "#ffffff", bgColor: "#2b4a6b" });
  const badge = () => made;
  badge.portraitStudio = true;
  const before = block.badges;
  block.badges = [...before.filter((one) => one !== known), badge];
  block.graph?.trigger?.("node:property:changed", {
    nodeId: block.id, type: "node:property:changed", property: "badges", oldValue: before, newValue: block.badges,
  });
  block.setDirtyCanvas?.(true, true);
}

const told = new Map(); // by the id in the prompt, since the instances of one block share their nodes

function tell(id, said) {
  const nodes = way(id);
  const node = nodes.at(-1);
  if (!ours(node)) return;
  told.set(String(id), said);
  show(node, said);
  nodes.slice(0, -1).forEach((block) => mark(block, said));
  // A block of one long work, as training is, says what the node inside says.
  const block = nodes.at(-2);
  if (block?.properties?.portrait_studio_says === String(node.id)) show(block, said);
}

function fromOutput(output) {
  const [facts] = output?.portrait_studio ?? [];
  if (!facts || typeof output.text?.[0] !== "string") return undefined;
  const curve = facts.checkpoints?.filter((one) => !one.fused?.length && !one.rewarded).map((one) => [one.step, one.likeness]);
  return { text: output.text[0], curve };
}

function heardError({ detail }) {
  if (detail.exception_type !== "Portrait Studio" && detail.exception_type !== "ExecutionBlocked") return;
  const sentence = detail.exception_message?.trim().replace(/^Execution Blocked: /, "");
  const node = way(detail.node_id).at(-1);
  if (!sentence || !node) return;
  tell(detail.node_id, { text: sentence, error: true });
  // Newer frontends show a sentence of their own, and ours behind "View details"; older ones open a dialog with ours.
  if (app.extensionManager?.setting?.get?.("Comfy.RightSidePanel.ShowErrorsTab")) {
    app.extensionManager.toast?.add?.({ severity: "error", summary: node.title, detail: sentence, life: 20000 });
  }
}

const name = "PortraitStudio.Said";
// A second copy of the pack brings a second copy of this file.
if (!app.extensions.some((extension) => extension.name === name)) app.registerExtension({
  name,
  setup() {
    api.addEventListener(EVENT, ({ detail }) => tell(detail.node, detail));
    api.addEventListener("executed", ({ detail }) => {
      const said = fromOutput(detail.output);
      if (said) tell(detail.node, said);
    });
    api.addEventListener("execution_error", heardError);
    app.canvas?.canvas?.addEventListener("subgraph-opened", ({ detail }) => {
      const block = detail?.fromNode;
      if (!block) return;
      const inside = [...told].filter(([id]) => way(id).at(-2) === block);
      inside.forEach(([id, said]) => show(way(id).at(-1), said));
    });
  },
  afterConfigureGraph() {
    told.clear();
    // A tab that is come back to has its outputs still.
    for (const [id, output] of Object.entries(app.nodeOutputs ?? {})) {
      const said = fromOutput(output);
      if (said && !id.includes(":")) tell(id, said);
    }
  },
});
