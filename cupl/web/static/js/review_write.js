// Writing a review: first what it would do, then, if that is wanted, doing it; and the way back.

import { get, post } from "./api.js";
import { ask, choice, count, field, fill, h } from "./dom.js";

const WAYS = {
  copy: "copy into a folder for each label", link: "link from a folder for each label",
  move: "move into a folder for each label", tags: "a table of tags (tags.csv)", xmp: "keywords in files beside the photos (.xmp)",
};

/** The panel; `done` is called when something was written. */
export function writePanel(app, done) {
  const told = h("div", { role: "status" });
  const backs = h("div", { class: "row" });
  let way = "copy";
  const select = h("div", {});
  const panel = h("section", { class: "panel", "aria-label": "Write" }, h("h2", {}, "Write"),
    h("div", { class: "row bottom" }, select, h("button", { type: "button", class: "main", onclick: () => plan() }, "Show what it will do")), told, backs);
  const refresh = async () => {
    const state = await app.attempt(() => get("/api/review/state"));
    if (!state) return;
    const ways = Object.entries(WAYS).filter(([key]) => key !== "xmp" || state.keywords);
    fill(select, field("As", choice(ways, way, (value) => { way = value; fill(told); })));
    fill(backs,
      state.sorted && h("button", { type: "button", onclick: () => back("copy", `what was sorted into ${state.sorted}`) }, "Take the sorting back"),
      state.keywords && h("button", { type: "button", onclick: () => back("xmp", "the keywords that cupl wrote beside these photos") }, "Take the keywords away"));
  };
  const run = async (act) => {
    const job = await app.attempt(act);
    if (!job) return;
    fill(told, h("p", { class: "quiet" }, "Working …"));
    app.refresh();
    const ended = await app.ended(job.id);
    fill(told);
    if (ended?.state === "done") {
      const { text, errors } = ended.result;
      fill(told, h("p", {}, text), errors.length > 0 && h("ul", {}, errors.map((one) => h("li", {}, one))));
    } else if (ended?.state === "stopped") fill(told, h("p", {}, "Stopped: what was done until then stays done; the same again goes on."));
    await refresh();
    await done();
  };
  const plan = async () => {
    const found = await app.attempt(() => post("/api/review/plan", { way, settings: app.settings }));
    if (!found) return;
    const table = h("div", { class: "plan" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Label"), h("th", { scope: "col" }, "photos"))),
      h("tbody", {}, found.counts.map(([name, number]) => h("tr", {}, h("td", {}, name), h("td", {}, String(number)))))));
    const text = [
      h("p", {}, `${WAYS[way]}: ${count(found.photos, "photo")}`,
        found.unlabelled > 0 && `, and ${count(found.unlabelled, "photo")} without a label`, found.target ? `, in ${found.target}` : "", "."),
      way === "move" && h("p", { class: "bad" }, "The photos leave the folder where they are. It can be taken back here."),
      found.unread > 0 && h("p", {}, `${count(found.unread, "photo")} could not be read and stay where they are.`),
      found.waiting > 0 && h("p", {}, `${count(found.waiting, "photo")} moved by hand to a class that is gone: as classified.`), table,
    ];
    if (await ask("This is what will be done", text, "Do it")) {
      await run(() => post("/api/review/write", { way, settings: app.settings, plan: found.plan }));
    }
  };
  const back = async (what, words) => {
    if (await ask("Take it back?", h("p", {}, `This undoes ${words}. What somebody changed since stays.`), "Take it back")) {
      await run(() => post("/api/review/back", { way: what }));
    }
  };
  refresh();
  return panel;
}
