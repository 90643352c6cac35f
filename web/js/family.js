// One choice for a whole graph: the family in the Checkpoint block sets what extra.portrait_studio.families says, in every
// block. Sizes and steps are set as they are; a file of the artist's own that fits the family stays.
import { app } from "../../../scripts/app.js";
import { root } from "./page.js";
import { choices, isPocket, path, placed, shown } from "./places.js";
import { refresh } from "./promoted.js";

const OTHERS = /flux|sd_?-?3|sd_?-?2|v2-|wan|hunyuan|ltx|image|qwen|cascade|lumina|aura|chroma|audio|svd|video|refiner|inpaint/i;
const XL = /xl|pony|illustrious|noob/i;
// What the file of a ControlNet has in its name.
const ROLES = { openpose: /open.?pose|union/i, tile_controlnet: /tile|union/i, canny: /canny|union/i };

export const CHOSEN = "portrait-studio-family"; // the event on the document when a family has been set
const studio = () => root()?.extra?.portrait_studio;
export const families = () => studio()?.families ?? {};

// By its name alone: when the graph runs, Model Family looks into the checkpoint itself.
function fits(file, name, family) {
  if (isPocket(file) !== (family === "pocket")) return false;
  if (family === "pocket" || name === "upscaler") return true;
  return !OTHERS.test(file) && XL.test(file) === (family === "SDXL");
}

function fitting(name, family, usual, widget) {
  const there = choices(widget);
  if (there.includes(widget.value) && fits(widget.value, name, family)) return widget.value;
  if (there.includes(usual)) return usual;
  const alike = there.filter((file) => fits(file, name, family) && (ROLES[name] ?? /(?:)/).test(file));
  return alike[0] ?? usual;
}

function set(widgets, value) {
  for (const widget of widgets) {
    widget.value = value;
    widget.callback?.(value);
  }
}

// The widgets that a parameter of the graph sets, each with those of the blocks around it.
function targets(parameter, nodes) {
  return (parameter?.targets ?? []).flatMap(({ node, input }) => {
    const found = nodes.find((one) => path(one) === String(node));
    const widget = found?.node.widgets?.find((one) => one.name === input);
    return widget ? [shown(found.node, widget, found.way)] : [];
  });
}

export function choose(family) {
  const values = studio()?.families?.[family];
  if (!values) return;
  const nodes = placed(root());
  for (const [name, wanted] of Object.entries(values)) {
    for (const widgets of targets(studio().parameters[name], nodes)) {
      const file = typeof wanted === "string" && wanted.includes(".safetensors");
      set(widgets, file ? fitting(name, family, wanted, widgets.at(-1)) : wanted);
    }
  }
  for (const { node } of nodes) refresh(node);
  app.graph.setDirtyCanvas(true, true);
  document.dispatchEvent(new CustomEvent(CHOSEN, { detail: family }));
}

const followed = new WeakSet();
const chooser = () => targets(studio()?.parameters?.family, placed(root()))[0]?.at(-1);
let seen; // the family that the graph is set for

function turn(value) {
  seen = value;
  choose(value);
}

function follow() {
  const widget = studio()?.families && chooser();
  if (!widget) return;
  seen = widget.value;
  if (!followed.has(widget)) {
    followed.add(widget);
    const before = widget.callback;
    widget.callback = function (value, ...more) {
      const answer = before?.call(this, value, ...more);
      turn(value);
      return answer;
    };
  }
  for (const { node } of placed(root())) refresh(node);
}

// Nodes 2.0 of frontends of 2026 keeps a value that is picked on a block, and calls nobody.
function look() {
  const value = studio()?.families && chooser()?.value;
  if (value && value !== seen) turn(value);
}

const name = "PortraitStudio.Family";
// A second copy of the pack brings a second copy of this file.
if (!app.extensions.some((extension) => extension.name === name)) app.registerExtension({
  name,
  setup() {
    for (const kind of ["click", "keyup"]) document.addEventListener(kind, () => setTimeout(look), true);
  },
  afterConfigureGraph: follow,
});
