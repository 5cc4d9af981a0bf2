// Search: photos of the index by words, by photos, by classes, and those that are there twice.

import { get, post, upload } from "./api.js";
import { count, field, fill, h, number, percent } from "./dom.js";
import { photoGrid } from "./grid.js";

export const id = "search";
export const title = "Search";
export const available = (state) => state.index;

let view = null;

export async function mount(root, app) {
  view = { app, like: view?.like ?? [], unlike: view?.unlike ?? [], turn: 0 };
  const text = h("input", { type: "search", value: view.text?.value ?? "", placeholder: "a red bicycle, or 2:cat + garden - dog", "aria-label": "What is to be seen" });
  const where = h("input", { type: "text", placeholder: "date > '2024' and has(tags, 'cat')" });
  const least = h("input", { type: "number", min: -1, max: 1, step: 0.01 });
  const most = h("input", { type: "number", min: 1, max: 500, value: "60" });
  Object.assign(view, { text, where, least, most, chips: h("div", { class: "chips" }), results: h("section", { "aria-label": "Photos found" }), told: h("p", { class: "quiet", role: "status" }) });
  const file = h("input", { type: "file", accept: "image/*", class: "hidden", id: "example", onchange: () => { const chosen = [...file.files]; file.value = ""; drop(chosen); } });
  fill(root, h("h1", { class: "hidden" }, title),
    h("form", { class: "panel", role: "search", onsubmit: (event) => { event.preventDefault(); search(); } },
      h("div", { class: "row" }, h("div", { class: "grow" }, text), h("button", { class: "main" }, "Search")),
      view.chips,
      h("details", {}, h("summary", {}, "Conditions"), h("div", { class: "fields" },
        field("Only where", where, "as in date > '2024', width > 1000, has(tags, 'cat')"), field("Least cosine", least), field("At most", most))),
      h("div", { class: "row more" }, file, h("label", { class: "button", htmlFor: "example" }, "Like a photo of mine"),
        h("button", { type: "button", class: "classes", onclick: byClass }, "Best of each class"),
        h("button", { type: "button", onclick: copies }, "Near-duplicates"),
        h("button", { type: "button", class: "table", disabled: true, onclick: table }, "Download as CSV"))),
    view.told, view.results);
  chips();
  view.info = await app.attempt(() => get("/api/search/info"));
  if (view.info && app.page?.id === id) {
    root.querySelector(".classes").hidden = !view.info.classes;
    view.told.textContent = `${count(view.info.photos, "photo")} in the index, by ${view.info.encoder}`;
  }
  text.focus({ preventScroll: true });
}

function asked() {
  return {
    text: view.text.value, like: view.like.map((one) => one.id), unlike: view.unlike.map((one) => one.id),
    where: view.where.value || null, min_score: view.least.value === "" ? null : Number(view.least.value), k: Number(view.most.value) || 60,
  };
}

async function search() {
  if (!view.text.value.trim() && !view.like.length && !view.unlike.length) { view.text.focus(); return; }
  view.turn += 1;
  const turn = view.turn;
  view.last = asked();
  const found = await view.app.attempt(() => post("/api/search", view.last));
  if (turn !== view.turn) return;
  tabled(Boolean(found?.photos.length));
  if (!found) { view.told.textContent = ""; fill(view.results); return; }
  view.told.textContent = found.photos.length ? `${count(found.photos.length, "photo")}, the closest first` : "no photo was found: loosen the conditions";
  fill(view.results, grid(found.photos, "Photos found"));
}

/** The table is of photos that a search found, and of nothing else that is shown. */
function tabled(yes) {
  document.querySelector("#main .table").disabled = !yes;
}

function grid(photos, label) {
  const tiles = photos.map((one) => ({
    photo: one.id, src: thumb(one), name: one.name, caption: one.label ?? one.name, detail: one.score.toFixed(3), found: one,
  }));
  return photoGrid(view.app, tiles, { label, onpick: (tile) => look(tile.found) });
}

const thumb = (one) => (one.id.startsWith("u") ? view.app.thumb(one.id) : `/index/thumb/${one.id}?s=${view.app.state.session}`);

/** Photos that what is found is to be like or unlike, to be taken away one by one. */
function chips() {
  const chip = (one, list, sign) => h("span", { class: "chip" }, sign, h("img", { src: thumb(one), alt: "" }), one.name,
    h("button", { type: "button", class: "plain", "aria-label": `Without ${one.name}`, onclick: () => { view[list] = view[list].filter((other) => other !== one); chips(); search(); } }, "×"));
  fill(view.chips, view.like.map((one) => chip(one, "like", "like ")), view.unlike.map((one) => chip(one, "unlike", "unlike ")));
}

function add(one, list) {
  for (const name of ["like", "unlike"]) view[name] = view[name].filter((other) => other.id !== one.id);
  view[list].push(one);
  chips();
  search();
}

async function drop(files) {
  for (const file of files) {
    const found = await view.app.attempt(() => upload(file));
    if (found) add({ id: found.photo, name: found.name }, "like");
  }
}

/** A photo, large, with what the index knows of it. */
function look(one) {
  const facts = [
    ["Where", one.path], ["Cosine", one.score.toFixed(4)],
    ["Pixels", one.width ? `${one.width} × ${one.height}` : null], ["Bytes", one.size >= 0 ? number(one.size) : null],
    ["Taken", one.date], ["Place", one.place ? one.place.map((value) => value?.toFixed(5)).join(", ") : null],
    ["Label", one.label && `${one.label}${one.probability === null ? "" : ` (${percent(one.probability)})`}`], ["Tags", one.tags.join(", ") || null],
  ].filter(([, value]) => value);
  const box = h("dialog", { class: "dialog wide", "aria-label": one.name, onclose: () => box.remove() }, h("h2", {}, one.name),
    h("img", { class: "large", src: `/index/photo/${one.id}`, alt: one.name }),
    h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("div", { class: "row end" },
      h("button", { type: "button", onclick: () => navigator.clipboard?.writeText(one.path).then(() => view.app.notify("The path is copied.")) }, "Copy the path"),
      h("button", { type: "button", onclick: () => { box.close(); add(one, "unlike"); } }, "Less like this"),
      h("button", { type: "button", onclick: () => { box.close(); add(one, "like"); } }, "More like this"),
      h("button", { type: "button", class: "main", onclick: () => box.close() }, "Close")));
  document.body.append(box);
  box.showModal();
  box.querySelector("button.main").focus();
}

async function byClass() {
  const { where, min_score: least } = asked();
  const found = await view.app.attempt(() => post("/api/search/classes", { where, min_score: least, k: 8, settings: view.app.settings }));
  if (!found) return;
  tabled(false);
  view.told.textContent = `the best photos of ${count(found.classes.length, "class", "classes")}`;
  fill(view.results, found.classes.map((one) => h("section", { class: "panel", "aria-label": one.label }, h("h2", {}, one.label),
    one.photos.length ? grid(one.photos, one.label) : h("p", { class: "quiet" }, "none"))));
}

async function copies() {
  const job = await view.app.attempt(() => post("/api/search/duplicates"));
  if (!job) return;
  view.told.textContent = "looking for photos that are there more than once …";
  view.app.refresh();
  const ended = await view.app.ended(job.id);
  if (view.app.page?.id !== id) return;
  if (ended?.state !== "done") { view.told.textContent = ""; return; }
  tabled(false);
  const { groups, found, unread } = ended.result;
  view.told.textContent = found ? `${count(found, "group")} of photos that look alike; the first of each is the best. Nothing is deleted.` : "no photo is there twice";
  fill(view.results, unread > 0 && h("p", { class: "bad" }, `${count(unread, "photo")} could not be opened`),
    groups.map((group, place) => h("section", { class: "panel", "aria-label": `Group ${place + 1}` },
      grid(group.map((one, at) => ({ ...one, label: at === 0 ? "the best" : one.exact ? "the same file" : "alike" })), `Group ${place + 1}`))));
}

async function table() {
  const answer = await fetch("/api/search/csv", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(view.last) });
  if (!answer.ok) { view.app.notify((await answer.json()).error, "error"); return; }
  const url = URL.createObjectURL(await answer.blob());
  const link = h("a", { href: url, download: "found.csv" });
  link.click();
  URL.revokeObjectURL(url);
}
