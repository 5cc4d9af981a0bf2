// The frame of all pages: which one is shown, what the server has open, jobs and notices.

import { get, post } from "./api.js";
import { count, fill, h, number } from "./dom.js";
import * as bankPage from "./bank.js";
import * as evaluatePage from "./evaluate.js";
import * as labelPage from "./label.js";
import * as reviewPage from "./review.js";
import * as searchPage from "./search.js";
import * as tryPage from "./try.js";

const PAGES = [tryPage, bankPage, labelPage, reviewPage, searchPage, evaluatePage];
const EVERY = 700;

const app = {
  state: null,
  settings: remembered(),
  page: null,
  listeners: new Set(),
  /** Tell a person something; it goes away by itself, but for what went wrong. */
  notify(text, kind = "info") {
    for (const same of document.querySelectorAll("#notices .notice")) if (same.firstChild.textContent === text) same.remove();
    const box = h("p", { class: `notice ${kind}` }, text,
      h("button", { type: "button", class: "plain", "aria-label": "Close this notice", onclick: () => box.remove() }, "×"));
    document.querySelector("#notices").append(box);
    if (kind !== "error") setTimeout(() => box.remove(), 6000);
    return box;
  },
  /** Do something of the server's, and tell what went wrong; gives undefined then. */
  async attempt(act) {
    try {
      return await act();
    } catch (error) {
      if (error.name !== "AbortError") app.notify(error.message, "error");
      return undefined;
    }
  },
  /** Ask for the state now, not at the next turn. */
  refresh: () => refresh(),
  /** Be told of the state each time it came; gives what ends it. */
  on(act) {
    app.listeners.add(act);
    return () => app.listeners.delete(act);
  },
  saveSettings() {
    localStorage.setItem("cupl-settings", JSON.stringify(app.settings));
  },
  /** A job with what it gave, which the state does not tell; undefined where it is not known any more. */
  job: (id) => app.attempt(() => get("/api/jobs/result", { id })),
  /** Resolves with a job once it has ended, and with what it gave. */
  async ended(id) {
    const job = await new Promise((resolve) => {
      const stop = app.on((state) => {
        const found = state.jobs.find((one) => one.id === id);
        if (!found || found.state !== "running") { stop(); resolve(found); }
      });
    });
    return job?.state === "done" ? app.job(id) : job;
  },
  thumb: (photo) => `/thumb/${photo}?s=${app.state.session}`,
  whole: (photo) => `/photo/${photo}?s=${app.state.session}`,
};

function remembered() {
  const usual = { templates: "none", pooling: "normalized-mean", adaptation: "none", temperature: null, threshold: null };
  try {
    const kept = JSON.parse(localStorage.getItem("cupl-settings") ?? "{}");
    for (const key of Object.keys(usual)) if (key in kept) usual[key] = kept[key];
  } catch { /* what is kept there may be anything */ }
  return usual;
}

let timer = 0;
async function refresh() {
  clearTimeout(timer);
  try {
    const before = app.state;
    app.state = await get("/api/state");
    if (before && before.session !== app.state.session) location.reload();
    allowed();
    for (const act of [...app.listeners]) act(app.state);
    showStatus();
    showJobs();
  } catch (error) {
    fill(document.querySelector("#status"), error.message);
  }
  const busy = app.state?.jobs.some((job) => job.state === "running") || !app.state?.encoder.ready;
  timer = setTimeout(refresh, document.hidden ? 5000 : busy ? EVERY : 2500);
}

/** Settings that this server has not are the usual ones. */
function allowed() {
  const { templates, poolings } = app.state.choices;
  if (!templates.includes(app.settings.templates)) app.settings.templates = "none";
  if (!poolings.includes(app.settings.pooling)) app.settings.pooling = "normalized-mean";
}

function showStatus() {
  const { encoder, bank, photos, classes } = app.state;
  const known = bank ? bank.classes.length : classes.length;
  const text = [
    encoder.ready ? encoder.id : "loading the encoder …",
    known ? count(known, "class", "classes") : null,
    photos.total ? count(photos.total, "photo") : null,
    bank?.unsaved ? "bank not saved" : null,
  ].filter(Boolean).join(" · ");
  const line = document.querySelector("#status");
  if (line.textContent !== text) line.textContent = text;
}

const told = new Set();
function showJobs() {
  const running = app.state.jobs.filter((job) => job.state === "running");
  fill(document.querySelector("#jobs"), running.map((job) => h("div", { class: "job" },
    h("span", {}, job.title),
    h("progress", { "aria-label": job.title, max: job.total || 1, ...(job.total ? { value: job.done } : {}) }),
    h("span", { class: "quiet" }, job.total ? `${number(job.done)} of ${number(job.total)}` : ""),
    h("button", { type: "button", disabled: job.stopping, onclick: () => app.attempt(() => post("/api/jobs/stop", { id: job.id })) },
      job.stopping ? "Stopping …" : "Stop"))), unread());
  for (const job of app.state.jobs) {
    if (job.state === "failed" && !told.has(job.id)) app.notify(`${job.title}: ${job.error}`, "error");
    if (job.state !== "running") told.add(job.id);
  }
}

/** Photos that were left when reading was stopped or broke off, and the way on. */
function unread() {
  const { photos, encoder, jobs } = app.state;
  const left = photos.total - photos.encoded;
  if (!left || !encoder.ready || jobs.some((job) => job.kind === "encode" && job.state === "running")) return null;
  return h("div", { class: "job" }, h("span", {}, `${count(left, "photo")} not read yet`),
    h("button", { type: "button", onclick: () => app.attempt(() => post("/api/photos/read")).then(refresh) }, "Read on"));
}

function showNav() {
  const shown = PAGES.filter((page) => page.available(app.state));
  const here = shown.find((page) => `#${page.id}` === location.hash.split("/")[0]) ?? shown[0];
  fill(document.querySelector("#nav"), shown.map((page) => h("a", {
    href: `#${page.id}`, "aria-current": page === here ? "page" : null,
  }, page.title)));
  return here;
}

function show() {
  const page = showNav();
  if (page === app.page) return;
  app.page?.unmount?.();
  for (const old of document.querySelectorAll("#notices .error")) old.remove();
  app.page = page;
  document.title = `${page.title} · cupl`;
  const main = document.querySelector("#main");
  fill(main);
  main.className = `page-${page.id}`;
  page.mount(main, app);
}

document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); document.querySelector("#main").focus(); });
addEventListener("hashchange", () => { show(); document.querySelector("#main").focus(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
await refresh();
if (app.state) show();
else {
  const stop = app.on(() => { stop(); show(); });
}
