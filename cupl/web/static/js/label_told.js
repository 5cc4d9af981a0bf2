// What the labels of the page Label tell: the accuracy so far, and what they are worth as examples.

import { post } from "./api.js";
import { ask, count, fill, h, percent } from "./dom.js";
import { outbox } from "./label_outbox.js";

/** The accuracy under the settings, into `view.figures`; only the newest answer is shown. */
export async function figures(view) {
  const turn = view.turn = (view.turn ?? 0) + 1;
  let told;
  try {
    told = await post("/api/label/accuracy", { settings: view.app.settings });
  } catch (error) {
    if (turn === view.turn) fill(view.figures, h("p", { class: "quiet" }, error.message));
    return;
  }
  if (turn !== view.turn) return;
  const { accuracy, counts } = told;
  const open = Boolean(view.figures.querySelector("details")?.open);
  const besides = [["none of these", view.none], ["cannot tell", view.unsure]]
    .filter(([, label]) => counts[label] && !view.answers.includes(label))
    .map(([name, label]) => ({ name, labelled: counts[label], right: null }));
  const classes = [...told.classes, ...besides];
  fill(view.figures,
    h("p", { class: "done" }, h("strong", {}, `${told.labelled} of ${count(told.photos, "photo")}`), " labelled"),
    h("progress", { max: told.photos || 1, value: told.labelled, "aria-label": "photos labelled" }),
    accuracy
      ? [h("p", {}, "Accuracy on all photos: ", h("strong", { class: "figure" }, percent(accuracy.value, 1)),
        h("span", { class: "quiet figure" }, ` (95 %: ${percent(accuracy.low, 1)} to ${percent(accuracy.high, 1)})`)), interval(accuracy)]
      : h("p", { class: "quiet" }, told.problem ?? "The accuracy shows once some photos have the label of a class."),
    told.notes.map((note) => h("p", { class: "quiet" }, note)),
    classes.length > 0 && h("details", { open }, h("summary", {}, "By class"), h("table", {},
      h("thead", {}, h("tr", {}, ["Class", "labelled", "right"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, classes.map((one) => h("tr", {}, h("td", {}, one.name), h("td", {}, String(one.labelled)), h("td", {}, one.right === null ? "–" : String(one.right))))))),
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
export async function learn(view) {
  await outbox.emptied();
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
      h("button", { type: "button", class: on ? "" : "main", onclick: () => judgeBy(view, on ? "none" : "examples") }, on ? "Judge without them again" : "Judge with them on all pages"),
      h("button", { type: "button", onclick: () => save(view) }, "Save class vectors")));
}

async function judgeBy(view, adaptation) {
  const { app } = view;
  app.settings.adaptation = adaptation;
  app.saveSettings();
  await figures(view);
  app.notify(adaptation === "examples" ? "Photos are now judged with your examples." : "Photos are judged by the texts alone.");
  fill(view.learnt);
}

async function save(view) {
  const { app } = view;
  if (!await ask("Save class vectors?", h("p", {}, "They are written into the folder of the app, for cupl classify and others to use."), "Save")) return;
  const job = await app.attempt(() => post("/api/label/adapt", { settings: app.settings, save: true }));
  if (!job) return;
  app.refresh();
  const ended = await app.ended(job.id);
  if (ended?.state === "done") app.notify(`Saved as ${ended.result.saved}.`);
}
