// What our extensions share: the artist's language, the graph that is open, elements.
import { app } from "../../../scripts/app.js";
import { inKorean } from "./korean.js";

export const korean = () => app.ui?.settings?.getSettingValue?.("Comfy.Locale") === "ko";
export const translated = (line) => (korean() ? inKorean(line) : line); // a line that a node of ours says
export const root = () => app.rootGraph ?? app.graph;

export function element(tag, style, text) {
  const made = document.createElement(tag);
  Object.assign(made.style, style);
  if (text) made.textContent = text;
  return made;
}
