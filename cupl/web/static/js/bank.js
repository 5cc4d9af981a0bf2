// The page Bank.

import { fill, h } from "./dom.js";

export const id = "bank";
export const title = "Bank";
export const available = (state) => false;

export function mount(root, app) {
  fill(root, h("h1", {}, title));
}
