// Load Photos takes photos by a button, by dropping and by pasting, and shows them with the report's verdict on each.
// The photos go into input/portrait-photos; the node's own widget "files" holds their names, so that the runner and
// older graphs know nothing of this. A DOM widget is drawn by LiteGraph and by Nodes 2.0 alike.
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { element, korean, root, translated } from "./page.js";

const NODE = "PortraitLoadPhotos";
const WIDGET = "portrait_studio_photos";
const FOLDER = "portrait-photos";
const MOST = 200; // photos a node holds: more teach nothing, and every one is looked at
const LARGEST = 100e6; // bytes; what ComfyUI takes at once unless it is started with another limit
const AT_ONCE = 3;
const TILE = 56; // px, with its gap
const ROWS = 3;
const READ_HERE = ["image/jpeg", "image/png", "image/webp"];
const READ_BY_THE_NODE = /\.(heic|heif|tif|tiff)$/i; // no browser shows them
const COLOURS = { accepted: "#4caf50", "held out": "#4a90d9", rejected: "#e0564a" };
const WORDS = {
  en: {
    photos: "Photos", add: "Add photos", clear: "Remove all", hint: "or drop or paste them here",
    sending: (done, all) => `Uploading ${done} of ${all} ...`,
    count: (all) => `${all} photo${all === 1 ? "" : "s"}`,
    more: (left) => `and ${left} more`,
    no: (names) => `No photo: ${names}`,
    large: (names) => `Over 100 MB: ${names}`,
    failed: (names) => `Not uploaded: ${names}`,
    many: `Not more than ${MOST} photos; the others were left out`,
    remove: "click to remove", accepted: "accepted", held: "accepted, held out from training",
  },
  ko: {
    photos: "사진", add: "사진 추가", clear: "모두 빼기", hint: "또는 여기에 끌어다 놓거나 붙여 넣으세요",
    sending: (done, all) => `${all}장 중 ${done}장 올리는 중 ...`,
    count: (all) => `사진 ${all}장`,
    more: (left) => `외 ${left}장`,
    no: (names) => `사진이 아닙니다: ${names}`,
    large: (names) => `100MB가 넘습니다: ${names}`,
    failed: (names) => `올리지 못했습니다: ${names}`,
    many: `사진은 ${MOST}장까지입니다. 나머지는 뺐습니다`,
    remove: "누르면 뺍니다", accepted: "통과", held: "통과, 학습에서 빼 둠",
  },
};

const say = () => (korean() ? WORDS.ko : WORDS.en);
const widget = (node, name) => node.widgets?.find((one) => one.name === name);
const base = (path) => path.split("/").at(-1);

function listed(names) {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ` (+${names.length - 3})` : "");
}

function paths(node) {
  return String(widget(node, "files")?.value ?? "").split("\n").map((line) => line.trim()).filter(Boolean);
}

function put(node, names) {
  const files = widget(node, "files");
  files.value = names.join("\n");
  files.callback?.(files.value);
  node.graph?.change?.();
  draw(node);
}

function address(path) {
  const clean = path.replace(/\s*\[input\]$/, "");
  const query = new URLSearchParams({ filename: base(clean), subfolder: clean.slice(0, -base(clean).length - 1), type: "input" });
  return api.apiURL(`/view?${query}`);
}

// Whatever its name says: a photo is what decodes as one.
async function isPhoto(file) {
  if (READ_BY_THE_NODE.test(file.name)) return file.size > 0;
  if (!READ_HERE.includes(file.type)) return false;
  try {
    (await createImageBitmap(file, { resizeWidth: 8, resizeHeight: 8 })).close();
    return true;
  } catch {
    return false;
  }
}

async function send(file) {
  const body = new FormData();
  body.append("image", file, file.name);
  body.append("subfolder", FOLDER);
  const answer = await api.fetchApi("/upload/image", { method: "POST", body });
  if (answer.status !== 200) throw new Error(String(answer.status));
  const { name, subfolder } = await answer.json();
  return subfolder ? `${subfolder}/${name}` : name;
}

async function add(node, given) {
  const state = node.portraitStudioPhotos;
  if (!given.length || state.sending) return;
  const words = say();
  const room = Math.max(0, MOST - paths(node).length);
  const files = given.slice(0, room), made = new Array(files.length), faults = new Array(files.length);
  let next = 0, done = 0;
  state.sending = true;
  const work = async () => {
    while (next < files.length) {
      const index = next++, file = files[index];
      if (file.size > LARGEST) faults[index] = "large";
      else if (!(await isPhoto(file))) faults[index] = "no";
      else made[index] = await send(file).catch(() => void (faults[index] = "failed"));
      state.status = words.sending(++done, files.length);
      describe(node);
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    state.sending = false;
  }
  const complaints = ["no", "large", "failed"].flatMap((kind) => {
    const names = files.filter((_, index) => faults[index] === kind).map((file) => file.name);
    return names.length ? [words[kind](listed(names))] : [];
  });
  if (given.length > room) complaints.push(words.many);
  state.status = complaints.join(". ");
  const arrived = made.filter(Boolean);
  const folder = widget(node, "folder");
  // The example people make room for one's own photos.
  if (arrived.length && String(folder?.value).startsWith("examples/")) {
    folder.value = "";
    folder.callback?.("");
  }
  put(node, [...new Set([...paths(node), ...arrived])]);
}

function tile(node, path) {
  const verdict = node.portraitStudioPhotos.verdicts.get(base(path));
  const words = say();
  const spoken = { accepted: words.accepted, "held out": words.held }[verdict?.verdict] ?? translated(verdict?.reason ?? "");
  const box = element("div", {
    width: `${TILE - 6}px`, height: `${TILE - 6}px`, borderRadius: "5px", overflow: "hidden", cursor: "pointer",
    border: `2px solid ${COLOURS[verdict?.verdict] ?? "#666"}`, boxSizing: "border-box", background: "#222",
  });
  box.className = "portrait-studio-photo";
  box.dataset.verdict = verdict?.verdict ?? "";
  box.title = `${base(path)}${spoken ? `: ${spoken}` : ""} (${words.remove})`;
  const picture = element("img", { width: "100%", height: "100%", objectFit: "cover", display: "block" });
  picture.loading = "lazy";
  picture.decoding = "async";
  picture.alt = base(path);
  picture.src = address(path);
  box.append(picture);
  box.addEventListener("click", () => put(node, paths(node).filter((one) => one !== path)));
  return box;
}

function describe(node) {
  const { line, status } = node.portraitStudioPhotos;
  const all = paths(node).length;
  line.textContent = status || (all ? say().count(all) : say().hint);
}

function draw(node) {
  const state = node.portraitStudioPhotos;
  const words = say(), all = paths(node);
  const columns = Math.max(3, Math.floor((node.size[0] - 40) / TILE)), shown = all.slice(0, columns * ROWS);
  state.tiles.replaceChildren(...shown.map((path) => tile(node, path)));
  if (all.length > shown.length) state.tiles.append(element("div", { alignSelf: "center", color: "#bbb" }, words.more(all.length - shown.length)));
  state.rows = Math.ceil(shown.length / columns) + (all.length > shown.length ? 0.5 : 0);
  state.clear.style.display = all.length ? "" : "none";
  describe(node);
  const least = node.computeSize();
  if (node.size[1] < least[1]) node.setSize([node.size[0], least[1]]);
  node.setDirtyCanvas?.(true, true);
}

function button(text, action) {
  const made = element("button", {
    padding: "3px 10px", cursor: "pointer", borderRadius: "6px", border: "1px solid #777", background: "#2d5f8b", color: "#fff", font: "inherit",
  }, text);
  made.addEventListener("click", action);
  return made;
}

function chosen(transfer) {
  return [...(transfer?.files ?? [])];
}

function install(node) {
  const words = say();
  const box = element("div", { font: "12px/1.4 sans-serif", color: "#ddd", padding: "4px 8px", boxSizing: "border-box", overflow: "hidden" });
  box.className = "portrait-studio-photos";
  const input = element("input", { display: "none" });
  Object.assign(input, { type: "file", multiple: true, accept: "image/*,.heic,.heif,.tif,.tiff" });
  input.addEventListener("change", () => add(node, [...input.files]).finally(() => (input.value = "")));
  const line = element("span", { marginLeft: "8px", overflowWrap: "anywhere" });
  line.className = "portrait-studio-photos-line";
  const clear = button(words.clear, () => put(node, []));
  Object.assign(clear.style, { background: "#444", marginLeft: "6px" });
  const tiles = element("div", { display: "flex", flexWrap: "wrap", gap: "6px", marginTop: "6px" });
  box.append(button(words.add, () => input.click()), clear, line, input, tiles);
  node.portraitStudioPhotos = { line, clear, tiles, rows: 0, status: "", verdicts: new Map(), sending: false };
  const height = () => 66 + node.portraitStudioPhotos.rows * TILE;
  const made = node.addDOMWidget(WIDGET, WIDGET, box, { serialize: false, getMinHeight: height, getMaxHeight: height });
  made.serialize = false;
  made.label = words.photos; // what the App form calls it
  const over = (event) => [...(event.dataTransfer?.items ?? [])].some((item) => item.kind === "file");
  box.addEventListener("dragover", (event) => over(event) && event.preventDefault());
  box.addEventListener("drop", (event) => {
    if (!chosen(event.dataTransfer).length) return;
    event.preventDefault();
    event.stopPropagation();
    add(node, chosen(event.dataTransfer));
  });
  // ComfyUI asks the node itself what falls beside the widget; without an answer it would open the photo as a graph.
  node.onDragOver = over;
  node.onDragDrop = (event) => {
    const files = chosen(event.dataTransfer);
    if (files.length) add(node, files);
    return files.length > 0;
  };
  node.pasteFiles = (files) => (add(node, files), true);
  const files = widget(node, "files"), before = files?.callback;
  if (files) files.callback = function (...given) {
    const answer = before?.apply(this, given);
    queueMicrotask(() => draw(node));
    return answer;
  };
  setTimeout(() => draw(node), 0);
}

// ComfyUI pastes into its own image nodes alone; into this one goes what is pasted while it is selected.
function pasted(event) {
  if (/^(input|textarea)$/i.test(event.target?.tagName ?? "") || event.target?.isContentEditable) return;
  const [node, ...others] = Object.values(app.canvas?.selected_nodes ?? {});
  const files = chosen(event.clipboardData);
  if (node?.comfyClass !== NODE || others.length || !files.length) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  add(node, files);
}

function levels(graph) {
  return [graph, ...(graph?.subgraphs?.values?.() ?? [])];
}

function judged({ detail }) {
  const verdicts = detail.output?.portrait_studio_photos;
  if (!Array.isArray(verdicts)) return;
  for (const graph of levels(root())) {
    for (const node of graph.nodes ?? []) {
      if (!node.portraitStudioPhotos) continue;
      node.portraitStudioPhotos.verdicts = new Map(verdicts.map((one) => [one.name, one]));
      draw(node);
    }
  }
}

const name = "PortraitStudio.Photos";
// A second copy of the pack brings a second copy of this file.
if (!app.extensions.some((extension) => extension.name === name)) app.registerExtension({
  name,
  nodeCreated(node) {
    if (node.comfyClass === NODE) install(node);
  },
  loadedGraphNode(node) {
    if (node.portraitStudioPhotos) draw(node);
  },
  setup() {
    api.addEventListener("executed", judged);
    document.addEventListener("paste", pasted, true);
  },
});
