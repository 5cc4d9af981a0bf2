// Try: photos that are dropped or chosen, and at once what a setting changes.

import { get, post, upload } from "./api.js";
import { bars, reasons, verdict } from "./bars.js";
import { calm, choice, count, field, fill, h, percent } from "./dom.js";
import { photoGrid } from "./grid.js";
import { settingsPanel } from "./settings.js";

export const id = "try";
export const title = "Try";
export const available = (state) => Boolean(state.bank || state.classes.length);

const AT_ONCE = 24;
let view = null;

export function mount(root, app) {
  view = { app, dropped: view?.dropped ?? [], open: view?.open ?? [], folder: "", before: new Map(), turn: 0 };
  view.results = h("div", { class: "results", "aria-live": "polite" });
  view.gallery = h("div", {});
  view.summary = h("p", { class: "quiet", role: "status" });
  fill(root, h("h1", { class: "hidden" }, title), dropArea(app), settingsPanel(app, again), view.results,
    app.state.photos.total ? h("section", { "aria-label": "Photos of the folder" }, view.summary, view.gallery)
      : h("p", { class: "quiet" }, "There is more with photos: start cupl serve with --photos FOLDER to label, sort and evaluate them, or with --index to search."));
  showResults();
  showGallery();
  let encoded = app.state.photos.encoded;
  let revision = app.state.bank?.revision;
  view.stop = app.on((state) => {
    if (state.photos.encoded === encoded && state.bank?.revision === revision) return;
    if (state.bank?.revision !== revision) showResults();
    ({ encoded } = state.photos);
    revision = state.bank?.revision;
    soon();
  });
}

export function unmount() {
  view?.stop?.();
}

const soon = calm(() => relabel(), 400);

function again() {
  showResults();
  relabel();
}

function dropArea(app) {
  const input = h("input", { type: "file", accept: "image/*,.heic,.tif,.tiff", multiple: true, class: "hidden", id: "files",
    onchange: () => { const chosen = [...input.files]; input.value = ""; take(app, chosen); } });
  const area = h("div", { class: "drop" }, input,
    h("label", { htmlFor: "files", class: "button main" }, "Choose photos"),
    h("span", { class: "quiet" }, " or drop them anywhere on this page. They stay on this machine."));
  if (!dropping) {
    dropping = true;
    addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dragging"); });
    addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragging"); });
    addEventListener("drop", (event) => {
      event.preventDefault();
      document.body.classList.remove("dragging");
      dropped(event.dataTransfer).then((files) => { if (files.length) take(app, files); });
    });
  }
  return area;
}
let dropping = false;

/** The files that were dropped, those in folders too, no more than are shown and one. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  while (entries.length && found.length <= AT_ONCE) {
    const entry = entries.shift();
    if (entry.isFile) found.push(await new Promise((resolve, reject) => { entry.file(resolve, reject); }));
    else {
      const reader = entry.createReader();
      for (let some; (some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); })).length;) entries.push(...some);
    }
  }
  return found;
}

async function take(app, files) {
  if (files.length > AT_ONCE) app.notify(`The first ${AT_ONCE} are shown: for a whole folder start cupl serve with --photos FOLDER.`);
  if (location.hash && location.hash !== "#try") location.hash = "#try";
  for (const file of files.slice(0, AT_ONCE)) {
    const found = await app.attempt(() => upload(file));
    if (found) view.dropped = [{ photo: found.photo, name: found.name }, ...view.dropped].slice(0, AT_ONCE);
    if (found) await showResults();
  }
}

/** Classify what is in view; only the newest answer is shown. */
async function showResults() {
  const { app } = view;
  const shown = [...view.dropped, ...view.open].slice(0, AT_ONCE);
  if (!shown.length) return fill(view.results);
  view.turn += 1;
  const turn = view.turn;
  const answer = await app.attempt(() => post("/api/classify", { photos: shown.map((one) => one.photo), settings: app.settings }));
  if (!answer || turn !== view.turn) return undefined;
  return fill(view.results, answer.predictions.map((prediction, place) => card(app, shown[place], prediction)));
}

function card(app, photo, prediction) {
  const before = view.before.get(photo.photo);
  view.before.set(photo.photo, prediction.label);
  const changed = before !== undefined && before !== prediction.label;
  const close = () => {
    view.dropped = view.dropped.filter((one) => one.photo !== photo.photo);
    view.open = view.open.filter((one) => one.photo !== photo.photo);
    showResults();
  };
  return h("article", { class: `card${changed ? " changed" : ""}`, "aria-label": photo.name },
    h("img", { src: app.thumb(photo.photo), alt: photo.name }),
    h("div", { class: "body" },
      h("div", { class: "row" }, h("h3", {}, photo.name),
        h("button", { type: "button", class: "plain", "aria-label": `Put ${photo.name} away`, onclick: close }, "×")),
      verdict(prediction), changed && h("p", { class: "quiet" }, `was ${before ?? "no label"}`),
      bars(prediction), reasons(prediction.explanation)));
}

async function showGallery() {
  const { app } = view;
  if (!app.state.photos.total) return;
  view.list = await app.attempt(() => get("/api/photos"));
  if (view.list) await relabel();
}

/** The labels of all photos of the folder under the settings. */
async function relabel() {
  const { app, list } = view;
  if (!list || !app.state.encoder.ready) return;
  const folder = view.folder === "" ? null : Number(view.folder);
  const found = await app.attempt(() => post("/api/relabel", { settings: app.settings, folder }));
  if (!found) return;
  const labels = new Map(found.photos.map((photo, place) => [photo, place]));
  const moved = view.labels ? found.photos.filter((photo, place) => view.labels.has(photo) && view.labels.get(photo) !== found.labels[place]).length : 0;
  view.labels = new Map(found.photos.map((photo, place) => [photo, found.labels[place]]));
  view.summary.textContent = `${count(found.photos.length, "photo")} judged${moved ? `; ${count(moved, "label")} changed by this` : ""}`;
  const numbers = list.names.map((_, place) => place).filter((place) => folder === null || list.folder_of[place] === folder);
  const captions = (photo) => {
    const place = labels.get(photo);
    if (place === undefined) return { caption: list.names[photo], detail: list.errors[photo] ?? "not read yet" };
    return { caption: found.labels[place] ?? "no label", detail: percent(found.probabilities[place]) };
  };
  if (!update(numbers, captions)) draw(numbers, captions);
}

/** Change captions in place, so that nothing jumps; false where other photos are shown. */
function update(numbers, captions) {
  const tiles = view.gallery.querySelectorAll(".tile");
  if (view.numbers?.length !== numbers.length || view.numbers.some((one, place) => one !== numbers[place])) return false;
  tiles.forEach((tile, place) => {
    const { caption, detail } = captions(numbers[place]);
    tile.querySelector(".caption").textContent = caption;
    tile.querySelector(".detail").textContent = detail;
    tile.setAttribute("aria-label", `${view.list.names[numbers[place]]}, ${caption}, ${detail}`);
  });
  return true;
}

function draw(numbers, captions) {
  const { app, list } = view;
  view.numbers = numbers;
  const folders = [["", "all folders"], ...list.folders.map((name, place) => [String(place), name || "(the folder itself)"])];
  fill(view.gallery,
    list.folders.length > 1 && field("Folder", choice(folders, view.folder, (value) => { view.folder = value; relabel(); })),
    photoGrid(app, numbers.map((photo) => ({ photo: String(photo), name: list.names[photo], ...captions(photo) })), {
      label: "Photos of the folder", onpick: (tile) => {
        view.open = [tile, ...view.open.filter((one) => one.photo !== tile.photo)].slice(0, 12);
        showResults().then(() => view.results.scrollIntoView({ block: "start" }));
      },
    }));
}
