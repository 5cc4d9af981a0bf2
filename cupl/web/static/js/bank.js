// Bank: classes and prompts edited in place, and what an edit does to the photos in view.

import { ApiError, get, post } from "./api.js";
import { askPanel } from "./bank_ask.js";
import { changesStrip } from "./bank_changed.js";
import { classView } from "./bank_class.js";
import { classList } from "./bank_list.js";
import { ask, count, fill, h } from "./dom.js";

export const id = "bank";
export const title = "Bank";
export const available = (state) => Boolean(state.bank);

let view = null;

/** Whether all photos and prompts are read; a large bank takes minutes the first time. */
const readable = (state) => state.encoder.ready && state.photos.encoded === state.photos.total
  && !state.jobs.some((job) => job.kind === "prompts" && job.state === "running");

export function mount(root, app) {
  view = { app, bank: null, shown: null, number: view?.number ?? 0, busy: false, mounted: true };
  view.tools = toolbar();
  view.list = classList({ choose: (number) => choose(number), add: addClass });
  view.changed = changesStrip(app);
  view.asking = askPanel(app, { at: () => view, add: (number, prompts) => edit({ do: "add-prompts", number, prompts }), choose });
  view.detail = classView(app, { edit, chosen: () => view.shown });
  fill(root, h("h1", { class: "hidden" }, title), view.tools.node,
    h("div", { class: "bank" }, view.list.node, h("div", { class: "bank-main" }, view.detail.node, view.changed.node, view.asking.node)));
  document.addEventListener("keydown", keys);
  reload().then(() => view.changed.begin());
  let ready = readable(app.state);
  view.stop = app.on((state) => {
    if (readable(state) !== ready) {
      ready = readable(state);
      if (ready) { view.changed.begin(); view.detail.effects(); }
    }
    if (view.bank && state.bank.revision > view.bank.revision && !view.busy && !view.detail.editing()) elsewhere();
  });
}

export function unmount() {
  view.mounted = false;
  view.stop?.();
  document.removeEventListener("keydown", keys);
}

/** Ctrl+Z and Ctrl+Shift+Z, but in a text field these are the field's own. */
function keys(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog")) return;
  const key = event.key.toLowerCase();
  const back = key === "z" && !event.shiftKey;
  const forth = (key === "z" && event.shiftKey) || key === "y";
  if (!back && !forth) return;
  event.preventDefault();
  step(back ? "undo" : "redo");
}

function toolbar() {
  const undo = h("button", { type: "button", title: "Ctrl+Z", onclick: () => step("undo") }, "Undo");
  const redo = h("button", { type: "button", title: "Ctrl+Shift+Z", onclick: () => step("redo") }, "Redo");
  const saving = h("button", { type: "button", class: "main", onclick: save }, "Save");
  const download = h("a", { class: "button", href: "/api/bank/file", download: "" }, "Download");
  const told = h("p", { class: "quiet bank-file", role: "status" });
  const restored = h("div", { class: "bank-restored", hidden: true }, h("p", {}, "Edits of an earlier session were restored; they are not saved yet."),
    h("button", { type: "button", onclick: discard }, "Discard them"));
  const aside = h("div", { class: "bank-restored", hidden: true }, h("p", {}));
  const node = h("section", { class: "panel", "aria-label": "The bank" },
    h("div", { class: "row" }, undo, redo, saving, download, told), restored, aside);
  const show = (bank) => {
    // A button that has the focus would lose it when it is disabled.
    undo.setAttribute("aria-disabled", String(!bank.can_undo));
    redo.setAttribute("aria-disabled", String(!bank.can_redo));
    saving.setAttribute("aria-disabled", String(!bank.unsaved));
    restored.hidden = !bank.restored;
    aside.hidden = !bank.aside;
    aside.firstChild.textContent = bank.aside ? `Unsaved edits of an earlier session do not fit this bank, which is another one than it was then: they are kept in ${bank.aside}.` : "";
    const text = `${count(bank.classes.length, "class", "classes")} · ${bank.unsaved ? "not saved" : "as saved"}: ${bank.file}`;
    if (told.textContent !== text) told.textContent = text;
  };
  return { node, show };
}

/** Show a bank, and a class of it where one came along. */
function take(bank, shown = null, focus = null) {
  view.bank = bank;
  view.tools.show(bank);
  if (shown) { view.shown = shown; view.number = shown.number; }
  view.list.show(bank.classes, view.number);
  if (shown) {
    view.asking.show();
    return view.detail.show(shown, focus);
  }
  return undefined;
}

async function reload(typed = null) {
  const { app } = view;
  const bank = await app.attempt(() => get("/api/bank"));
  if (!bank || !view.mounted) return;
  const number = Math.min(view.number, bank.classes.length - 1);
  const shown = await app.attempt(() => get("/api/bank/class", { class: number }));
  if (shown && view.mounted) await take(bank, shown, typed && { typed });
}

async function elsewhere() {
  view.busy = true;
  await reload();
  view.busy = false;
  view.app.notify("The bank was changed in another tab or by somebody else: here is how it stands now.");
  await view.changed.compare("a change elsewhere");
}

async function choose(number, focus = null) {
  view.number = number;
  const shown = await view.app.attempt(() => get("/api/bank/class", { class: number }));
  if (!shown || view.number !== number || !view.mounted) return;
  view.shown = shown;
  view.list.mark(number);
  view.asking.show();
  await view.detail.show(shown, focus);
}

/** Send a change of the bank as it is seen here; true where it was made. One waits for the other. */
function change(path, body, what, focus, typed = null) {
  if (!view.bank) return false;
  const seen = view.bank.revision;
  view.turn = (view.turn ?? Promise.resolve()).then(() => send(path, body, seen, what, focus, typed));
  return view.turn;
}

async function send(path, body, seen, what, focus, typed) {
  const { app } = view;
  // What names a prompt by its place is meant of the bank that was seen: a second press is dropped.
  if (view.bank.revision !== seen && (body.prompt !== undefined || body.do === "remove-class")) return false;
  view.busy = true;
  try {
    const answer = await post(path, { revision: view.bank.revision, ...body });
    view.changed.compare(what);
    await take(answer.bank, answer.class, focus);
    app.refresh();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 409) await reload(typed);
    app.notify(error.message, "error");
    return false;
  } finally {
    view.busy = false;
  }
}

function edit(body, focus = null, typed = null) {
  return change("/api/bank/edit", body, "this edit", focus, typed);
}

async function step(way) {
  await view.turn;
  const can = way === "undo" ? view.bank?.can_undo : view.bank?.can_redo;
  if (!can) return view.app.notify(way === "undo" ? "There is nothing to undo." : "There is nothing to do again.");
  return change(`/api/bank/${way}`, {}, way === "undo" ? "taking the edit back" : "making it again", { keep: true });
}

async function discard() {
  const sure = await ask("Discard the restored edits?", h("p", {}, "The bank is then as its file has it. Undo brings the edits back."), "Discard them");
  if (sure && await change("/api/bank/discard", {}, "discarding the edits", { keep: true })) view.app.notify("The bank is as it was saved.");
}

async function save() {
  const { app } = view;
  if (!view.bank?.unsaved) return app.notify("There is nothing to save.");
  await view.turn;
  return write(view.bank.revision);
}

/** Save the bank that was seen; `over` names a file of somebody else that may be set aside. */
async function write(revision, over = null) {
  const { app } = view;
  try {
    const answer = await post("/api/bank/save", { revision, over });
    take(answer.bank);
    app.refresh();
    if (answer.draft) app.notify(`The edits are saved, but their draft is still there: ${answer.draft}.`, "error");
    return app.notify(`Saved to ${answer.file}.${answer.gone ? " The file had been removed meanwhile: it is there again." : ""}`
      + `${answer.kept ? ` What was there before is kept in ${answer.kept}.` : ""}`);
  } catch (error) {
    if (error.data?.over) return overwrite(error, revision);
    app.notify(error.message, "error");
    return error.status === 409 ? reload() : undefined;
  }
}

/** Somebody else has written the file: save all the same? */
async function overwrite(error, revision) {
  const sure = await ask("Save all the same?", h("p", {}, `${error.message}. If you save, what it says now is kept beside it.`), "Save all the same");
  return sure ? write(revision, error.data.over) : undefined;
}

async function addClass(name) {
  return edit({ do: "add-class", name }, { add: true });
}
