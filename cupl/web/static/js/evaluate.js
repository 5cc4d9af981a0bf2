// The page Evaluate.

import { fill, h } from "./dom.js";

export const id = "evaluate";
export const title = "Evaluate";
export const available = (state) => false;

export function mount(root, app) {
  fill(root, h("h1", {}, title));
}
