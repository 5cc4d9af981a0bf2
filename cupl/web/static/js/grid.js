// A grid of photos that stays quick with thousands, and is walked through with the arrow keys.

import { h } from "./dom.js";

/**
 * A grid; only the photo that has the focus is reached by Tab, the others by the arrow keys.
 *
 * tiles: [{photo, name, caption, detail}]; onpick(tile, event) is called for a click or Enter;
 * with `select` each tile can be marked (Space, click), and `selected` is the set of photos.
 */
export function photoGrid(app, tiles, { onpick, select = null, label = "Photos" }) {
  const nodes = tiles.map((tile, place) => tileOf(app, tile, place, select));
  const grid = h("div", { class: "grid", role: select ? "listbox" : "list", "aria-label": label, "aria-multiselectable": select ? "true" : null });
  inPieces(grid, nodes);
  let here = 0;
  const enter = (place) => {
    if (place < 0 || place >= nodes.length) return;
    if (nodes[here]) nodes[here].tabIndex = -1;
    here = place;
    nodes[here].tabIndex = 0;
    nodes[here].focus();
    nodes[here].scrollIntoView({ block: "nearest" });
  };
  const mark = (place, on) => {
    const { photo } = tiles[place];
    if (on) select.selected.add(photo); else select.selected.delete(photo);
    nodes[place].setAttribute("aria-selected", String(on));
  };
  const placeOf = (event) => Number(event.target.closest(".tile")?.dataset.place ?? -1);
  grid.addEventListener("click", (event) => {
    const place = placeOf(event);
    if (place < 0) return;
    if (select && event.shiftKey) {
      const [from, to] = [Math.min(here, place), Math.max(here, place)];
      for (let one = from; one <= to; one += 1) mark(one, true);
    } else if (select) mark(place, !select.selected.has(tiles[place].photo));
    enter(place);
    if (select) select.changed();
    else onpick(tiles[place], event);
  });
  grid.addEventListener("keydown", (event) => {
    const across = columns(grid);
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -here, End: nodes.length - 1 - here };
    if (event.key in steps) {
      event.preventDefault();
      if (select && event.shiftKey) { mark(here, true); enter(here + steps[event.key]); mark(here, true); select.changed(); }
      else enter(here + steps[event.key]);
    } else if (select && event.key === " ") {
      event.preventDefault();
      mark(here, !select.selected.has(tiles[here].photo));
      select.changed();
    } else if (event.key === "Enter" && onpick && nodes.length) {
      event.preventDefault();
      onpick(tiles[here], event);
    }
  });
  if (nodes[0]) nodes[0].tabIndex = 0;
  return grid;
}

// A browser lays out and paints a piece only when it comes near; of single tiles that takes longer
// than it saves (measured with 5,000: 100 ms a frame of scrolling by tile, 36 by piece).
const PIECE = 100;
const GAP = 6;
const CAPTIONS = 50;

/** How many tiles stand side by side. */
function columns(grid) {
  const least = Number.parseFloat(getComputedStyle(grid).getPropertyValue("--tile")) || 132;
  const wanted = Math.min(least, 0.31 * grid.clientWidth);
  return Math.max(1, Math.floor((grid.clientWidth + GAP) / (wanted + GAP)));
}

/** Put tiles into pieces of whole rows, anew where the width has changed. */
function inPieces(grid, nodes) {
  let across = 0;
  const arrange = () => {
    const now = columns(grid);
    if (now === across || !grid.clientWidth) return;
    across = now;
    const focused = nodes.find((node) => node === document.activeElement);
    const size = across * Math.ceil(PIECE / across);
    const height = Math.ceil(size / across) * (grid.clientWidth / across + CAPTIONS);
    const pieces = [];
    for (let start = 0; start < nodes.length; start += size) {
      pieces.push(h("div", { class: "piece", role: "presentation", style: {
        "--columns": across, "--height": `${Math.round(height)}px`,
      } }, nodes.slice(start, start + size)));
    }
    grid.replaceChildren(...pieces);
    focused?.focus();
  };
  new ResizeObserver(arrange).observe(grid);
}

function tileOf(app, tile, place, select) {
  const image = h("img", { src: tile.src ?? app.thumb(tile.photo), alt: "", loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(h("span", { class: "broken" }, "cannot be shown")), { once: true });
  return h("button", {
    type: "button", class: "tile", tabIndex: -1, data: { place: String(place) },
    role: select ? "option" : "listitem",
    "aria-selected": select ? String(select.selected.has(tile.photo)) : null,
    "aria-label": [tile.name, tile.caption, tile.detail].filter(Boolean).join(", "),
  }, image, h("span", { class: "caption" }, tile.caption ?? tile.name), tile.detail && h("span", { class: "detail" }, tile.detail));
}
