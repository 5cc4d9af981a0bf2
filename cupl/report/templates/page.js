"use strict";

function sortValue(row, column) {
  const cell = row.cells[column];
  const value = cell.dataset.value;
  if (value === undefined) return cell.textContent.trim();
  return value === "" ? null : Number(value);
}

function compare(a, b) {
  return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
}

function sortBy(table, head) {
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const rows = Array.from(table.tBodies[0].rows, (row) => [sortValue(row, head.cellIndex), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null); // what is missing stays last
    return descending ? compare(b, a) : compare(a, b);
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

// The same hint in words as the shade at the edge, where a table is wider than the window.
function hint(box) {
  const wide = box.scrollWidth > box.clientWidth + 1;
  let line = box.previousElementSibling;
  if (!line || !line.classList.contains("hint")) {
    if (!wide) return;
    line = document.createElement("p");
    line.className = "hint";
    line.setAttribute("aria-hidden", "true");
    line.textContent = "Scroll sideways for more columns \u2192";
    box.before(line);
  }
  line.hidden = !wide;
}

const boxes = document.querySelectorAll(".scroll");
const watcher = new ResizeObserver((entries) => entries.forEach((entry) => hint(entry.target)));
for (const box of boxes) watcher.observe(box);

// Where there is place, what explains a label is open.
if (matchMedia("(min-width: 60rem)").matches) {
  for (const one of document.querySelectorAll("details.why")) one.open = true;
}

// The buttons are made here, so that a page whose script does not run has none that do nothing.
for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length < 2) continue;
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head));
  }
}
