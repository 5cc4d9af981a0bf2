// More prompts from a language model: first what that costs, then a job, then a choice.

import { get, post } from "./api.js";
import { calm, count, field, fill, h, number as written } from "./dom.js";

/** `at()` gives the page's bank and class; `add(number, prompts)` adds what is chosen as one edit. */
export function askPanel(app, { at, add, choose }) {
  const name = h("input", { type: "text", maxLength: 200, list: "bank-models", autocomplete: "off", spellcheck: false });
  const models = h("datalist", { id: "bank-models" });
  const many = h("input", { type: "number", min: 1, max: 100, value: 9 });
  const cost = h("p", { class: "quiet", role: "status" });
  const start = h("button", { type: "button", class: "main", disabled: true, onclick: begin }, "Ask");
  const waiting = h("div", { "aria-live": "polite" });
  const node = h("details", { class: "panel bank-ask", ontoggle: () => { if (node.open) prepare(); } },
    h("summary", {}, "Ask a language model for more prompts"),
    h("div", { class: "fields" }, field("Model", name, "the server and its key are settled where cupl serve was started"), field("Prompts", many)),
    models, cost, h("div", { class: "row" }, start));
  const outer = h("div", { class: "bank-asking" }, waiting, node);
  let turn = 0;
  const soon = calm(estimate, 300);
  name.addEventListener("input", () => soon());
  many.addEventListener("input", () => soon());
  for (const input of [name, many]) input.addEventListener("keydown", (event) => { if (event.key === "Enter" && !start.disabled) begin(); });

  async function prepare() {
    if (!models.childNodes.length) {
      const found = await app.attempt(() => get("/api/bank/models"));
      if (!found) return;
      fill(models, found.models.map((one) => h("option", { value: one })));
      name.value ||= found.models[0];
      many.max = found.most;
    }
    await estimate();
  }

  const body = () => ({ revision: at().bank.revision, number: at().shown.number, model: name.value.trim(), prompts: Number(many.value) });
  const usable = () => at().bank && at().shown && name.value.trim() && many.checkValidity() && Number.isInteger(Number(many.value)) && Number(many.value) > 0;

  async function estimate() {
    turn += 1;
    const mine = turn;
    start.disabled = true;
    if (!node.open || !usable()) { cost.textContent = node.open ? "Name a model and a number of prompts from 1 to 100." : ""; return; }
    try {
      const found = await post("/api/bank/ask/estimate", body());
      if (mine !== turn) return;
      cost.textContent = spoken(found);
      start.disabled = false;
    } catch (error) {
      if (mine === turn) cost.textContent = error.message;
    }
  }

  function spoken(found) {
    const { name: asked } = at().shown;
    if (!found.requests) return `About ${asked}: all answers are there already; nothing is asked and nothing is to be paid.`;
    const out = found.tokens_out === null ? "no limit on those out" : `at most ${written(found.tokens_out)} out`;
    const price = found.price === null ? "no price is known (--price-in, --price-out)" : found.price === 0 ? "costs nothing" : `at most about ${found.price.toFixed(4)}`;
    const limits = [
      found.max_requests === null ? null : `${written(found.requests_so_far)} of ${written(found.max_requests)} requests`,
      found.max_tokens === null ? null : `${written(found.tokens_so_far)} of ${written(found.max_tokens)} tokens`,
    ].filter(Boolean).join(", ");
    return `About ${asked}: ${count(found.answers, "answer")} in ${count(found.requests, "request")}${found.cached ? ` (${written(found.cached)} more are there already)` : ""}; `
      + `about ${written(found.tokens_in)} tokens in, ${out}; ${price}. `
      + (limits ? `Budget used so far: ${limits}.` : "No budget is set (--max-requests, --max-tokens-total).");
  }

  async function begin() {
    if (!usable()) return;
    const job = await app.attempt(() => post("/api/bank/ask", body()));
    if (!job) { estimate(); return; }
    start.disabled = true;
    cost.textContent = `Asking ${name.value.trim()} …`;
    await app.refresh();
    follow(job.id);
  }

  async function follow(job) {
    const ended = await app.ended(job);
    if (ended?.state === "done") { results.set(job, ended.result); propose(); return estimate(); }
    if (ended?.state === "stopped") cost.textContent = "Stopped; the answers that came are kept for the next time.";
    start.disabled = false;
    return ended?.state === "failed" ? estimate() : undefined;
  }

  const key = () => `cupl-asked-${app.state.session}`;
  const settled = () => Number(sessionStorage.getItem(key()) ?? 0);
  const latest = () => app.state.jobs.filter((one) => one.kind === "ask" && one.state === "done" && one.id > settled()).pop();

  const results = new Map();
  async function bring(job) {
    const found = await app.job(job);
    if (found) { results.set(job, found.result); propose(); }
  }

  /** What the last job brought and nobody has decided on yet. */
  function propose() {
    const job = latest();
    if (!job || !at().bank) return fill(waiting);
    const found = results.get(job.id);
    if (!found) { bring(job.id); return undefined; }
    const number = at().bank.classes.findIndex((one) => one.name === found.class && one.id === found.id);
    const away = () => { sessionStorage.setItem(key(), String(job.id)); propose(); };
    if (number < 0) { away(); return undefined; }
    if (number !== at().shown?.number) {
      return fill(waiting, h("div", { class: "panel row" }, h("span", {}, `${count(found.prompts.length, "new prompt")} for ${found.class} to choose from.`),
        h("button", { type: "button", onclick: () => choose(number) }, "Look at them")));
    }
    if (waiting.firstChild?.dataset?.job === String(job.id)) return undefined;
    return fill(waiting, proposal(job.id, found, number, away));
  }

  function proposal(job, result, number, away) {
    const boxes = result.prompts.map((one) => ({ one, box: h("input", { type: "checkbox", checked: true, onchange: () => tell() }) }));
    const chosen = () => boxes.filter(({ box }) => box.checked).map(({ one }) => one);
    const adding = h("button", { type: "button", class: "main", onclick: async () => {
      const prompts = chosen();
      if (prompts.length && !await add(number, prompts)) return;
      away();
      node.querySelector("summary").focus();
      estimate();
    } });
    const tell = () => { adding.textContent = `Add ${count(chosen().length, "prompt")}`; adding.disabled = !chosen().length; };
    tell();
    const dropped = Object.entries(result.dropped).map(([reason, many_]) => `${many_} ${reason}`);
    if (result.known) dropped.push(`${result.known} that the class has already`);
    const spent = `${count(result.requests, "request")}, ${written(result.tokens_in)} tokens in, ${written(result.tokens_out)} out${result.price ? `, ${result.price.toFixed(4)}` : ""}`;
    return h("section", { class: "panel", "aria-label": "Prompts to choose from", data: { job: String(job) } },
      h("h2", {}, `From ${result.model}, about ${result.class}`),
      h("p", { class: "quiet" }, `Asked: ${spent}.`, dropped.length ? ` Not shown: ${dropped.join(", ")}.` : ""),
      boxes.length ? h("fieldset", { class: "bank-chosen" }, h("legend", {}, "Choose what is true of it"),
        boxes.map(({ one, box }) => h("label", {}, box, h("span", {}, one.text, h("small", { class: "quiet" }, ` ${one.question}`)))))
        : h("p", {}, "It said nothing new: ask for more, or another model."),
      h("div", { class: "row" }, boxes.length ? adding : null, h("button", { type: "button", onclick: away }, "Put away")));
  }

  for (const job of app.state.jobs) if (job.kind === "ask" && job.state === "running") follow(job.id);
  return { node: outer, show() { propose(); if (node.open) estimate(); } };
}
