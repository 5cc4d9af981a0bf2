"use strict";

// Each card waits as text. Cards are made a block at a time, when the block comes near the window, and
// taken away again: thousands of them at once would take seconds and gigabytes.
const BLOCK = 24; // whole rows of one, two, three or four columns
const order = new Intl.Collator(undefined, { numeric: true });
const list = document.querySelector(".photos");
const form = document.querySelector(".controls");
const openWhy = matchMedia("(min-width: 60rem)").matches;

const photos = Array.from(document.querySelectorAll("#stored script"), (stored, number) => {
  const { name, labels, sure } = stored.dataset;
  const photo = { stored, number, name, labels: JSON.parse(labels), sure: sure === "" ? null : Number(sure) };
  photo.first = photo.labels[0] ?? null;
  photo.text = [name, ...photo.labels].join("\n").toLowerCase();
  return photo;
});

function missingLast(a, b, compare) {
  return a === null || b === null ? (a === null) - (b === null) : compare(a, b);
}

const orders = {
  given: () => 0,
  unsure: (a, b) => missingLast(a.sure, b.sure, (x, y) => x - y),
  doubtful: (a, b) => (a.sure !== null) - (b.sure !== null) || a.sure - b.sure,
  sure: (a, b) => missingLast(a.sure, b.sure, (x, y) => y - x),
  label: (a, b) => missingLast(a.first, b.first, order.compare) || missingLast(a.sure, b.sure, (x, y) => y - x),
  name: (a, b) => order.compare(a.name, b.name),
};

function fill(block) {
  if (block.firstChild) return;
  for (const photo of block.photos) {
    const place = document.createElement("li");
    place.innerHTML = photo.stored.textContent; // escaped when the page was written
    if (openWhy) for (const one of place.querySelectorAll("details")) one.open = true;
    block.append(place);
  }
}

const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) fill(target);
    else if (!target.contains(document.activeElement)) target.replaceChildren();
  }
}, { rootMargin: "1500px 0px" });

function blocksOf(found) {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const columns = Math.max(1, Math.floor((list.clientWidth + 1.25 * rem) / (30.25 * rem)));
  const blocks = [];
  for (let start = 0; start < found.length; start += BLOCK) {
    const block = document.createElement("ul");
    block.className = "gallery";
    block.photos = found.slice(start, start + BLOCK);
    block.setAttribute("aria-label", `Photos ${start + 1} to ${start + block.photos.length}`);
    const rows = Math.ceil(block.photos.length / columns);
    block.style.containIntrinsicSize = `auto 60rem auto ${rows * 18}rem`; // until it was seen
    blocks.push(block);
  }
  return blocks;
}

const tests = { all: () => true, none: (photo) => photo.sure !== null && photo.first === null, unread: (photo) => photo.sure === null };

function show() {
  const wanted = form.elements.text.value.trim().toLowerCase();
  const label = form.elements.label.value;
  const test = tests[label] ?? ((photo) => photo.labels.includes(label.slice(1)));
  const found = photos.filter((photo) => test(photo) && photo.text.includes(wanted));
  found.sort((a, b) => orders[form.elements.order.value](a, b) || a.number - b.number);
  const blocks = blocksOf(found);
  watcher.disconnect();
  list.replaceChildren(...blocks);
  if (blocks.length) fill(blocks[0]);
  for (const block of blocks) watcher.observe(block);
  const all = photos.length.toLocaleString("en");
  form.querySelector("output").textContent =
    found.length === photos.length ? `${all} photos` : `${found.length.toLocaleString("en")} of ${all} photos`;
}

function choice(value, text, number) {
  if (!number) return;
  form.elements.label.append(new Option(`${text} (${number.toLocaleString("en")})`, value));
}

const counts = new Map();
for (const { labels } of photos) for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
choice("all", "all", photos.length);
choice("none", "no label", photos.filter(tests.none).length);
choice("unread", "not readable", photos.filter(tests.unread).length);
for (const label of [...counts.keys()].sort(order.compare)) choice("=" + label, label, counts.get(label));

const { first } = form.elements.label.dataset;
if (first && counts.has(first.slice(1))) form.elements.label.value = first;

list.addEventListener("click", ({ target }) => {
  const covered = target.closest(".covered");
  if (!covered) return;
  const shown = covered.classList.toggle("shown");
  covered.querySelector(".uncover").textContent = shown ? "Blur photo" : "Show photo";
});

let waiting;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", show);
form.elements.text.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(show, 120);
});
addEventListener("beforeprint", () => {
  for (const block of Array.from(list.children).slice(0, 20)) fill(block);
});
form.hidden = false;
show();
