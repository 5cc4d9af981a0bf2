// Evaluate: the bank as it stands on labelled photos, and the reports of what was found.

import { get, post } from "./api.js";
import { ask, choice, count, field, fill, h, number, percent } from "./dom.js";

export const id = "evaluate";
export const title = "Evaluate";
export const available = (state) => Boolean(state.bank) && state.photos.total > 0;

const CONTROLS = {
  photo: "“a photo of a …”", names: "the names alone", "random-words": "random words in place of prompts", shuffled: "prompts of other classes",
};
const TEMPLATES = { none: "none", photo: "a photo of a …", openai: "OpenAI's 80", "imagenet-simple": "OpenAI's 7" };
const POOLINGS = { "normalized-mean": "mean of unit vectors", mean: "mean", similarity: "mean similarity", top: "closest prompts count more" };
let view = null;

function usual() {
  return { labels: "folders", controls: Object.keys(CONTROLS), templates: "none", pooling: "normalized-mean", adapt: false, skip: false, saved_too: false };
}

export async function mount(root, app) {
  view = { app, root, how: view?.how ?? usual(), match: null, turn: 0, open: null, mine: view?.mine ?? null };
  view.matched = h("div", { "aria-live": "polite" });
  view.choices = h("div", {});
  view.start = h("button", { type: "submit", class: "main", disabled: true }, "Start the evaluation");
  view.said = h("p", { class: "quiet", role: "status" });
  view.list = h("div", {});
  view.report = h("section", { "aria-label": "The report", class: "report" });
  fill(root, h("h1", { class: "hidden" }, title),
    h("form", { class: "panel", "aria-label": "A new evaluation", onsubmit: start },
      h("h2", {}, "How good is the bank?"),
      h("p", { class: "quiet" }, "Its answers on photos whose class is known, beside those of controls that cost nothing to write."),
      view.choices, view.matched, options(), h("div", { class: "row begin" }, view.start, view.said)),
    h("section", { class: "panel", "aria-labelledby": "reports-title" }, h("h2", { id: "reports-title" }, "Reports"), view.list),
    view.report);
  view.stop = app.on(follow);
  await Promise.all([load(), match()]);
  follow(app.state);
}

export function unmount() {
  view.stop?.();
  view.turn += 1;
  view.app = null;
}

const shown = () => view.app?.page?.id === id;
const evaluations = (state) => state.jobs.filter((job) => job.kind === "evaluate");

/** What the server has: whether there are labels, whether the bank is edited, and the reports. */
async function load() {
  const { app } = view;
  const found = await app.attempt(() => get("/api/evaluate"));
  if (!found || !shown()) return;
  view.found = found;
  drawChoices();
  drawReports(found.reports);
}

/** What the labels mean under the bank as it stands. */
async function match() {
  view.turn += 1;
  const { turn, how } = view;
  view.match = null;
  let text = null;
  try {
    const found = await post("/api/evaluate/match", { labels: how.labels });
    if (turn !== view.turn || !shown()) return;
    view.match = found;
  } catch (error) {
    if (turn !== view.turn || !shown()) return;
    text = error.message;
  }
  drawMatch(text);
  ready();
}

function follow(state) {
  if (!shown()) return;
  const stamp = `${state.bank?.revision} ${state.bank?.unsaved}`;
  if (view.stamp !== undefined && view.stamp !== stamp) { load(); match(); }
  view.stamp = stamp;
  const job = evaluations(state).filter((one) => one.state !== "running").at(-1);
  const fresh = view.last !== undefined && (job?.id ?? 0) > view.last;
  if (fresh) load();
  if (job?.state === "done" && view.made?.job !== job.id) bring(job.id, fresh);
  view.last = job?.id ?? 0;
  ready();
}

/** Ask which report an evaluation made; a new one is shown where no other is being read. */
async function bring(job, fresh) {
  const made = view.made = { job, report: null };
  const found = await view.app.job(job);
  if (!found || !shown() || view.made !== made) return;
  made.report = found.result.report;
  if (fresh && (!view.open || job === view.mine)) show(made.report, false);
  else ready();
}

/** The button can be pressed where there is something to judge and nothing is being judged. */
function ready() {
  const running = evaluations(view.app.state).find((job) => job.state === "running");
  const { match: found, how } = view;
  const blocked = found && found.unmatched_images > 0 && !how.skip;
  view.start.disabled = Boolean(running) || !found || !found.images || blocked;
  const last = evaluations(view.app.state).at(-1);
  const ended = last?.state === "stopped" ? "Stopped; nothing was written."
    : last?.state === "done" && view.made?.job === last.id && view.made.report !== null && view.open === view.made.report ? `Done: report ${view.open} is below.` : null;
  const text = running ? `${running.title} … it goes on if you close this page.`
    : [ended, blocked && found.images ? "Some labels mean no class: leave them out, or mend the names first." : null].filter(Boolean).join(" ");
  if (view.said.textContent !== text) view.said.textContent = text;
}

function drawChoices() {
  const { how, found } = view;
  if (!found.labels) how.labels = "folders";
  const radio = (value, text, usable) => h("label", { class: "row tick" },
    h("input", { type: "radio", name: "labels", value, checked: how.labels === value, disabled: !usable, onchange: () => { how.labels = value; how.skip = false; match(); } }), text);
  const key = `${found.labels}`;
  if (view.drawn !== key) {
    fill(view.choices, h("fieldset", {}, h("legend", {}, "The class of a photo is"),
      radio("folders", "the name of its folder", true),
      radio("labels", found.labels ? "what was said on the page Label" : "what was said on the page Label (nothing yet)", found.labels)));
    view.drawn = key;
  }
  view.savedToo.hidden = !found.saved;
  if (!found.saved) how.saved_too = false;
}

function drawMatch(error) {
  const { match: found, how } = view;
  if (!found) return fill(view.matched, h("p", { class: "bad" }, error));
  const other = found.unmatched_labels - found.unmatched.length;
  const skip = h("input", { type: "checkbox", checked: how.skip, onchange: (event) => { how.skip = event.target.checked; ready(); } });
  return fill(view.matched,
    h("p", {}, h("strong", {}, count(found.images, "photo")), ` of ${number(found.classes)} of the ${count(found.of, "class", "classes")} in the bank.`),
    found.notes.map((note) => h("p", { class: "quiet" }, note)),
    found.unmatched_images > 0 && h("div", { class: "unmatched" },
      h("p", {}, found.unmatched_labels === 1 ? "This label means no class of the bank:" : `These ${number(found.unmatched_labels)} labels mean no class of the bank:`),
      h("ul", {}, found.unmatched.map((line) => h("li", {}, line)), other > 0 && h("li", { class: "quiet" }, `and ${number(other)} more`)),
      found.images > 0 && h("label", { class: "row tick" }, skip, `Leave out ${count(found.unmatched_images, "photo")} of ${found.unmatched_labels === 1 ? "this label" : "these labels"}`)));
}

function tick(text, checked, onchange) {
  return h("label", { class: "row tick" }, h("input", { type: "checkbox", checked, onchange: (event) => onchange(event.target.checked) }), text);
}

function options() {
  const { how, app } = view;
  const pick = (name, words, values) => choice(values.map((one) => [one, words[one] ?? one]), how[name], (value) => { how[name] = value; });
  const control = (name) => tick(CONTROLS[name], how.controls.includes(name), (on) => {
    how.controls = Object.keys(CONTROLS).filter((one) => (one === name ? on : how.controls.includes(one)));
  });
  view.savedToo = tick("Compare it with the bank as it was last saved", how.saved_too, (on) => { how.saved_too = on; });
  view.savedToo.hidden = true;
  return h("details", { class: "options", open: matchMedia("(min-width: 700px)").matches }, h("summary", {}, "Options"),
    h("fieldset", {}, h("legend", {}, "Compare with"), Object.keys(CONTROLS).map(control)),
    h("fieldset", {}, h("legend", {}, "Further"), view.savedToo,
      tick("Judge it adapted to these photos, too (without their labels)", how.adapt, (on) => { how.adapt = on; })),
    h("div", { class: "fields" },
      field("Templates", pick("templates", TEMPLATES, app.state.choices.templates)),
      field("Pooling", pick("pooling", POOLINGS, app.state.choices.poolings))));
}

async function start(event) {
  event.preventDefault();
  const { app, how } = view;
  if (!view.match || view.start.disabled) return;
  view.start.disabled = true;
  const job = await app.attempt(() => post("/api/evaluate/start", { ...how, revision: view.match.revision }));
  if (job) view.mine = job.id;
  await app.refresh();
  if (!job && shown()) { await load(); await match(); }
}

function drawReports(reports) {
  if (!reports.length) return fill(view.list, h("p", { class: "quiet" }, "None yet."));
  return fill(view.list, h("ul", { class: "reports" }, reports.map((one) => h("li", { "aria-current": view.open === one.number ? "true" : null },
    h("div", { class: "about" },
      h("h3", {}, one.name),
      h("p", { class: "quiet" }, [`No. ${one.number}`, one.date && new Date(one.date).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }),
        one.images ? `${count(one.images, "photo")}, ${count(one.classes, "class", "classes")}` : null].filter(Boolean).join(" · ")),
      one.accuracy && h("p", { class: "figure" }, h("strong", {}, percent(one.accuracy.value, 1)), ` right (${percent(one.accuracy.low, 1)} to ${percent(one.accuracy.high, 1)})`)),
    h("div", { class: "row" },
      h("button", { type: "button", "aria-label": `Read report ${one.number}`, onclick: () => show(one.number) }, "Read"),
      h("a", { class: "button", href: `/reports/${one.number}/report.html`, target: "_blank", rel: "noopener", "aria-label": `Open report ${one.number} in a new tab` }, "New tab"),
      h("button", { type: "button", "aria-label": `Delete report ${one.number}`, onclick: () => remove(one) }, "Delete"))))));
}

async function remove(one) {
  const { app } = view;
  if (!await ask(`Delete report ${one.number}?`, h("p", {}, "Its page, figures and tables are deleted from the disk. This cannot be undone."), "Delete")) return;
  const done = await app.attempt(() => post("/api/evaluate/remove", { report: one.number }));
  if (!shown()) return;
  if (!done) { await load(); return; }
  if (!done.gone) app.notify("The folder holds other files, too: it stays.");
  if (view.open === one.number) { view.open = null; fill(view.report); }
  drawReports(done.reports);
  document.querySelector("#main").focus();
}

/** Show a report; where a person asked for it the focus goes there, else it stays where they work. */
async function show(report, asked = true) {
  const { app } = view;
  const told = await app.attempt(() => get(`/api/evaluate/reports/${report}`));
  if (!shown()) return;
  view.open = report;
  ready();
  for (const item of view.list.querySelectorAll("li")) item.removeAttribute("aria-current");
  const heading = h("h2", { tabIndex: -1 }, `Report ${report}`);
  fill(view.report, h("div", { class: "panel" }, heading,
    told && h("ul", { class: "verdicts" }, told.verdicts.map((one) => h("li", { class: one.outcome }, one.sentence))),
    told && h("details", {}, h("summary", {}, "The figures as text"), h("pre", { tabIndex: 0, "aria-label": "The figures as text" }, told.summary)),
    told && h("details", {}, h("summary", {}, "Files for other programs"), h("ul", {}, told.files.map((name) =>
      h("li", {}, h("a", { href: `/reports/${report}/${encodeURIComponent(name)}`, download: name }, name)))))),
    h("iframe", { title: `Report ${report}`, sandbox: "allow-scripts", src: `/reports/${report}/report.html` }));
  if (!asked) return;
  heading.focus({ preventScroll: true });
  view.report.scrollIntoView({ block: "start" });
}
