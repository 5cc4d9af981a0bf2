// The page Label.

import { fill, h } from "./dom.js";

export const id = "label";
export const title = "Label";
export const available = (state) => false;

export function mount(root, app) {
  fill(root, h("h1", {}, title));
}
