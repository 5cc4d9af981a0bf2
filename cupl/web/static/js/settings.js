// The settings of a view, as a panel: each change is told at once.

import { calm, choice, field, h } from "./dom.js";

const TEMPLATES = { none: "none", photo: "a photo of a …", openai: "OpenAI's 80", "imagenet-simple": "OpenAI's 7" };
const POOLINGS = { "normalized-mean": "mean of unit vectors", mean: "mean", similarity: "mean similarity", top: "closest prompts count more" };
const ADAPTATIONS = { none: "none", photos: "to these photos", examples: "to my labels" };

function pairs(names, words) {
  return names.map((name) => [name, words[name] ?? name]);
}

/** A slider with its figure; `null` where its box is not ticked. */
function optional(label, value, usual, range, shown, tell) {
  const figure = h("output", {}, value === null ? "off" : shown(value));
  const slider = h("input", { type: "range", ...range, value: value ?? usual, disabled: value === null, "aria-label": label });
  const box = h("input", { type: "checkbox", checked: value !== null, "aria-label": `Use the ${label.toLowerCase()}` });
  const soon = calm(tell, 120);
  const read = () => {
    slider.disabled = !box.checked;
    const now = box.checked ? Number(slider.value) : null;
    figure.textContent = now === null ? "off" : shown(now);
    soon(now);
  };
  box.addEventListener("change", read);
  slider.addEventListener("input", read);
  return h("div", { class: "field" }, h("span", {}, label, " ", figure), h("span", { class: "row" }, box, slider));
}

/** The panel; `changed` is called after each change of `app.settings`. */
export function settingsPanel(app, changed) {
  const { settings, state } = app;
  const set = (name) => (value) => { settings[name] = value; app.saveSettings(); changed(); };
  const usable = { none: true, photos: state.photos.total > 1, examples: state.photos.total > 1 };
  const adaptations = pairs(Object.keys(ADAPTATIONS).filter((name) => usable[name]), ADAPTATIONS);
  return h("details", { class: "panel settings", open: matchMedia("(min-width: 700px)").matches },
    h("summary", {}, "How photos are judged"),
    h("div", { class: "fields" },
      field("Templates", choice(pairs(state.choices.templates, TEMPLATES), settings.templates, set("templates"))),
      field("Pooling", choice(pairs(state.choices.poolings, POOLINGS), settings.pooling, set("pooling"))),
      field("Adaptation", choice(adaptations, settings.adaptation, set("adaptation"))),
      optional("Threshold", settings.threshold, 0.5, { min: 0, max: 1, step: 0.01 }, (value) => `${Math.round(100 * value)} %`, set("threshold")),
      optional("Temperature", settings.temperature, 1, { min: 0.1, max: 10, step: 0.1 }, (value) => value.toFixed(1), set("temperature"))));
}
