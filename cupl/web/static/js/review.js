// Sort and review: photos by label, least sure first; moved by hand; then written.

import { get, post } from "./api.js";
import { bars } from "./bars.js";
import { calm, choice, count, field, fill, h, percent } from "./dom.js";
import { photoGrid } from "./grid.js";
import { settingsPanel } from "./settings.js";
import { writePanel } from "./review_write.js";

export const id = "review";
export const title = "Sort and review";
export const available = (state) => state.photos.total > 0 && Boolean(state.bank || state.classes.length);

const UNSURE = "unsure";
const NONE = "none of these";
const OPEN_WITH = 300;
let view = null;

export async function mount(root, app) {
  view = { app, root, folder: "", selected: new Set(), open: null, turn: 0 };
  view.tools = h("div", { class: "panel tools", role: "toolbar", "aria-label": "What is selected" });
  view.groups = h("div", { class: "groups" }, h("p", { class: "quiet" }, "one moment …"));
  view.place = h("div", {});
  view.keys = (event) => onKey(event);
  addEventListener("keydown", view.keys);
  fill(root, h("h1", { class: "hidden" }, title), settingsPanel(app, load), view.place, view.tools, view.groups,
    writePanel(app, load));
  view.list = await app.attempt(() => get("/api/photos"));
  if (!view.list || app.page?.id !== id) return;
  if (view.list.folders.length > 1) {
    const folders = [["", "all folders"], ...view.list.folders.map((name, place) => [String(place), name || "(the folder itself)"])];
    fill(view.place, field("Folder", choice(folders, "", (value) => { view.folder = value; view.selected.clear(); load(); })));
  }
  await load();
  let { encoded } = app.state.photos;
  view.stop = app.on((state) => {
    if (state.photos.encoded !== encoded) { ({ encoded } = state.photos); soon(); }
  });
}

export function unmount() {
  removeEventListener("keydown", view.keys);
  view.stop?.();
}

const soon = calm(() => load(), 1500);

async function load() {
  const { app } = view;
  view.turn += 1;
  const turn = view.turn;
  const folder = view.folder === "" ? null : Number(view.folder);
  const found = await app.attempt(() => post("/api/review", { settings: app.settings, folder }));
  if (!found || turn !== view.turn || app.page?.id !== id) return;
  view.data = found;
  draw();
}

/** The label of a photo as it stands, by hand or by the classifier: an answer, UNSURE or "". */
function labelOf(place) {
  const { data } = view;
  const own = data.by_hand[data.photos[place]];
  return own ?? data.labels[place] ?? null;
}

/** The groups in the order of the classes, each with its photos, the least sure first. */
function grouped() {
  const { data } = view;
  const groups = new Map(data.classes.map(({ name, answer }) => [answer, { key: answer, name, places: [] }]));
  groups.set(null, { key: null, name: UNSURE, places: [] });
  groups.set("", { key: "", name: NONE, places: [] });
  data.photos.forEach((_, place) => {
    const label = labelOf(place);
    (groups.get(label) ?? groups.get("")).places.push(place);
  });
  const sure = (place) => (data.by_hand[data.photos[place]] === undefined ? data.probabilities[place] : 2);
  for (const group of groups.values()) group.places.sort((a, b) => sure(a) - sure(b));
  return [...groups.values()].filter((group) => group.places.length);
}

function draw(focus = null) {
  const { data } = view;
  const groups = grouped();
  view.open ??= new Set(data.photos.length <= OPEN_WITH ? groups.map((one) => one.key) : groups.slice(0, 1).map((one) => one.key));
  view.shown = groups;
  fill(view.groups,
    groups.length > 3 && h("nav", { class: "jump", "aria-label": "Labels" }, groups.map((group, place) =>
      h("a", { href: "#review", onclick: (event) => { event.preventDefault(); jump(place); } }, `${group.name} `, h("span", { class: "quiet" }, String(group.places.length))))),
    groups.map((group) => section(group, focus)), failures());
  tools();
}

function jump(place) {
  const node = view.groups.querySelectorAll("details.group")[place];
  node.open = true;
  node.querySelector("summary").focus();
  node.scrollIntoView({ block: "start" });
}

function section(group, focus) {
  const body = h("div", {});
  const node = h("details", { class: "group panel", open: view.open.has(group.key) },
    h("summary", {}, group.name, " ", h("span", { class: "quiet" }, count(group.places.length, "photo"))), body);
  const build = () => {
    if (!node.open || body.childElementCount) return;
    const { data, list } = view;
    const tiles = group.places.map((place) => {
      const photo = data.photos[place];
      const own = data.by_hand[photo] !== undefined;
      return { photo: String(photo), name: list.names[photo], caption: list.names[photo].split("/").at(-1), detail: own ? "by hand" : percent(data.probabilities[place]) };
    });
    const grid = photoGrid(view.app, tiles, {
      label: `${group.name}, the least sure first`, select: { selected: view.selected, changed: tools },
      onpick: (tile) => look(group, tiles.indexOf(tile)),
    });
    grid.addEventListener("dblclick", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) look(group, Number(tile.dataset.place));
    });
    fill(body, h("div", { class: "row all" }, h("button", { type: "button", onclick: () => selectAll(group, grid) }, "Select all")), grid);
    if (focus && focus.key === group.key) requestAnimationFrame(() => requestAnimationFrame(() => grid.querySelectorAll(".tile")[Math.min(focus.place, tiles.length - 1)]?.focus()));
  };
  node.addEventListener("toggle", () => {
    if (node.open) view.open.add(group.key); else view.open.delete(group.key);
    build();
  });
  build();
  return node;
}

function selectAll(group, grid) {
  const photos = group.places.map((place) => String(view.data.photos[place]));
  const on = !photos.every((one) => view.selected.has(one));
  for (const one of photos) if (on) view.selected.add(one); else view.selected.delete(one);
  for (const tile of grid.querySelectorAll(".tile")) tile.setAttribute("aria-selected", String(on));
  tools();
}

function failures() {
  const failed = Object.entries(view.data.errors);
  if (!failed.length) return null;
  return h("details", { class: "panel" }, h("summary", {}, `${count(failed.length, "photo")} could not be read`),
    h("ul", {}, failed.slice(0, 200).map(([photo, why]) => h("li", {}, `${view.list.names[photo]}: ${why}`))));
}

function tools() {
  const chosen = view.selected.size;
  const hadFocus = view.tools.contains(document.activeElement) ? document.activeElement.dataset.tool : null;
  fill(view.tools,
    h("span", { class: "chosen", role: "status" }, chosen ? `${count(chosen, "photo")} selected` : "Select photos: click, Space, or Shift with a click or an arrow"),
    h("button", { type: "button", class: "main", data: { tool: "move" }, disabled: !chosen, onclick: menu }, h("kbd", { "aria-hidden": "true" }, "M"), "Move to …"),
    h("button", { type: "button", data: { tool: "reset" }, disabled: !chosen, onclick: () => move(null) }, "As classified"),
    h("button", { type: "button", data: { tool: "clear" }, disabled: !chosen, onclick: clear }, "Select none"),
    h("button", { type: "button", data: { tool: "undo" }, disabled: !view.data?.can_undo, onclick: undo }, h("kbd", { "aria-hidden": "true" }, "U"), "Undo"));
  if (hadFocus) view.tools.querySelector(`[data-tool="${hadFocus}"]`)?.focus();
}

function clear() {
  view.selected.clear();
  for (const tile of view.groups.querySelectorAll('.tile[aria-selected="true"]')) tile.setAttribute("aria-selected", "false");
  tools();
}

/** Where the focus is among the groups, to come back to after they are drawn anew. */
function focused() {
  const tile = document.activeElement?.closest?.(".tile");
  const node = tile?.closest("details.group");
  if (!node) return null;
  const place = [...view.groups.querySelectorAll("details.group")].indexOf(node);
  return { key: view.shown[place].key, place: Number(tile.dataset.place) };
}

async function move(label, photos = [...view.selected].map(Number), where = focused()) {
  if (!photos.length) return;
  const { app, data } = view;
  try {
    Object.assign(data, await post("/api/review/move", { photos, label, revision: data.revision }));
  } catch (error) {
    app.notify(error.message, "error");
    if (error.status === 409) { view.selected.clear(); await load(); }
    return;
  }
  view.selected.clear();
  const name = label === null ? "what was classified" : data.classes.find((one) => one.answer === label)?.name ?? NONE;
  app.notify(`${count(photos.length, "photo")} moved to ${name}`);
  draw(where);
}

async function undo() {
  try {
    Object.assign(view.data, await post("/api/review/undo", { revision: view.data.revision }));
  } catch (error) {
    view.app.notify(error.message, "error");
    if (error.status === 409) await load();
    return;
  }
  draw(focused());
}

/** A list of the classes to choose from; a few letters and Enter will do. */
function menu() {
  if (!view.selected.size) return;
  const where = focused();
  const { classes } = view.data;
  const options = [...classes.map((one) => [one.answer, one.name]), ["", NONE]];
  const listed = h("div", { class: "menu", role: "group", "aria-label": "Labels" });
  const filter = h("input", { type: "search", placeholder: "Type to filter", "aria-label": "Filter the labels" });
  const found = () => options.filter(([, name]) => name.toLowerCase().includes(filter.value.trim().toLowerCase()));
  const take = (label) => { box.close(); box.remove(); move(label, undefined, where); };
  const show = () => fill(listed, found().slice(0, 100).map(([label, name]) => h("button", { type: "button", onclick: () => take(label) }, name)));
  filter.addEventListener("input", show);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && found().length) { event.preventDefault(); take(found()[0][0]); }
  });
  const close = () => box.remove();
  const box = h("dialog", { class: "dialog", "aria-label": "Move to which label", onclose: close }, h("h2", {}, `Move ${count(view.selected.size, "photo")} to`), filter, listed,
    h("div", { class: "row end" }, h("button", { type: "button", onclick: () => box.close() }, "Cancel")));
  show();
  document.body.append(box);
  box.showModal();
  filter.focus();
}

/** One photo, large, with its bars; digits move it, arrows go on. */
function look(group, start) {
  let at = start;
  const photos = group.places.map((place) => view.data.photos[place]);
  const image = h("img", { class: "large", alt: "" });
  const name = h("h2", {});
  const said = h("div", {});
  const show = async () => {
    const photo = photos[at];
    image.src = view.app.whole(photo);
    image.alt = view.list.names[photo];
    name.textContent = view.list.names[photo];
    fill(said);
    const found = await view.app.attempt(() => post("/api/classify", { photos: [String(photo)], settings: view.app.settings }));
    if (found && photos[at] === photo) fill(said, bars(found.predictions[0]));
  };
  const go = (step) => { at = Math.max(0, Math.min(photos.length - 1, at + step)); show(); };
  const decide = async (label) => { await move(label, [photos[at]], null); if (at < photos.length - 1) go(1); };
  const keys = view.data.classes.slice(0, 9);
  const box = h("dialog", { class: "dialog wide", "aria-label": "Photo", onclose: () => box.remove(), onkeydown: (event) => {
    const digit = /^[1-9]$/.test(event.key) ? keys[Number(event.key) - 1]?.answer : event.key === "0" ? "" : undefined;
    if (event.key === "ArrowRight") go(1);
    else if (event.key === "ArrowLeft") go(-1);
    else if (digit !== undefined) decide(digit);
    else return;
    event.preventDefault();
    event.stopPropagation();
  } }, name, image, said,
    h("div", { class: "row" }, keys.map((one, place) => h("button", { type: "button", onclick: () => decide(one.answer) }, h("kbd", { "aria-hidden": "true" }, String(place + 1)), one.name)),
      h("button", { type: "button", onclick: () => decide("") }, h("kbd", { "aria-hidden": "true" }, "0"), NONE)),
    h("div", { class: "row end" }, h("button", { type: "button", onclick: () => go(-1) }, "← Before"), h("button", { type: "button", onclick: () => go(1) }, "Next →"),
      h("button", { type: "button", class: "main", onclick: () => box.close() }, "Close")));
  document.body.append(box);
  box.showModal();
  show();
}

function onKey(event) {
  if (event.altKey || document.querySelector("dialog[open]") || event.target.matches("input, select, textarea")) return;
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && key === "z") { event.preventDefault(); undo(); return; }
  if (event.ctrlKey || event.metaKey) return;
  const classes = view.data?.classes ?? [];
  if (key === "m" && view.selected.size) { event.preventDefault(); menu(); }
  else if (key === "u" && view.data?.can_undo) { event.preventDefault(); undo(); }
  else if (key === "escape" && view.selected.size) clear();
  else if (/^[0-9]$/.test(key) && view.selected.size) {
    const label = key === "0" ? "" : classes[Number(key) - 1]?.answer;
    if (label !== undefined) { event.preventDefault(); move(label); }
  }
}
