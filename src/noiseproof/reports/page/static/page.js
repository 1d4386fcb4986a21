"use strict";
// Reads values off the curves: with the pointer, or with the slider and the keyboard. Everything else needs no script.
for (const figure of document.querySelectorAll("figure.chart")) {
  const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
  const svg = figure.querySelector(".plot svg"), cross = svg.querySelector(".cross");
  const reader = figure.querySelector(".reader"), slider = reader.querySelector("input");
  const said = reader.querySelector("output"), values = figure.querySelectorAll(".legend output");
  const percent = (y) => (100 * Math.min(1, Math.max(0, y))).toFixed(1);
  const at = (line, x) => {
    let low = 0, high = line.x.length - 1;
    if (x > line.x[high] + 1e-9) return null;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (line.x[middle] < x - 1e-9) low = middle + 1; else high = middle;
    }
    return line.y[low];
  };
  const read = () => {
    const x = Number(slider.value), place = data.left + (x / data.right) * data.width;
    figure.classList.add("read");
    cross.setAttribute("transform", `translate(${place.toFixed(1)} 0)`);
    const number = Number(x.toFixed(4)), scaled = data.per ? ` (${(x * data.per).toFixed(1)}/${data.per})` : "";
    said.textContent = `${number}${scaled}`;
    const texts = data.lines.map((line, i) => {
      const y = at(line, x);
      const text = y === null ? "beyond its draws" : `${percent(y)} %`
        + (line.down === null ? "" : ` (${percent(y - line.down)} to ${percent(y + line.up)})`);
      values[i].textContent = text;
      return `${line.name}: ${text}`;
    });
    slider.setAttribute("aria-valuetext", `${data.word} ${number}${scaled}: ${texts.join("; ")}`);
  };
  reader.hidden = false;
  slider.addEventListener("input", read);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width * data.of - data.left) / data.width * data.right;
    slider.value = Math.min(data.right, Math.max(0, x));
    read();
  });
}
window.addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});
