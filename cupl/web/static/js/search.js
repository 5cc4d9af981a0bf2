// The page Search.

import { fill, h } from "./dom.js";

export const id = "search";
export const title = "Search";
export const available = (state) => false;

export function mount(root, app) {
  fill(root, h("h1", {}, title));
}
