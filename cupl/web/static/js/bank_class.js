// One class: its name and its prompts, each edited where it stands, and what each prompt does.

import { get } from "./api.js";
import { choice, count, field, fill, h } from "./dom.js";

const LONGEST = 2000;
let order = "worst";
const reading = (state) => state.jobs.some((job) => job.kind === "prompts" && job.state === "running");

/**
 * The view of one class. `edit(body, focus, typed)` sends an edit and gives whether it was made;
 * focus says where the person goes on: {row}, {rename}, {add} or {keep}.
 */
export function classView(app, { edit }) {
  const node = h("section", { class: "panel bank-class", "aria-label": "The class" });
  const view = { shown: null, effects: null, rows: [], open: null };

  function head() {
    const { shown } = view;
    const name = h("h2", {}, shown.name, shown.id && shown.id !== shown.name ? h("small", { class: "quiet" }, ` ${shown.id}`) : null);
    const rename = h("button", { type: "button", onclick: () => open(line, shown.name, 500, `New name of ${shown.name}`, (text) =>
      edit({ do: "rename-class", number: shown.number, name: text }, { rename: true }), rename) }, "Rename");
    const remove = h("button", { type: "button", "aria-label": `Remove class ${shown.name}`, onclick: () => edit({ do: "remove-class", number: shown.number }, { name: true }) }, "Remove");
    const line = h("div", { class: "row" }, name, rename, remove);
    view.rename = rename;
    return [line, shown.aliases.length ? h("p", { class: "quiet" }, `also called ${shown.aliases.join(", ")}`) : null];
  }

  /** Put a text field in the place of something; Enter saves, Escape puts it back. */
  function open(place, text, longest, label, save, back, typed = text) {
    view.close?.();
    const input = h("textarea", { rows: 1, maxLength: longest, "aria-label": label, value: typed });
    const grow = () => { input.style.setProperty("height", "auto"); input.style.setProperty("height", `${input.scrollHeight + 2}px`); };
    const close = () => { view.open = view.close = null; box.replaceWith(place); };
    const keep = async () => {
      const now = input.value.trim();
      if (!now || now === text) { close(); return back.focus(); }
      const mine = view.open;
      mine.saving = true;
      await save(now);
      mine.saving = false;
      return undefined;
    };
    const box = h("div", { class: "bank-edit" }, input, h("div", { class: "row" },
      h("button", { type: "button", class: "main", onclick: keep }, "Keep"),
      h("button", { type: "button", onclick: () => { close(); back.focus(); } }, "Cancel"),
      h("small", { class: "quiet" }, "Enter keeps, Escape cancels")));
    input.addEventListener("input", grow);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) { event.preventDefault(); keep(); }
      if (event.key === "Escape") { event.preventDefault(); close(); back.focus(); }
    });
    place.replaceWith(box);
    view.open = { text, input, saving: false, prompt: longest === LONGEST ? view.shown.number : null };
    view.close = close;
    input.focus();
    input.select();
    grow();
  }

  function row(place, effect, scale) {
    const { shown } = view;
    const prompt = shown.prompts[place];
    const text = h("button", { type: "button", class: "plain prompt-text", "aria-label": `Edit: ${prompt.text}`, onclick: () => start() }, prompt.text);
    const strike = h("button", { type: "button", class: "plain", title: "Strike out", "aria-label": `Strike out: ${prompt.text}`, onclick: () =>
      edit({ do: "remove-prompt", number: shown.number, prompt: place }, { row: Math.min(place, shown.prompts.length - 2) }) }, "×");
    const line = h("div", { class: "row nowrap" }, text, strike);
    const item = h("li", { class: effect?.misleading ? "misleading" : null },
      line, prompt.question && h("small", { class: "quiet" }, prompt.question), effect && does(effect, scale));
    const start = (typed) => open(line, prompt.text, LONGEST, `Prompt of ${shown.name}`, (now) =>
      edit({ do: "change-prompt", number: shown.number, prompt: place, text: now }, { row: place }, { was: prompt.text, now }), text, typed);
    view.rows[place] = { text, start };
    return item;
  }

  /** How close it is to the photos of its class and to others: bars, and the figures beside them. */
  function does(effect, scale) {
    if (effect.own === null && effect.others === null) return null;
    const bar = (name, value, kind) => value === null ? null : h("div", { class: `pull ${kind}` },
      h("span", {}, name), h("span", { class: "track", "aria-hidden": "true" }, h("span", { style: { width: `${scale(value)}%` } })),
      h("span", { class: "figure" }, value.toFixed(3)));
    const said = effect.misleads ? `misleads ${count(effect.misleads, "photo")}`
      : effect.misleading ? "closer to other photos" : null;
    return h("div", { class: "pulls" }, bar("its photos", effect.own, "own"), bar("others", effect.others, "others"),
      said && h("strong", { class: "bad" }, said));
  }

  function told() {
    const { effects } = view;
    if (!effects?.by) return "";
    const whose = effects.by === "labelled" ? "photos that you labelled" : "photos that are judged so now";
    return `Mean cosine to ${count(effects.own, "photo")} of this class and ${count(effects.others, "other")} (${whose}).`;
  }

  function list() {
    const { shown, effects } = view;
    view.rows = [];
    const of = new Map(effects?.prompts.map((one) => [one.prompt, one]) ?? []);
    const figures = [...of.values()].flatMap((one) => [one.own, one.others]).filter((one) => one !== null);
    const [low, high] = [Math.min(0, ...figures), Math.max(1e-6, ...figures)];
    const scale = (value) => (100 * (value - low)) / (high - low);
    const places = shown.prompts.map((_, place) => place);
    const sorted = order === "worst" && of.size === places.length ? effects.prompts.map((one) => one.prompt) : places;
    return h("ol", { class: "bank-prompts", "aria-label": `Prompts of ${shown.name}` }, sorted.map((place) => row(place, of.get(place), scale)));
  }

  function adding() {
    const { shown } = view;
    const input = h("input", { type: "text", maxLength: LONGEST, placeholder: `A sentence about ${shown.name}`, "aria-label": "New prompt", id: "new-prompt" });
    view.adding = input;
    input.addEventListener("keydown", (event) => { if (event.key === "Escape") input.value = ""; });
    return h("form", { class: "row nowrap", onsubmit: async (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (text) await edit({ do: "add-prompts", number: shown.number, prompts: [{ text }] }, { add: true }, { was: null, now: text });
    } }, input, h("button", { type: "submit" }, "Add"));
  }

  function notes() {
    const { shown } = view;
    return [
      shown.kinds.length ? h("details", {}, h("summary", {}, count(shown.kinds.length, "kind of it", "kinds of it"), h("small", { class: "quiet" }, " (kept as they are)")),
        h("ul", { class: "prompts" }, shown.kinds.map((kind) => h("li", {}, h("strong", {}, kind.name), `: ${kind.prompts.join(" ")}`)))) : null,
      shown.findings.length ? h("details", {}, h("summary", {}, count(shown.findings.length, "thing to look at", "things to look at")),
        h("ul", { class: "prompts quiet" }, shown.findings.map((one) => h("li", {}, h("strong", {}, one.kind), `: ${one.text}`)))) : null,
    ];
  }

  function draw(focus = null) {
    // What somebody is writing while an answer comes is not lost.
    const held = view.open && !view.open.saving && !focus && view.open.prompt === view.shown.number ? { was: view.open.text, now: view.open.input.value } : null;
    view.open = view.close = null;
    const known = view.effects?.by;
    fill(node, head(), h("div", { class: "row" }, h("p", { class: "quiet" }, told()),
      known && field("Order", choice([["worst", "misleading ones first"], ["file", "as in the file"]], order, (value) => { order = value; draw({ order: true }); node.querySelector("select").focus(); }))),
      list(), adding(), notes());
    settle(held ? { typed: held } : focus);
  }

  /** Put the person where the work goes on. */
  function settle(focus) {
    if (!focus) return;
    if (focus.add) view.adding.focus();
    else if (focus.rename) view.rename.focus();
    else if (focus.name) view.rename.focus();
    else if (focus.row !== undefined) view.rows[focus.row]?.text.focus();
    else if (focus.typed) {
      const place = view.shown.prompts.findIndex((one) => one.text === focus.typed.was);
      if (place >= 0) view.rows[place].start(focus.typed.now);
      else { view.adding.value = focus.typed.now; view.adding.focus(); }
    }
  }

  async function effects() {
    const { shown } = view;
    if (!shown || !app.state.photos.encoded || reading(app.state)) return null;
    const asked = JSON.stringify(app.settings);
    return app.attempt(() => get("/api/bank/effects", { class: shown.number, settings: asked }));
  }

  return {
    node,
    editing: () => view.open !== null || Boolean(view.adding?.value),
    async show(shown, focus = null) {
      const typed = view.adding?.value ?? "";
      const same = view.shown?.number === shown.number && view.shown?.name === shown.name;
      view.shown = shown;
      const found = await effects();
      if (view.shown !== shown) return;
      view.effects = found ?? null;
      draw(focus);
      if (same && typed && !focus?.add && !focus?.typed) view.adding.value = typed;
    },
    async effects() {
      const { shown } = view;
      const found = await effects();
      if (!found || view.shown !== shown || view.open) return;
      view.effects = found;
      const held = view.rows.findIndex((one) => one?.text === document.activeElement);
      const { value } = view.adding;
      const wasAdding = view.adding === document.activeElement;
      draw(wasAdding ? { add: true } : held >= 0 ? { row: held } : null);
      view.adding.value = value;
    },
  };
}
