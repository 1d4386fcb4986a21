"use strict";
// Reads values off the curves, with the pointer or with the slider and the keyboard; everything else needs no script.
// A page that a server hands out fills its curve while the run goes on.
const percent = (y) => (100 * Math.min(1, Math.max(0, y))).toFixed(1);
const valueAt = (line, x) => {
  let low = 0, high = line.x.length - 1;
  if (x > line.x[high] + 1e-9) return null;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (line.x[middle] < x - 1e-9) low = middle + 1; else high = middle;
  }
  return line.y[low];
};
const dataOf = (figure) => JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
for (const figure of document.querySelectorAll("figure.chart")) {
  const plot = figure.querySelector(".plot"), reader = figure.querySelector(".reader");
  const slider = reader.querySelector("input"), said = reader.querySelector("output");
  const values = figure.querySelectorAll(".legend output");
  figure.data = dataOf(figure);
  figure.read = () => {
    const data = figure.data, x = Number(slider.value), place = data.left + (x / data.right) * data.width;
    figure.classList.add("read");
    plot.querySelector(".cross").setAttribute("transform", `translate(${place.toFixed(1)} 0)`);
    const number = Number(x.toFixed(4)), scaled = data.per ? ` (${(x * data.per).toFixed(1)}/${data.per})` : "";
    said.textContent = `${number}${scaled}`;
    const texts = data.lines.map((line, i) => {
      const y = valueAt(line, x);
      const text = y === null ? "beyond its draws" : `${percent(y)} %`
        + (line.down === null ? "" : ` (${percent(y - line.down)} to ${percent(y + line.up)})`);
      values[i].textContent = text;
      return `${line.name}: ${text}`;
    });
    slider.setAttribute("aria-valuetext", `${data.word} ${number}${scaled}: ${texts.join("; ")}`);
  };
  reader.hidden = false;
  slider.addEventListener("input", figure.read);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect(), data = figure.data;
    const x = ((event.clientX - box.left) / box.width * data.of - data.left) / data.width * data.right;
    slider.value = Math.min(data.right, Math.max(0, x));
    figure.read();
  });
}
window.addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});
if (document.body.dataset.live) {
  const source = new EventSource(document.body.dataset.live), said = document.getElementById("live");
  source.addEventListener("message", (event) => {
    const now = JSON.parse(event.data), figure = document.getElementById("chart-curves");
    if (now.ended || (now.svg && !figure)) {
      source.close();
      location.reload();
      return;
    }
    said.textContent = now.said;
    if (now.svg) {
      figure.querySelector(".plot").innerHTML = now.svg;
      figure.data = now.data;
      figure.querySelector(".reader input").max = now.data.right;
      if (figure.classList.contains("read")) figure.read();
    }
  });
}
