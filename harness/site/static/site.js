"use strict";

// Sorting: a button in the head of a column sorts by it, and turns the order round when pressed again.

/** What a cell is sorted by: its data-key where it has one, else its text. */
function key(row, column) {
  const cell = row.cells[column];
  return cell.dataset.key === undefined ? cell.textContent.trim() : cell.dataset.key;
}

/** Compare two keys; an empty one comes last in either order. */
function compare(a, b, numeric, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  return sign * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
}

function sort(table, head) {
  const column = head.cellIndex;
  const numeric = head.dataset.kind === "number";
  // Of figures the largest is wanted first, of ranks and of text the first.
  const first = numeric && column > 0 ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  for (const each of head.parentNode.querySelectorAll("[aria-sort]")) each.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", order);
  const body = table.tBodies[0];
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...body.rows].map((row) => [key(row, column), row]);
  rows.sort(([a], [b]) => compare(a, b, numeric, sign));
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const button of table.tHead.querySelectorAll("button")) {
    button.addEventListener("click", () => sort(table, button.closest("th")));
  }
}

// Filtering: rows that have every word of the field, in any cell or in what is said of them unseen.

function filter(field) {
  const rows = [...document.getElementById(field.dataset.table).tBodies[0].rows];
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = `${row.textContent} ${row.dataset.find || ""}`.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += !row.hidden;
  }
  const count = document.querySelector(`[data-count="${field.dataset.table}"]`);
  count.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
}

for (const field of document.querySelectorAll("input[data-table]")) {
  field.addEventListener("input", () => filter(field));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      field.value = "";
      filter(field);
    }
  });
  filter(field); // a browser may have kept what was typed before
}

// Charts: drawn when they come near, in the colours that the style sheet has in the light or dark.

const style = getComputedStyle(document.documentElement);

/** Put colours in the place of the names of custom properties. */
function coloured(value) {
  if (typeof value === "string") {
    return /^--[a-z0-9-]+$/.test(value) ? style.getPropertyValue(value).trim() || value : value;
  }
  if (Array.isArray(value)) return value.map(coloured);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, coloured(each)]));
}

/** Return an axis of the chart in the page's hand. */
function axis(given) {
  const quiet = { gridcolor: "--rule", linecolor: "--rule", tickcolor: "--rule", fixedrange: true };
  return { ...quiet, tickfont: { size: 11 }, ...given, title: { standoff: 10, font: { size: 12 }, ...given.title } };
}

function draw(place) {
  const { data, layout } = JSON.parse(place.querySelector("script").textContent);
  const theme = {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: style.getPropertyValue("--sans"), size: 12, color: "--ink" },
    hoverlabel: { bgcolor: "--raised", bordercolor: "--rule", font: { color: "--ink" } },
    hovermode: "closest",
    dragmode: false,
    height: Number(place.dataset.height),
  };
  const drawn = { ...theme, ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis) };
  const options = { displayModeBar: false, responsive: true, doubleClick: false };
  Plotly.react(place, coloured(data), coloured(drawn), options);
}

const charts = [...document.querySelectorAll(".chart")];
if (charts.length && typeof Plotly !== "undefined") {
  for (const place of charts) place.style.height = `${place.dataset.height}px`;
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        draw(target);
        target.dataset.drawn = "";
      }
    },
    { rootMargin: "400px" },
  );
  charts.forEach((place) => near.observe(place));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.querySelectorAll("[data-drawn]").forEach(draw);
  });
}
