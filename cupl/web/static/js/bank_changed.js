// What an edit did: how many labels of the photos in view are others now, and which.

import { get, post } from "./api.js";
import { ask, count, fill, h } from "./dom.js";
import { photoGrid } from "./grid.js";

const SHOWN = 24;

/** The strip; `begin()` notes the labels as they are, `compare(what)` tells what is another since. */
export function changesStrip(app) {
  const line = h("p", { class: "quiet", role: "status" });
  const tiles = h("div", {});
  const node = h("section", { class: "panel", "aria-label": "What changed", hidden: !app.state.photos.total }, h("h2", {}, "What changed"), line, tiles);
  let labels = null;
  let names = null;
  let turn = 0;

  async function judged() {
    if (!app.state.encoder.ready || !app.state.photos.encoded) return null;
    if (app.state.jobs.some((job) => job.kind === "prompts" && job.state === "running")) return null;
    turn += 1;
    const mine = turn;
    const found = await app.attempt(() => post("/api/relabel", { settings: app.settings }));
    if (!found || mine !== turn) return null;
    return new Map(found.photos.map((photo, place) => [photo, found.labels[place]]));
  }

  function look(tile) {
    ask(tile.name, [h("img", { class: "bank-photo", src: app.whole(tile.photo), alt: tile.name }), h("p", {}, tile.caption)], null, "Close");
  }

  return {
    node,
    async begin() {
      names ??= (await app.attempt(() => get("/api/photos")))?.names ?? null;
      const now = await judged();
      if (!now) return;
      labels = now;
      line.textContent = `Nothing yet: ${count(now.size, "photo")} judged as on the page Try. Edit a prompt and see here which labels it changes.`;
    },
    async compare(what) {
      const before = labels;
      const now = await judged();
      if (!now) return;
      labels = now;
      if (!before) return;
      const changed = [...now].filter(([photo, label]) => before.has(photo) && before.get(photo) !== label);
      const said = (label) => label ?? "no label";
      line.textContent = changed.length
        ? `${count(changed.length, "label")} of ${count(now.size, "photo")} changed by ${what}${changed.length > SHOWN ? `; the first ${SHOWN} of them` : ""}.`
        : `No label of ${count(now.size, "photo")} changed by ${what}.`;
      fill(tiles, changed.length ? photoGrid(app, changed.slice(0, SHOWN).map(([photo, label]) => ({
        photo: String(photo), name: names?.[photo] ?? `photo ${photo}`, caption: said(label), detail: `was ${said(before.get(photo))}`,
      })), { label: "Photos with another label", onpick: look }) : null);
    },
  };
}
