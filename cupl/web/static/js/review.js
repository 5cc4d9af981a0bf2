// The page Review.

import { fill, h } from "./dom.js";

export const id = "review";
export const title = "Review";
export const available = (state) => false;

export function mount(root, app) {
  fill(root, h("h1", {}, title));
}
