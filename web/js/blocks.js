// A block shows the last picture of the stage that it holds. Its own outputs are links, and ComfyUI shows pictures only on
// the node that saved them, inside; two blocks of one kind share these nodes, so the picture is found by the id in the
// prompt. A DOM widget is drawn by LiteGraph and by Nodes 2.0 alike.
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { elementWidget } from "./element_widget.js";
import { element, korean, root } from "./page.js";

const WIDGET = "portrait_studio_picture";
const SHOWS = "portrait_studio_shows"; // property of a block: the id inside of the node whose pictures it shows

function frame() {
  const made = element("div", {
    border: "1px dashed #5a6570", borderRadius: "6px", overflow: "hidden", boxSizing: "border-box", minHeight: "0",
    display: "flex", alignItems: "center", justifyContent: "center", color: "#8b96a1", font: "12px sans-serif",
  }, korean() ? "실행하면 여기에 보입니다" : "shown here after a run");
  made.className = "portrait-studio-picture";
  return made;
}

const framed = (node) => elementWidget(node, WIDGET, frame, { getMinHeight: () => 60 }).element;

function show(node, images) {
  const { filename, subfolder, type } = images.at(-1);
  const address = new URLSearchParams({ filename, subfolder: subfolder ?? "", type: type ?? "output" });
  const picture = document.createElement("img");
  Object.assign(picture.style, { width: "100%", height: "100%", objectFit: "contain" });
  picture.src = api.apiURL(`/view?${address}${app.getPreviewFormatParam?.() ?? ""}${app.getRandParam?.() ?? ""}`);
  const holder = framed(node);
  holder.style.border = "none";
  holder.replaceChildren(picture);
}

function executed({ detail }) {
  const images = detail.output?.images;
  const way = String(detail.display_node ?? detail.node).split(":");
  if (!images?.length || way.length !== 2) return;
  const block = root()?.getNodeById?.(way[0]) ?? root()?.getNodeById?.(Number(way[0]));
  if (block?.properties?.[SHOWS] === way[1]) show(block, images);
}

const name = "PortraitStudio.Blocks";
// A second copy of the pack brings a second copy of this file.
if (!app.extensions.some((extension) => extension.name === name)) app.registerExtension({
  name,
  setup() {
    api.addEventListener("executed", executed);
  },
  afterConfigureGraph() {
    for (const node of root()?.nodes ?? []) if (node.properties?.[SHOWS]) framed(node);
  },
});
