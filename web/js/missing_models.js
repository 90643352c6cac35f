// Our graphs begin with small models of our own, which a pack from the Registry does not carry. Where a graph of ours is
// opened without them, this offers both ways on: put them together, or real models instead. Nothing happens unasked. Where
// a real family was chosen (family.js), it lists the files of it that are not there.
import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { CHOSEN, choose, families } from "./family.js";
import { element, korean, root } from "./page.js";
import { choices, isPocket, placed, shown } from "./places.js";

const NODE = "PortraitPocketModels";
const NOWHERE = "not on this ComfyUI";
const RELEASES = "https://github.com/portrait-studio/portrait-studio/releases";
const WORDS = {
  en: {
    title: "Portrait Studio: models that this graph needs",
    pocket: "Pocket models, for trying (33 MB of weights become 400 MB in ComfyUI's models folder)",
    make: "Make the pocket models",
    making: "Making them, this takes a few seconds ...",
    made: "Ready: the graph can run.",
    fetch: "pocket-weights.zip is with the project's releases. Put it into models/portrait_studio/pocket, press r, and open the graph again.",
    releases: "Releases",
    real: "Real models, for portraits of people",
    use: "Set the graph to the real models",
    family: "Set the graph to",
    lacks: "Files of this family that are not here (put them into the folders, then press r):",
    rename: "save as",
    close: "Close",
  },
  ko: {
    title: "Portrait Studio: 이 그래프에 필요한 모델",
    pocket: "포켓 모델, 시험용 (가중치 33MB가 ComfyUI의 models 폴더에서 400MB가 됩니다)",
    make: "포켓 모델 만들기",
    making: "만드는 중입니다. 몇 초 걸립니다 ...",
    made: "준비되었습니다. 그래프를 실행할 수 있습니다.",
    fetch: "pocket-weights.zip은 프로젝트 릴리스에 있습니다. models/portrait_studio/pocket에 넣고 r을 누른 뒤 그래프를 다시 여세요.",
    releases: "릴리스",
    real: "실제 모델, 실제 사람의 인물 사진용",
    use: "그래프를 실제 모델로 바꾸기",
    family: "그래프를 바꾸기:",
    lacks: "이 계열의 파일 가운데 없는 것 (폴더에 넣고 r을 누르세요):",
    rename: "저장할 이름",
    close: "닫기",
  },
};

const words = () => (korean() ? WORDS.ko : WORDS.en);
const size = (bytes) => (bytes > 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`);

// Older frontends drop what they do not know of a model: its size and its licence.
function facts(model) {
  const known = [model.size && size(model.size), model.license].filter(Boolean);
  return known.length ? ` (${known.join(", ")})` : "";
}

function loaders() {
  return placed(root()).flatMap(({ node, way }) => {
    const models = node.properties?.models;
    if (!Array.isArray(models)) return [];
    const known = (value) => typeof value === "string" && (isPocket(value) || models.some((model) => model.name === value));
    const widgets = (node.widgets ?? []).map((one) => shown(node, one, way)).find((all) => known(all.at(-1).value));
    if (!widgets) return [];
    const widget = widgets.at(-1);
    return [{ widget, widgets, models, missing: !choices(widget).includes(widget.value) }];
  });
}

function distinct(models) {
  return [...new Map(models.map((model) => [model.name, model])).values()];
}

function weights() {
  const spec = window.LiteGraph?.registered_node_types?.[NODE]?.nodeData?.input?.required?.weights;
  const options = Array.isArray(spec?.[0]) ? spec[0] : (spec?.[1]?.options ?? []);
  return options[0] === NOWHERE ? undefined : options[0];
}

function button(text, action) {
  const made = element("button", { padding: "6px 10px", margin: "6px 6px 0 0", cursor: "pointer", borderRadius: "6px" }, text);
  Object.assign(made.style, { border: "1px solid #888", background: "#2d5f8b", color: "#fff", font: "inherit" });
  made.addEventListener("click", () => action(made));
  return made;
}

function link(model) {
  const row = element("div", { margin: "3px 0" });
  const anchor = element("a", { color: "#8fc7ff" }, model.name);
  anchor.href = model.url;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  const renamed = !model.url.endsWith(model.name) ? `, ${words().rename} ${model.name}` : "";
  row.append(anchor, `${facts(model)} → models/${model.directory}${renamed}`);
  return row;
}

async function make(from, pressed, status) {
  pressed.disabled = true;
  status.textContent = words().making;
  const ended = new Promise((done) => {
    const listen = (name, ok) => api.addEventListener(name, (event) => mine.has(event.detail?.prompt_id) && done([ok, event.detail]));
    listen("execution_success", true);
    listen("execution_error", false);
  });
  const mine = new Set();
  const prompt = { 1: { class_type: NODE, inputs: { weights: from }, _meta: { title: "Pocket Models" } } };
  try {
    mine.add((await api.queuePrompt(0, { output: prompt, workflow: { nodes: [], links: [], version: 0.4 } })).prompt_id);
    const [ok, detail] = await ended;
    status.textContent = ok ? words().made : detail.exception_message;
    if (ok) await app.refreshComboInNodes();
  } catch (error) {
    status.textContent = String(error.message ?? error);
  }
  pressed.disabled = false;
}

async function setReal(found, family) {
  if (family) choose(family);
  // A graph from before there were families has only its files changed.
  else for (const { widget, widgets, models } of found) {
    if (models.length && isPocket(widget.value)) widgets.forEach((one) => (one.value = models[0].name));
  }
  // Loaded again, ComfyUI itself offers to download what is missing now.
  await app.loadGraphData(app.graph.serialize(), true, false, app.extensionManager?.workflow?.activeWorkflow ?? null);
}

let panel;

function opened() {
  panel = element("div", {
    position: "fixed", left: "80px", bottom: "80px", zIndex: 1000, width: "520px", maxWidth: "calc(100vw - 120px)",
    maxHeight: "70vh", overflow: "auto", padding: "14px 16px", borderRadius: "10px", background: "#1f2328",
    color: "#eee", border: "1px solid #555", font: "13px/1.45 sans-serif", boxShadow: "0 6px 24px #000a",
  });
  panel.id = "portrait-studio-models";
  panel.append(element("div", { fontWeight: "bold", fontSize: "14px" }, words().title));
  app.canvas.canvas.parentElement.append(panel);
}

const closing = () => button(words().close, () => panel.remove());

function offer() {
  panel?.remove();
  const found = loaders();
  const missing = found.filter((one) => one.missing && isPocket(one.widget.value));
  if (!missing.length) return;
  const say = words();
  opened();
  panel.append(element("div", { marginTop: "8px" }, say.pocket));
  panel.append(element("div", { opacity: 0.8 }, [...new Set(missing.map((one) => one.widget.value))].join(", ")));
  const status = element("div", { marginTop: "4px" });
  const from = weights();
  if (from) {
    panel.append(button(say.make, (pressed) => make(from, pressed, status)));
  } else {
    status.textContent = say.fetch;
    panel.append(button(say.releases, () => window.open(RELEASES, "_blank", "noopener")));
  }
  panel.append(status, element("div", { marginTop: "10px" }, say.real));
  const models = distinct(missing.flatMap((one) => one.models));
  const real = Object.entries(families()).filter(([family]) => family !== "pocket");
  for (const [family, values] of real) {
    panel.append(element("div", { marginTop: "6px", fontWeight: "bold" }, family));
    panel.append(...models.filter((model) => Object.values(values).includes(model.name)).map(link));
    panel.append(button(`${say.family} ${family}`, () => setReal(found, family)));
  }
  if (!real.length) panel.append(...models.map(link), button(say.use, () => setReal(found)));
  panel.append(closing());
}

// After the choice of a family: what of it is not on this ComfyUI.
function lacking() {
  offer();
  const missing = loaders().filter((one) => one.missing && !isPocket(one.widget.value));
  const models = distinct(missing.flatMap((one) => one.models.filter((model) => model.name === one.widget.value)));
  if (!models.length || panel?.isConnected) return;
  opened();
  panel.append(element("div", { marginTop: "8px" }, words().lacks), ...models.map(link), closing());
}

const name = "PortraitStudio.MissingModels";
// A second copy of the pack brings a second copy of this file.
if (!app.extensions.some((extension) => extension.name === name)) app.registerExtension({
  name,
  setup() {
    document.addEventListener(CHOSEN, lacking);
  },
  async afterConfigureGraph() {
    // The lists of a graph that is being opened settle in the next frames.
    setTimeout(offer, 300);
  },
});
