// What is said of one photo: bars of the best classes, and the prompts for and against.

import { h, percent } from "./dom.js";

/** Bars of the classes; the figures stand beside them, so nothing is told by colour alone. */
export function bars(prediction) {
  return h("ol", { class: "bars", "aria-label": "Classes by probability" }, prediction.top.map((one) => h("li", {},
    h("span", { class: "name" }, one.label),
    h("meter", { min: 0, max: 1, value: one.probability, "aria-label": `${one.label}: ${percent(one.probability, 1)}` }),
    h("span", { class: "figure" }, percent(one.probability, 1)))));
}

/** The label in a line, or why there is none. */
export function verdict(prediction) {
  if (prediction.error) return h("p", { class: "bad" }, prediction.error);
  if (prediction.label === null) return h("p", { class: "verdict" }, "no label: ", prediction.rejected);
  return h("p", { class: "verdict" }, h("strong", {}, prediction.label));
}

function prompts(title, listed) {
  if (!listed.length) return null;
  return h("div", {}, h("h4", {}, title), h("ul", { class: "prompts" }, listed.map((one) => h("li", {},
    one.text, " ", h("span", { class: "quiet figure" }, one.cosine.toFixed(3))))));
}

/** Which prompts decided between the two best classes. */
export function reasons(explanation) {
  if (!explanation?.winner) return null;
  const { winner, runner_up: second } = explanation;
  return h("details", { class: "reasons" }, h("summary", {}, "Why"),
    prompts(`For ${winner.label}`, winner.speak_for),
    prompts(`Against ${winner.label}`, winner.speak_against),
    second && prompts(`For ${second.label}`, second.speak_for));
}
