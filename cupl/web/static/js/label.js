// Label: a photo at a time by keys, and the accuracy that grows with it.

import { get, post } from "./api.js";
import { ask, calm, count, field, fill, h, percent } from "./dom.js";

export const id = "label";
export const title = "Label";
export const available = (state) => state.photos.total > 0 && Boolean(state.bank || state.classes.length);

const PERSON = Math.random().toString(36).slice(2);
const KEYS = 9;
let view = null;

export async function mount(root, app) {
  view = { app, root, rows: [], row: null, skipped: new Set(), past: [], trail: [], filter: "", busy: false };
  fill(root, h("h1", { class: "hidden" }, title), h("p", { class: "quiet" }, "one moment …"));
  view.keys = (event) => onKey(event);
  addEventListener("keydown", view.keys);
  await load();
}

export function unmount() {
  removeEventListener("keydown", view.keys);
}

async function load() {
  const found = await view.app.attempt(() => get("/api/label"));
  if (!found || view.app.page?.id !== id) return;
  Object.assign(view, found);
  if (view.rows.length) { draw(); await next(); } else start();
}

/** Draw a sample, or another one. */
function start(anew = false) {
  const size = h("input", { type: "number", min: 16, max: 100000, value: "100" });
  const begin = async () => {
    const body = { number: Number(size.value), anew, settings: view.app.settings };
    const made = await view.app.attempt(() => post("/api/label/begin", body));
    if (!made) return;
    if (made.aside) view.app.notify(`The labels before are kept as ${made.aside}.`);
    view.skipped.clear();
    await load();
  };
  fill(view.root, h("h1", { class: anew ? "" : "hidden" }, title), h("section", { class: "panel narrow" },
    h("h2", {}, "Label a small sample"),
    h("p", {}, "A few photos, spread over sure and unsure ones, tell how accurate the labels of all are. What the classifier says is not shown, as who sees an answer tends to agree with it."),
    h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); begin(); } },
      field("Photos to label", size), h("button", { class: "main" }, anew ? "Begin anew" : "Begin"),
      anew && h("button", { type: "button", onclick: load }, "Cancel"))));
  size.focus();
}

function draw() {
  const { app } = view;
  view.photo = h("img", { class: "subject", alt: "the photo to label" });
  view.name = h("p", { class: "quiet name" });
  view.given = h("p", { class: "given", role: "status" });
  view.choices = h("div", { class: "choices", role: "group", "aria-label": "Labels" });
  view.search = h("input", { type: "search", placeholder: "Find a class (/)", "aria-label": "Find a class",
    oninput: () => { view.filter = view.search.value; drawChoices(); } });
  view.figures = h("section", { class: "panel", "aria-label": "Accuracy so far" });
  fill(view.root, h("h1", { class: "hidden" }, title), h("div", { class: "desk" },
    h("section", { class: "panel stage", "aria-label": "Photo" }, view.photo, view.name, view.given),
    h("section", { class: "panel", "aria-label": "Your answer" },
      view.classes.length > KEYS && view.search, view.choices,
      h("div", { class: "choices" },
        answer("none of these", view.none, "0"), answer("cannot tell", view.unsure, "?")),
      h("div", { class: "row" },
        h("button", { type: "button", onclick: back }, key("←"), "Back"),
        h("button", { type: "button", onclick: skip }, key("→"), "Skip"),
        h("button", { type: "button", onclick: undo }, key("U"), "Undo"))),
    view.figures,
    h("section", { class: "panel", "aria-label": "What becomes of the labels" },
      h("div", { class: "row" },
        h("a", { class: "button", href: "/api/label/file", download: "labels.csv" }, "Download labels.csv"),
        h("button", { type: "button", onclick: learn }, "Use as examples"),
        h("button", { type: "button", onclick: () => start(true) }, "Another sample")),
      h("p", { class: "quiet" }, `Every label is saved at once in ${view.file}.`),
      view.learnt = h("div", { role: "status" }))));
  drawChoices();
  figures(app);
}

function key(text) {
  return h("kbd", { "aria-hidden": "true" }, text);
}

function answer(text, label, sign) {
  return h("button", { type: "button", class: "answer", data: { label }, onclick: () => put(label) }, key(sign), text);
}

/** Classes in their own order, so that fingers learn the keys; those that a filter leaves are counted anew. */
function drawChoices() {
  const wanted = view.filter.trim().toLowerCase();
  const found = view.classes.map((name, place) => ({ name, label: view.answers[place] }))
    .filter(({ name }) => name.toLowerCase().includes(wanted));
  view.shown = found.slice(0, wanted ? KEYS : Math.max(KEYS, 60));
  fill(view.choices, view.shown.map(({ name, label }, place) => answer(name, label, place < KEYS ? String(place + 1) : "")),
    found.length > view.shown.length && h("p", { class: "quiet" }, `and ${found.length - view.shown.length} more: type to find them`));
  mark();
}

/** Show which label the photo in view has. */
function mark() {
  const now = view.row === null ? "" : view.rows[view.row].label;
  for (const button of view.root.querySelectorAll(".answer")) {
    button.setAttribute("aria-pressed", String(now !== "" && button.dataset.label === now));
  }
}

async function next() {
  const taken = await view.app.attempt(() => post("/api/label/take", { person: PERSON, avoid: [...view.skipped] }));
  if (!taken) return;
  if (taken.row === null && view.skipped.size && view.rows.some((row, place) => !row.label && view.skipped.has(place))) {
    view.skipped.clear();
    view.app.notify("These are the photos that you skipped.");
    await next();
    return;
  }
  if (view.row !== null) view.trail.push(view.row);
  show(taken.row);
}

function show(row) {
  view.row = row;
  if (row === null) {
    view.photo.hidden = true;
    view.name.textContent = "";
    view.given.textContent = "All photos of the sample have a label. Thank you!";
    mark();
    return;
  }
  const { photo, name, label } = view.rows[row];
  view.photo.hidden = photo === null;
  if (photo !== null) view.photo.src = view.app.whole(photo);
  view.name.textContent = photo === null ? `${name} is not among the photos that are open` : name;
  view.given.textContent = label ? `labelled: ${spoken(label)}` : "";
  mark();
  ahead();
}

function spoken(label) {
  const place = view.answers.indexOf(label);
  return place < 0 ? label : view.classes[place];
}

/** Have the next photos ready, so that nobody waits for one. */
function ahead() {
  const coming = view.rows.filter((row, place) => place > view.row && !row.label && row.photo !== null).slice(0, 3);
  for (const row of coming) new Image().src = view.app.whole(row.photo);
}

async function put(label, row = view.row, seen = undefined, moves = true) {
  if (row === null || view.busy) return false;
  const before = seen ?? view.rows[row].label;
  view.busy = true;
  try {
    await post("/api/label/put", { row, seen: before, label });
    view.rows[row].label = label;
    if (moves) view.past.push({ row, before, label });
    view.skipped.delete(row);
    if (view.search) { view.search.value = ""; view.filter = ""; drawChoices(); }
  } catch (error) {
    view.app.notify(error.message, "error");
    if (error.status === 409) await reread();
    return false;
  } finally {
    view.busy = false;
  }
  soon();
  if (moves) await next();
  return true;
}

async function reread() {
  const found = await view.app.attempt(() => get("/api/label"));
  if (!found) return;
  view.rows = found.rows;
  show(view.row !== null && view.row < view.rows.length ? view.row : null);
  soon();
}

async function undo() {
  const last = view.past.pop();
  if (!last) { view.app.notify("There is nothing to undo."); return; }
  if (await put(last.before, last.row, last.label, false)) show(last.row);
  else view.past.push(last);
}

async function skip() {
  if (view.row === null) return;
  view.skipped.add(view.row);
  await next();
}

/** The photo that was in view before this one, or the one above it in the sample. */
function back() {
  const before = view.trail.pop() ?? (view.row === null ? view.rows.length : view.row) - 1;
  if (before >= 0) show(before);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !view.photo) return;
  const typing = event.target instanceof HTMLInputElement;
  if (typing) {
    if (event.key === "Escape") { view.search.value = ""; view.filter = ""; drawChoices(); event.target.blur(); }
    if (event.key === "Enter" && event.target === view.search && view.shown.length) { event.preventDefault(); put(view.shown[0].label); view.search.blur(); }
    return;
  }
  const acts = {
    0: () => put(view.none), n: () => put(view.none), "?": () => put(view.unsure), c: () => put(view.unsure),
    s: skip, ArrowRight: skip, ArrowLeft: back, u: undo, Backspace: undo, "/": () => view.search?.focus(),
  };
  const digit = /^[1-9]$/.test(event.key) ? view.shown[Number(event.key) - 1] : undefined;
  const act = digit ? () => put(digit.label) : acts[event.key] ?? acts[event.key.toLowerCase()];
  if (!act || (event.key === "Enter")) return;
  event.preventDefault();
  act();
}

const soon = calm(() => figures(view.app), 250);

async function figures(app) {
  let told;
  try {
    told = await post("/api/label/accuracy", { settings: app.settings });
  } catch (error) {
    fill(view.figures, h("p", { class: "quiet" }, error.message));
    return;
  }
  const { accuracy } = told;
  fill(view.figures,
    h("p", { class: "done" }, h("strong", {}, `${told.labelled} of ${count(told.photos, "photo")}`), " labelled"),
    h("progress", { max: told.photos || 1, value: told.labelled, "aria-label": "photos labelled" }),
    accuracy
      ? [h("p", {}, "Accuracy on all photos: ", h("strong", { class: "figure" }, percent(accuracy.value, 1)),
        h("span", { class: "quiet figure" }, ` (95 %: ${percent(accuracy.low, 1)} to ${percent(accuracy.high, 1)})`)), interval(accuracy)]
      : h("p", { class: "quiet" }, "The accuracy shows once some photos have the label of a class."),
    told.classes.length > 0 && h("details", {}, h("summary", {}, "By class"), h("table", {},
      h("thead", {}, h("tr", {}, ["Class", "labelled", "right"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, told.classes.map((one) => h("tr", {}, h("td", {}, one.name), h("td", {}, String(one.labelled)), h("td", {}, String(one.right))))))),
    told.unmatched.length > 0 && h("p", { class: "bad" }, `Labels that are no class any more: ${told.unmatched.join(", ")}`));
}

/** The interval on a line from 0 to 100 %. */
function interval({ value, low, high }) {
  const at = (share) => `${(100 * share).toFixed(2)}%`;
  return h("div", { class: "interval", role: "img", "aria-label": `between ${percent(low)} and ${percent(high)}` },
    h("span", { class: "span", style: { left: at(low), width: at(high - low) } }),
    h("span", { class: "point", style: { left: at(value) } }));
}

/** Class vectors that know the labelled photos: what that is worth, and whether to take them. */
async function learn() {
  const { app } = view;
  const job = await app.attempt(() => post("/api/label/adapt", { settings: app.settings }));
  if (!job) return;
  fill(view.learnt, h("p", { class: "quiet" }, "Trying what the labels add …"));
  app.refresh();
  const ended = await app.ended(job.id);
  if (ended?.state !== "done") { fill(view.learnt); return; }
  const { text, before, after } = ended.result;
  const on = app.settings.adaptation === "examples";
  fill(view.learnt,
    before !== null && h("p", {}, "Each left out in turn: ", h("strong", {}, percent(before, 1)), " before, ", h("strong", {}, percent(after, 1)), " with the examples."),
    h("pre", {}, text),
    h("div", { class: "row" },
      h("button", { type: "button", class: on ? "" : "main", onclick: () => take(on ? "none" : "examples") }, on ? "Judge without them again" : "Judge with them on all pages"),
      h("button", { type: "button", onclick: save }, "Save class vectors")));
}

async function take(adaptation) {
  const { app } = view;
  app.settings.adaptation = adaptation;
  app.saveSettings();
  await figures(app);
  app.notify(adaptation === "examples" ? "Photos are now judged with your examples." : "Photos are judged by the texts alone.");
  fill(view.learnt);
}

async function save() {
  const { app } = view;
  if (!await ask("Save class vectors?", h("p", {}, "They are written into the folder of the app, for cupl classify and others to use."), "Save")) return;
  const job = await app.attempt(() => post("/api/label/adapt", { settings: app.settings, save: true }));
  if (!job) return;
  app.refresh();
  const ended = await app.ended(job.id);
  if (ended?.state === "done") app.notify(`Saved as ${ended.result.saved}.`);
}
