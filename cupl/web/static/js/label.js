// Label: a photo at a time by keys, and the accuracy that grows with it.

import { get, post } from "./api.js";
import { calm, count, field, fill, h } from "./dom.js";
import { figures, learn } from "./label_told.js";
import { outbox } from "./label_outbox.js";

export const id = "label";
export const title = "Label";
export const available = (state) => state.photos.total > 0 && Boolean(state.bank || state.classes.length);

const PERSON = Math.random().toString(36).slice(2);
const KEYS = 9;
const AHEAD = 4;
let view = null;

export async function mount(root, app) {
  view = { app, root, rows: [], row: null, queue: [], skipped: new Set(), past: [], trail: [], likely: new Map(), filter: "", clashes: [] };
  fill(root, h("h1", { class: "hidden" }, title), h("p", { class: "quiet" }, "one moment …"));
  view.keys = (event) => onKey(event);
  addEventListener("keydown", view.keys);
  outbox.told = { refused: (body, error) => refused(body, error), sent: () => { showSaved(); soon(); }, waits: () => showSaved() };
  view.stop = app.on((state) => follow(state));
  await load();
  outbox.start();
  for (const [body, error] of outbox.refusals.splice(0)) if (view?.rows.length) await refused(body, error);
}

export function unmount() {
  removeEventListener("keydown", view.keys);
  view.stop();
  outbox.told = null;
  view = null;
}

async function load() {
  const here = view;
  let found;
  try {
    found = await get("/api/label");
  } catch (error) {
    if (view === here) start(true, error.message);
    return;
  }
  if (view !== here) return;
  take(found);
  if (view.rows.length) { draw(); await next(); } else start();
}

/** What the server has, with the labels that are on their way to it. */
function take(found) {
  Object.assign(view, found);
  view.place = new Map(view.rows.map(({ key: name }, place) => [name, place]));
  for (const { photo, label } of outbox.all()) {
    const place = view.place.get(photo);
    if (place !== undefined) view.rows[place].label = label;
  }
}

/** When classes were edited, or all photos are read, things are to be looked at again. */
function follow(state) {
  const now = `${state.bank?.revision} ${state.photos.encoded === state.photos.total}`;
  const before = view.followed;
  view.followed = now;
  if (before && before !== now && view.photo) { view.likely.clear(); view.queue = []; reread(true).then(() => view?.photo && refill()); }
}

/** Draw a sample, or another one. */
function start(anew = false, problem = null) {
  view.photo = null;
  const size = h("input", { type: "number", min: 16, max: 100000, value: "100" });
  const begin = async () => {
    await outbox.emptied();
    const body = { number: Number(size.value), anew, settings: view.app.settings, seen: view.drawn ?? "" };
    const made = await view.app.attempt(() => post("/api/label/begin", body));
    if (!made) { if (!problem) await load(); return; }
    if (made.aside) view.app.notify(`The labels before are kept as ${made.aside}.`);
    view.skipped.clear();
    Object.assign(view, { row: null, queue: [], past: [], trail: [], clashes: [] });
    await load();
  };
  fill(view.root, h("h1", { class: anew ? "" : "hidden" }, title), h("section", { class: "panel narrow" },
    problem && h("p", { class: "bad" }, problem),
    h("h2", {}, "Label a small sample"),
    anew && !problem && h("p", {}, "The labels that are there are kept beside the new ones."),
    h("p", {}, "A few photos, spread over sure and unsure ones, tell how accurate the labels of all are. What the classifier says is not shown, as who sees an answer tends to agree with it."),
    h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); begin(); } },
      field("Photos to label", size), h("button", { class: "main" }, anew ? "Begin anew" : "Begin"),
      anew && !problem && h("button", { type: "button", onclick: load }, "Cancel"))));
  size.focus();
}

/** The same sample with more photos; all labels stay. */
async function enlarge() {
  await outbox.emptied();
  const { app, rows, drawn } = view;
  const made = await app.attempt(() => post("/api/label/begin", { number: rows.length + 50, settings: app.settings, seen: drawn }));
  if (made) app.notify(`${count(made.photos, "photo")} to label now; ${count(made.labelled, "label")} kept.`);
  await reread(true);
  if (view && view.row === null) await next();
}

function draw() {
  const { app } = view;
  view.photo = h("img", { class: "subject", alt: "the photo to label", onerror: () => { view.name.textContent += " cannot be shown"; } });
  view.name = h("p", { class: "quiet name", "aria-live": "polite" });
  view.given = h("p", { class: "given", role: "status" });
  view.saved = h("p", { class: "quiet", role: "status" });
  view.choices = h("div", { class: "choices", role: "group", "aria-label": "Labels" });
  view.search = h("input", { type: "search", placeholder: "Find a class (/)", "aria-label": "Find a class",
    oninput: () => { view.filter = view.search.value; drawChoices(); } });
  view.figures = h("section", { class: "panel", "aria-label": "Accuracy so far" });
  view.notes = h("div", { role: "status", class: "notes" });
  // Below the answers, as nothing may move under a finger.
  view.disputes = h("div", { role: "status", class: "notes" });
  fill(view.root, h("h1", { class: "hidden" }, title), view.notes, h("div", { class: "desk" },
    h("section", { class: "panel stage", "aria-label": "Photo" }, view.photo, view.name, view.given),
    h("section", { class: "panel", "aria-label": "Your answer" },
      view.classes.length > KEYS && view.search, view.choices,
      h("div", { class: "choices" },
        answer("none of these", view.none, "0"), answer("cannot tell", view.unsure, "?")),
      h("div", { class: "row" },
        h("button", { type: "button", onclick: back }, key("←"), "Back"),
        h("button", { type: "button", onclick: skip }, key("→"), "Skip"),
        h("button", { type: "button", onclick: undo }, key("U"), "Undo")),
      view.disputes),
    view.figures,
    h("section", { class: "panel", "aria-label": "What becomes of the labels" },
      h("div", { class: "row" },
        h("a", { class: "button", href: "/api/label/file", download: "labels.csv" }, "Download labels.csv"),
        h("button", { type: "button", onclick: () => learn(view) }, "Use as examples"),
        h("button", { type: "button", onclick: enlarge }, "50 more photos"),
        h("button", { type: "button", onclick: () => start(true) }, "Another sample")),
      h("p", { class: "quiet" }, `Every label is saved at once in ${view.file}.`),
      view.saved, view.learnt = h("div", { role: "status" }))));
  drawChoices();
  drawNotes();
  showSaved();
  figures(view);
}

const goesOn = () => `${view.drawn} ${view.changed}`;

/** What a person is to decide: other photos than the sample was drawn from, and others' labels. */
function drawNotes() {
  const { changed, clashes } = view;
  const asked = changed && sessionStorage.getItem("cupl-label-goes-on") !== goesOn();
  fill(view.notes,
    asked && h("div", { class: "panel note" },
      h("p", {}, h("strong", {}, "The photos are not those of this sample: "), `${changed}. The accuracy is that of the photos it was drawn from; of others it says nothing.`),
      h("div", { class: "row" },
        h("button", { type: "button", class: "main", onclick: () => { sessionStorage.setItem("cupl-label-goes-on", goesOn()); drawNotes(); } }, "Go on with it as it is"),
        h("button", { type: "button", onclick: () => start(true) }, "Begin a new one (this one is kept)"))));
  fill(view.disputes, clashes.map((clash) => h("div", { class: "panel note" },
      h("p", {}, h("strong", {}, `${clash.name}: `), `${clash.error}; your label was ${clash.label ? `“${spoken(clash.label)}”` : "taken back"}.`),
      h("div", { class: "row" },
        h("button", { type: "button", onclick: () => settle(clash, false) }, "Leave theirs"),
        h("button", { type: "button", onclick: () => settle(clash, true) }, "Set mine"),
        h("button", { type: "button", onclick: () => { settle(clash, false); turnTo(clash.photo); } }, "Look at it")))));
}

function settle(clash, mine) {
  view.clashes = view.clashes.filter((one) => one !== clash);
  if (mine) give(clash.photo, clash.label);
  drawNotes();
}

function key(text) {
  return h("kbd", { "aria-hidden": "true" }, text);
}

function answer(text, label, sign) {
  return h("button", { type: "button", class: "answer", data: { label }, onclick: () => put(label) }, key(sign), text);
}

/**
 * Classes in their own order. Up to nine have their keys for good; of more, the nine that are likely for this photo
 * have them, or those that a text leaves.
 */
function drawChoices() {
  const wanted = view.filter.trim().toLowerCase();
  const every = view.classes.map((name, place) => ({ name, label: view.answers[place] }));
  const likely = view.row === null ? null : view.likely.get(view.rows[view.row].key);
  const found = wanted ? every.filter(({ name }) => name.toLowerCase().includes(wanted)) : likely ? likely.map((place) => every[place]) : every;
  // What is called just so comes first: it may be part of many others.
  if (wanted) found.sort((one, other) => (other.name.toLowerCase() === wanted) - (one.name.toLowerCase() === wanted));
  view.shown = found.slice(0, KEYS);
  const more = (wanted ? found.length : every.length) - view.shown.length;
  const focused = [...view.choices.children].indexOf(document.activeElement);
  fill(view.choices, view.shown.map(({ name, label }, place) => answer(name, label, String(place + 1))),
    more > 0 && h("p", { class: "quiet all" }, `and ${more} more: type to find them (/)`),
    wanted && !found.length && h("p", { class: "quiet all" }, "no class is called so"));
  if (focused >= 0) (view.choices.children[focused] ?? view.choices.firstChild)?.focus();
  mark();
}

/** Show which label the photo in view has. */
function mark() {
  const now = view.row === null ? "" : view.rows[view.row].label;
  for (const button of view.root.querySelectorAll(".answer")) {
    button.setAttribute("aria-pressed", String(now !== "" && button.dataset.label === now));
  }
}

/** Show the next photo at once where it is known; the ones after it are asked for meanwhile. */
async function next() {
  if (view.row !== null) view.trail.push(view.rows[view.row].key);
  const before = view.row === null ? null : view.rows[view.row].key;
  view.row = null;
  const found = () => view.queue.find((name) => name !== before && isOpen(name));
  if (!found()) await refill();
  if (!view?.photo || view.row !== null) return;
  const name = found() ?? (before !== null && isOpen(before) ? before : undefined);
  if (name === undefined && view.rows.some((row) => !row.label && view.skipped.has(row.key))) {
    view.skipped.clear();
    view.app.notify("These are the photos that you skipped.");
    await next();
    return;
  }
  view.queue = view.queue.filter((one) => one !== name && isOpen(one));
  show(name === undefined ? null : view.place.get(name));
  if (name !== undefined && view.queue.length < AHEAD - 1) refill();
}

function isOpen(name) {
  const place = view.place.get(name);
  return place !== undefined && !view.rows[place].label && !view.skipped.has(name);
}

/** Ask for photos that nobody else has in front of them; that in view stays ours. */
async function refill() {
  const here = view;
  if (here.refilling) return here.refilling;
  const ask = async () => {
    const avoid = [...here.skipped, ...outbox.all().map(({ photo }) => photo)];
    const found = await here.app.attempt(() => post("/api/label/take", { person: PERSON, avoid, most: AHEAD, settings: here.app.settings }));
    if (!found || view !== here) return;
    if (found.photos.some((one) => !here.place.has(one.key))) await reread(true);
    for (const { key: name, likely } of found.photos) {
      const place = here.place.get(name);
      if (place === undefined || outbox.all().some(({ photo }) => photo === name)) continue;
      if (likely) here.likely.set(name, likely);
      here.rows[place].label = "";
      const inView = here.row !== null && here.rows[here.row].key === name;
      if (!inView && !here.queue.includes(name)) here.queue.push(name);
      if (inView && likely) drawChoices();
    }
    ahead();
  };
  here.refilling = ask().finally(() => { here.refilling = null; });
  return here.refilling;
}

function show(row) {
  view.row = row;
  if (row === null) {
    view.photo.hidden = true;
    view.name.textContent = "";
    view.given.textContent = view.rows.some((one) => !one.label)
      ? "The photos that are left are not open here."
      : "All photos of the sample have a label. Thank you!";
    drawChoices();
    return;
  }
  const { photo, name, label } = view.rows[row];
  view.photo.hidden = photo === null;
  if (photo !== null) view.photo.src = view.app.whole(photo);
  view.name.textContent = photo === null ? `${name} is not among the photos that are open` : name;
  view.given.textContent = label ? `labelled: ${spoken(label)}` : "";
  drawChoices();
  ahead();
}

function spoken(label) {
  const place = view.answers.indexOf(label);
  return place < 0 ? label : view.classes[place];
}

/** Have the next photos ready, so that nobody waits for one. */
function ahead() {
  view.pictures = view.queue.slice(0, AHEAD).map((name) => {
    const picture = new Image();
    const { photo } = view.rows[view.place.get(name)];
    if (photo !== null) picture.src = view.app.whole(photo);
    return picture;
  });
}

/** Label the photo in view and go on; the label is saved meanwhile. */
function put(label) {
  if (view.row === null || view.rows[view.row].photo === null) return;
  const { key: name, label: before } = view.rows[view.row];
  view.past.push({ photo: name, before, label });
  give(name, label);
  if (view.search && view.filter) { view.search.value = ""; view.filter = ""; }
  next();
}

function give(name, label) {
  const row = view.rows[view.place.get(name)];
  view.skipped.delete(name);
  if (row.label !== label) outbox.send({ photo: name, seen: row.label, label });
  row.label = label;
  if (view.row !== null && view.rows[view.row] === row) { mark(); view.given.textContent = label ? `labelled: ${spoken(label)}` : ""; }
}

/** Somebody else was faster, or the label cannot be written: show how it is, and ask. */
async function refused(body, error) {
  view.past = view.past.filter((one) => one.photo !== body.photo);
  const name = view.rows[view.place.get(body.photo)]?.name ?? "a photo";
  await reread(error.status !== 409);
  if (!view) return;
  if (error.status !== 409) view.app.notify(`${name}: ${error.message}`, "error");
  else if (view.place.has(body.photo)) view.clashes.push({ ...body, name, error: error.message });
  else view.app.notify(`${name}: ${error.message}`, "error");
  if (view.photo) drawNotes();
}

/** Read the sample again; the photo in view stays in view. */
async function reread(whole = false) {
  const here = view;
  const found = await view.app.attempt(() => get("/api/label"));
  if (!found || view !== here) return;
  const name = view.row === null ? null : view.rows[view.row].key;
  const other = JSON.stringify([found.classes, found.answers]) !== JSON.stringify([view.classes, view.answers]);
  take(found);
  view.queue = view.queue.filter((one) => view.place.has(one));
  view.trail = view.trail.filter((one) => view.place.has(one));
  view.past = view.past.filter((one) => view.place.has(one.photo));
  if (!view.photo) return;
  if (whole && other) draw();
  const place = name === null ? undefined : view.place.get(name);
  if (place !== undefined) show(place);
  else if (name !== null) { view.row = null; next(); } // not awaited: it may wait for who asked to read again
  if (view === here && view.photo) drawNotes();
  soon();
}

function turnTo(name) {
  if (view.row !== null && !view.rows[view.row].label) view.queue.unshift(view.rows[view.row].key);
  show(view.place.get(name));
}

function undo() {
  const last = view.past.pop();
  if (!last) { view.app.notify("There is nothing to undo."); return; }
  give(last.photo, last.before);
  view.trail = view.trail.filter((one) => one !== last.photo);
  turnTo(last.photo);
}

function skip() {
  if (view.row === null) return;
  if (!view.rows[view.row].label) view.skipped.add(view.rows[view.row].key);
  next();
}

/** The photo that was in view before this one, or the one above it in the sample. */
function back() {
  const name = view.trail.pop();
  const before = name === undefined ? (view.row === null ? view.rows.length : view.row) - 1 : view.place.get(name);
  if (before >= 0) turnTo(view.rows[before].key);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !view.photo) return;
  const typing = event.target instanceof HTMLInputElement;
  if (typing) {
    if (event.key === "Escape") { view.search.value = ""; view.filter = ""; drawChoices(); event.target.blur(); }
    if (event.key === "Enter" && event.target === view.search && view.filter.trim() && view.shown.length) { event.preventDefault(); view.search.blur(); put(view.shown[0].label); }
    return;
  }
  const acts = {
    0: () => put(view.none), n: () => put(view.none), "?": () => put(view.unsure), c: () => put(view.unsure),
    s: skip, ArrowRight: skip, ArrowLeft: back, u: undo, Backspace: undo, "/": () => view.search?.focus(),
  };
  const digit = /^[1-9]$/.test(event.key) ? view.shown[Number(event.key) - 1] : undefined;
  const act = digit ? () => put(digit.label) : acts[event.key] ?? acts[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
}

function showSaved() {
  if (!view?.photo) return;
  const waiting = outbox.all().length;
  const text = outbox.stuck ? `${count(waiting, "label")} not saved yet, as the server does not answer: kept here, and sent as soon as it does.` : "";
  if (view.saved.textContent !== text) view.saved.textContent = text;
  view.saved.className = outbox.stuck ? "bad" : "quiet";
}

const soon = calm(() => { if (view?.photo) figures(view); }, 250);
