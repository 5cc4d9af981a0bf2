// The classes of the bank: a list that stays quick with thousands, and a box to filter it.

import { calm, count, fill, h, number as written } from "./dom.js";

/** `choose(number)` is called for a click, the arrow keys or Enter; `add(name)` for a new class. */
export function classList({ choose, add }) {
  let classes = [];
  let chosen = 0;
  const options = new Map();
  const soon = calm(choose, 120);
  const filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the classes", oninput: calm(() => draw(), 80) });
  const found = h("p", { class: "quiet", role: "status" });
  const box = h("div", { class: "class-list", role: "listbox", "aria-label": "Classes" });
  const name = h("input", { type: "text", maxLength: 500, placeholder: "New class", "aria-label": "Name of a new class" });
  const form = h("form", { class: "row nowrap", onsubmit: async (event) => {
    event.preventDefault();
    if (name.value.trim() && await add(name.value)) name.value = "";
  } }, name, h("button", { type: "submit" }, "Add"));
  name.addEventListener("keydown", (event) => { if (event.key === "Escape") name.value = ""; });
  const node = h("section", { class: "panel bank-list", "aria-label": "Classes of the bank" }, filter, found, box, form);

  function draw() {
    const asked = filter.value.trim().toLowerCase();
    options.clear();
    const shown = classes.map((one, place) => [one, place])
      .filter(([one]) => !asked || one.name.toLowerCase().includes(asked) || one.id?.toLowerCase().includes(asked));
    fill(box, shown.map(([one, place]) => {
      const option = h("div", { role: "option", id: `class-${place}`, tabIndex: -1, data: { place: String(place) }, "aria-selected": "false" },
        h("span", { class: "name" }, one.name, one.id && one.id !== one.name ? h("small", { class: "quiet" }, ` ${one.id}`) : null),
        h("span", { class: "quiet figure", "aria-label": count(one.prompts, "prompt") }, written(one.prompts)));
      options.set(place, option);
      return option;
    }));
    found.textContent = asked ? `${written(shown.length)} of ${count(classes.length, "class", "classes")}` : "";
    mark(chosen);
    if (!options.has(chosen) && box.firstChild) box.firstChild.tabIndex = 0;
  }

  function mark(place) {
    const before = options.get(chosen);
    before?.setAttribute("aria-selected", "false");
    if (before) before.tabIndex = -1;
    chosen = place;
    const option = options.get(place);
    if (!option) return;
    for (const other of box.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    option.setAttribute("aria-selected", "true");
    option.tabIndex = 0;
    const [top, bottom] = [option.offsetTop - box.offsetTop, option.offsetTop - box.offsetTop + option.offsetHeight];
    if (top < box.scrollTop) box.scrollTop = top;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
  }

  box.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (!option) return;
    mark(Number(option.dataset.place));
    option.focus();
    choose(chosen);
  });
  box.addEventListener("keydown", (event) => {
    const places = [...options.keys()];
    const here = Math.max(0, places.indexOf(Number(event.target.dataset.place)));
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -here, End: places.length };
    if (!(event.key in steps) && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    const next = places[Math.min(places.length - 1, Math.max(0, here + (steps[event.key] ?? 0)))];
    if (next === undefined) return;
    mark(next);
    options.get(next).focus();
    soon(next);
  });

  return {
    node, mark,
    show(list, place) {
      const held = box.contains(document.activeElement);
      const same = list.length === classes.length && list.every((one, at) => one.name === classes[at].name && one.prompts === classes[at].prompts && one.id === classes[at].id);
      classes = list;
      if (same) return mark(place);
      mark(place);
      const { scrollTop } = box;
      draw();
      box.scrollTop = scrollTop;
      mark(place);
      if (held) (options.get(place) ?? box.firstChild)?.focus();
      return undefined;
    },
  };
}
