"use strict";
// Sorts and filters the table of runs, keeps both in the address, and takes in what changes while it is looked at.
const data = JSON.parse(document.getElementById("data").textContent);
const rows = new Map(data.rows.map((row) => [row.name, row]));
const form = document.getElementById("filter"), table = document.getElementById("runs"), body = table.tBodies[0];
const more = document.getElementById("more"), count = document.getElementById("count");
const compare = document.getElementById("compare"), ticked = new Set();
const PAGE = 200;
let shown = PAGE, drawn = false;
const address = new URLSearchParams(location.search);
let sort = address.get("sort") || "name", down = address.get("down") === "1";
form.hidden = false;
if (address.has("q")) form.elements.q.value = address.get("q");
if (address.has("r")) form.elements.r.value = address.get("r");

const grouped = (n) => n.toLocaleString("en-US");
const place = (name) => `run/${name.split("/").map(encodeURIComponent).join("/")}.html`;
const state = (row) => row.state + (row.verified ? ", verified" : "");
const value = (row) => {
  if (sort === "certified") return row.certified === null ? -1 : row.certified[Number(form.elements.r.value)];
  if (sort === "state") return state(row);
  return row[sort] === null ? -1 : row[sort];
};
const cell = (text, kind = "td") => {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
};
const line = (row) => {
  const made = document.createElement("tr"), at = Number(form.elements.r.value);
  if (data.live) {
    const box = document.createElement("input"), first = cell("");
    box.type = "checkbox";
    box.checked = ticked.has(row.name);
    box.disabled = row.certified === null;
    box.setAttribute("aria-label", `compare ${row.name}`);
    box.addEventListener("change", () => {
      if (box.checked) ticked.add(row.name); else ticked.delete(row.name);
      compare.disabled = ticked.size < 2;
    });
    first.append(box);
    made.append(first);
  }
  const name = cell("", "th"), link = document.createElement("a");
  name.scope = "row";
  link.href = place(row.name);
  link.textContent = row.name;
  name.append(link);
  const last = cell(""), badge = document.createElement("span");
  last.className = "state";
  badge.className = `state ${row.state}`;
  badge.textContent = state(row);
  last.append(badge);
  if (row.said) {
    const said = document.createElement("small");
    said.textContent = row.said;
    last.append(said);
  }
  made.append(name, last, cell(row.certified === null ? "" : `${(100 * row.certified[at]).toFixed(1)} %`));
  made.append(cell(row.acr === null ? "" : row.acr.toFixed(3)));
  made.append(cell(row.state ? grouped(row.done) + (row.asked ? ` of ${grouped(row.asked)}` : "") : ""));
  made.append(cell(row.noise), cell(row.model), cell(row.data), cell(row.procedure), cell(row.state ? grouped(row.draws) : ""));
  return made;
};
const draw = () => {
  const words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [...rows.values()].filter((row) => {
    const text = [row.name, row.model, row.data, row.noise, row.procedure, state(row), row.said].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const keyed = found.map((row) => [value(row), row]);
  keyed.sort(([a, one], [b, other]) => {
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en");
    return (down ? -order : order) || one.name.localeCompare(other.name, "en");
  });
  body.replaceChildren(...keyed.slice(0, shown).map(([, row]) => line(row)));
  more.hidden = found.length <= shown;
  const said = `${grouped(found.length)} of ${grouped(rows.size)} runs`;
  if (count.textContent !== said) count.textContent = said;
  for (const head of table.tHead.querySelectorAll("th[data-field]")) {
    if (head.dataset.field === sort) head.setAttribute("aria-sort", down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  if (drawn) {
    const now = new URLSearchParams();
    if (form.elements.q.value) now.set("q", form.elements.q.value);
    now.set("r", form.elements.r.value);
    now.set("sort", sort);
    if (down) now.set("down", "1");
    history.replaceState(null, "", `?${now}`);
  }
  drawn = true;
};
for (const head of table.tHead.querySelectorAll("th[data-field]")) {
  const button = document.createElement("button"), field = head.dataset.field;
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => {
    down = sort === field ? !down : ["certified", "acr", "done", "draws"].includes(field);
    sort = field;
    draw();
  });
  head.replaceChildren(button);
}
form.addEventListener("input", () => { shown = PAGE; draw(); });
form.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", () => { shown += 5 * PAGE; draw(); });
if (compare) compare.addEventListener("click", () => {
  location.href = `compare?${new URLSearchParams([...ticked].map((name) => ["run", name]))}`;
});
draw();
if (data.live) {
  const source = new EventSource("changes?after=-1");
  source.addEventListener("message", (event) => {
    const now = JSON.parse(event.data);
    for (const row of now.rows) rows.set(row.name, row);
    for (const name of now.gone) { rows.delete(name); ticked.delete(name); }
    if (!body.contains(document.activeElement)) draw();
  });
}
