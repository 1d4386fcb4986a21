"use strict";
// Asks the service about a picture, shows what comes in while it comes in, and moves the picture.
const facts = JSON.parse(document.getElementById("facts").textContent);
const [C, H, W] = facts.shape, size = C * H * W;
const $ = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString("en-US");
const down = (x, digits) => (Math.floor(x * 10 ** digits) / 10 ** digits).toFixed(digits);
const className = (k) => (k < 0 ? "abstains" : facts.classes[k]);
// of the input: how it is asked about, its 8-bit pixels, its class where known; of the answer: class and radius
let input = null, answer = null, direction = null, asking = null, moving = null, timer = 0;

const draw = (canvas, pixels, label) => {
  canvas.width = W;
  canvas.height = H;
  const image = new ImageData(W, H);
  for (let i = 0; i < H * W; i += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = pixels[(C < 3 ? 0 : c) * H * W + i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", label);
};
const nested = (flat) => Array.from({ length: C }, (_, c) => Array.from({ length: H }, (_, h) =>
  Array.from(flat.slice((c * H + h) * W, (c * H + h + 1) * W))));
const say = (text, tone = "", spoken = true) => {
  $("verdict").textContent = text;
  $("verdict").className = `verdict ${tone}`;
  if (spoken) $("spoken").textContent = text;
};
const post = (question, body, signal) => fetch(`v1/${question}`, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal,
});
const told = async (response) => {
  const said = await response.json().catch(() => ({ error: `status ${response.status}`, remedy: "look at the service" }));
  return `${said.error}; ${said.remedy}`;
};

const bars = (votes, n) => {
  const order = votes.map((_, k) => k);
  const shown = order.length <= 10 ? order : order.sort((a, b) => votes[b] - votes[a]).slice(0, 8);
  $("bars").replaceChildren(...shown.map((k) => {
    const line = document.createElement("li"), bar = document.createElement("span");
    const name = document.createElement("span"), share = document.createElement("span");
    bar.className = "bar";
    bar.style.setProperty("--share", n ? votes[k] / n : 0);
    name.textContent = facts.classes[k];
    share.textContent = n ? `${number(votes[k])} (${((100 * votes[k]) / n).toFixed(1)} %)` : "0";
    line.append(bar, name, share);
    return line;
  }));
};
// p_lower against draws, both on scales that show another nine as far away as the last; below 1/2 nothing is certified
const rise = (points, of) => {
  const left = 76, right = 560, top = 14, bottom = 132, nines = (p) => -Math.log10(1 - p);
  const first = nines(0.5), last = Math.log10(of / 6.9) + 0.1, decades = Math.log10(of) - 2;
  const x = (n) => left + (decades ? Math.min(1, Math.max(0, Math.log10(n) - 2) / decades) : 1) * (right - left);
  const y = (p) => bottom - (Math.max(0, nines(Math.min(p, 1 - 1e-12)) - first) / (last - first)) * (bottom - top);
  const parts = [];
  for (const p of [0.5, 0.9, 0.99, 0.999, 0.9999].filter((each) => nines(each) <= last)) parts.push(["path", { class: "grid", d: `M${left} ${y(p)}H${right}` }], ["text", { x: left - 6, y: y(p) + 5, "text-anchor": "end" }, String(p)]);
  for (let n = 100; n <= of; n *= 10) parts.push(["text", { x: x(n), y: bottom + 24, "text-anchor": "middle" }, number(n)]);
  parts.push(["text", { class: "label", x: (left + right) / 2, y: 192, "text-anchor": "middle" }, "draws; p_A at least, as if they ended here"]);
  if (points.length) {
    parts.push(["path", { class: "curve", d: `M${points.map(([n, p]) => `${x(n).toFixed(1)} ${y(p).toFixed(1)}`).join("L")}` }]);
    const [n, p] = points[points.length - 1];
    parts.push(["circle", { class: "mark", cx: x(n), cy: y(p), r: 4 }]);
  }
  $("rise").replaceChildren(...parts.map(([kind, attributes, text]) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text) made.textContent = text;
    return made;
  }));
};
const running = (on) => {
  $("go").disabled = on || input === null;
  $("stop").disabled = !on;
};
const choose = (chosen) => {
  if (asking) asking.abort();
  if (moving) moving.abort();
  input = chosen;
  answer = direction = null;
  const label = chosen.name + (chosen.label === null ? "" : `, labelled ${facts.classes[chosen.label]}`);
  draw($("clean"), chosen.pixels, label);
  draw($("moved"), chosen.pixels, `${label}, not moved`);
  $("under").textContent = label;
  for (const button of $("chosen").querySelectorAll("button")) button.setAttribute("aria-pressed", String(Number(button.dataset.index) === chosen.index));
  reset();
  running(false);
};
const reset = () => {
  $("copies").replaceChildren();
  $("first").hidden = $("ball").hidden = true;
  $("drawn").textContent = $("where").textContent = "";
  $("f").textContent = $("g").textContent = "-";
  $("far").value = 0;
  $("far").disabled = true;
  $("distance").textContent = "0";
  bars(facts.classes.map(() => 0), 0);
  rise([], Number($("n").value));
};

const certify = async () => {
  const asked = input, n = Number($("n").value), points = [];
  answer = direction = null;
  reset();
  if (asking) asking.abort();
  asking = new AbortController();
  const mine = asking;
  running(true);
  say("Running: no certificate yet.", "warn");
  try {
    const body = asked.index === null ? { pixels: nested(asked.pixels) } : { index: asked.index };
    const response = await post("certify", { ...body, n, copies: 6 }, mine.signal);
    if (!response.ok) { say(await told(response), "bad"); return; }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "", ended = false;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const message = JSON.parse(line);
        ended = ended || ["certificate", "error"].includes(message.is);
        take(message, points, asked, n);
      }
    }
    if (!ended) say("The service went away before the end: nothing is certified; ask again.", "bad");
  } catch (error) {
    if (mine === asking) say(error.name === "AbortError" ? "Stopped before the end: nothing is certified." : `The service does not answer (${error.message}); is it running?`, error.name === "AbortError" ? "" : "bad");
  } finally {
    if (mine === asking) { asking = null; running(false); }
  }
};
const take = (message, points, asked, n) => {
  if (message.is === "begin") {
    $("first").hidden = message.copies.length === 0;
    $("copies").replaceChildren(...message.copies.map((copy, i) => {
      const made = document.createElement("img");
      made.className = "copy";
      made.src = copy;
      made.alt = `noisy copy ${i + 1}`;
      return made;
    }));
    asked.clean = message.clean;
  } else if (message.is === "counts") {
    bars(message.votes, message.drawn);
    if (message.p_lower !== null) points.push([message.drawn, message.p_lower]);
    rise(points, n);
    const what = message.stage === "select" ? "select the class" : "fresh ones estimate its probability";
    $("drawn").textContent = `${number(message.drawn)} of ${number(message.of)} draws: ${what}`;
    const so = message.p_lower === null ? "" : ` So far p_A is at least ${down(message.p_lower, 4)}.`;
    say(`Running: no certificate yet.${so}`, "warn", false);
  } else if (message.is === "error") {
    say(`${message.error}; ${message.remedy}`, "bad");
  } else {
    answer = message;
    const truth = asked.label === null || message.prediction < 0 ? "" : message.prediction === asked.label ? " (as it is labelled)" : ` (it is labelled ${facts.classes[asked.label]})`;
    if (message.prediction < 0) say(`Abstains: p_A is not above 1/2 for sure (at least ${down(message.p_lower, 4)}).`, "warn");
    else say(`Certified: ${message.name}${truth}, and no perturbation of ${message.norm.toUpperCase()} length below ${down(message.radius, 3)} (${down(255 * message.radius, 1)}/255) can change that.`, "good");
    $("drawn").textContent = `${number(message.draws)} draws; p_A at least ${down(message.p_lower, 4)}; kept as ${message.run}`;
    const most = message.prediction < 0 ? 2 * facts.sigma : Math.max(2 * message.radius, facts.sigma);
    $("far").max = most;
    $("far").step = most / 200;
    $("far").disabled = message.norm !== "l2";
    $("ball").hidden = message.prediction < 0 || message.norm !== "l2";
    $("edge").style.width = `${(100 * message.radius) / most}%`;
    $("edge").textContent = `certified: ${down(message.radius, 3)}`;
    $("f").textContent = className(message.clean);
    $("g").textContent = className(message.prediction);
    where(0);
  }
};

const kind = () => document.querySelector("input[name=kind]:checked").value;
const length = (delta) => Math.sqrt(delta.reduce((sum, d) => sum + d * d, 0));
const gaussian = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const find = async () => {
  if (direction && direction.kind === kind()) return;
  let delta = Array.from({ length: size }, gaussian);
  if (kind() === "attack") {
    const from = answer.prediction < 0 ? Math.max(0, answer.clean) : answer.prediction;
    $("where").textContent = "The attack looks for a direction ...";
    const body = input.index === null ? { pixels: nested(input.pixels) } : { index: input.index };
    const response = await post("attack", { ...body, away_from: from, distance: Number($("far").max) }, moving.signal);
    if (!response.ok) throw new Error(await told(response));
    delta = (await response.json()).delta.flat(2);
  }
  direction = { kind: kind(), delta, length: length(delta) || 1 };
};
const where = (actual) => {
  const inside = answer && answer.prediction >= 0 && actual < answer.radius;
  const text = answer.prediction < 0 ? "nothing is certified here" : inside ? "inside the certified ball: g cannot change" : "outside the certified ball: nothing is promised";
  $("where").textContent = `Distance ${actual.toFixed(3)} after rounding: ${text}.`;
  $("far").setAttribute("aria-valuetext", `distance ${actual.toFixed(3)}, ${text}`);
};
const move = async () => {
  $("distance").textContent = Number($("far").value).toFixed(3);
  $("f").textContent = $("g").textContent = "...";
  if (moving) moving.abort();
  moving = new AbortController();
  const mine = moving, asked = input;
  try {
    await find();
    if (mine !== moving) return;
    const scale = Number($("far").value) / direction.length;
    const pixels = asked.pixels.map((p, i) => Math.min(255, Math.max(0, Math.round(p + 255 * scale * direction.delta[i]))));
    const actual = length(pixels.map((p, i) => (p - asked.pixels[i]) / 255));
    draw($("moved"), pixels, `${asked.name}, moved by ${actual.toFixed(3)}`);
    where(actual);
    clearTimeout(timer);
    await new Promise((resolve) => { timer = setTimeout(resolve, 200); });
    if (mine !== moving) return;
    const response = await post("predict", { pixels: nested(pixels), n: 1000 }, mine.signal);
    if (!response.ok) throw new Error(await told(response));
    const said = await response.json();
    if (mine !== moving) return;
    const was = (k, before) => (k === before ? "" : " - changed");
    $("f").textContent = className(said.clean) + was(said.clean, answer.clean);
    $("g").textContent = `${className(said.prediction)} (${number(Math.max(...said.votes))} of ${number(said.draws)} votes)${was(said.prediction, answer.prediction)}`;
  } catch (error) {
    if (error.name !== "AbortError") $("where").textContent = error.message;
  }
};

const own = async (file) => {
  try {
    if (file.size > 2e7) throw new Error("it is above 20 MB");
    const picture = await createImageBitmap(file), canvas = document.createElement("canvas");
    canvas.width = W;
    canvas.height = H;
    const scale = Math.max(W / picture.width, H / picture.height), context = canvas.getContext("2d");
    context.drawImage(picture, (W - picture.width * scale) / 2, (H - picture.height * scale) / 2, picture.width * scale, picture.height * scale);
    const { data } = context.getImageData(0, 0, W, H);
    const pixels = Array.from({ length: size }, (_, i) => {
      const at = 4 * (i % (H * W));
      return C === 3 ? data[at + Math.floor(i / (H * W))] : Math.round(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]);
    });
    choose({ index: null, pixels, label: null, name: file.name });
    certify();
  } catch (error) {
    say(`This is no picture that your browser reads (${error.message}); give a PNG or JPEG.`, "bad");
  }
};
const shipped = async (index) => {
  const response = await fetch(`pictures/${index}.json`).catch((error) => error);
  if (!response.ok) { say("The service does not answer; is it running?", "bad"); return; }
  choose({ index, pixels: (await response.json()).flat(2), label: facts.labels[index], name: `picture ${index}` });
  certify();
};
facts.labels.forEach((label, index) => {
  const item = document.createElement("li"), button = document.createElement("button"), image = document.createElement("img");
  button.type = "button";
  button.dataset.index = index;
  button.setAttribute("aria-pressed", "false");
  image.src = `pictures/${index}.png`;
  image.alt = `${index}: ${facts.classes[label]}`;
  image.title = image.alt;
  image.className = "pixels";
  image.loading = "lazy";
  image.width = W;
  image.height = H;
  button.append(image);
  button.addEventListener("click", () => shipped(index));
  item.append(button);
  $("chosen").append(item);
});
for (const n of [1000, 10000, 100000].filter((each) => each + 100 <= facts.most)) {
  const option = new Option(number(n), n, n === 10000, n === 10000);
  $("n").append(option);
}
$("ask").addEventListener("submit", (event) => { event.preventDefault(); if (input) certify(); });
$("stop").addEventListener("click", () => { if (asking) asking.abort(); });
$("file").addEventListener("change", () => { if ($("file").files.length) own($("file").files[0]); });
for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  $("drop").addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.toggle("over", over); });
}
$("drop").addEventListener("drop", (event) => { if (event.dataTransfer.files.length) own(event.dataTransfer.files[0]); });
$("far").addEventListener("input", move);
for (const radio of document.querySelectorAll("input[name=kind]")) radio.addEventListener("change", () => { if (answer) move(); });
$("explorer").hidden = false;
$("still").hidden = true;
reset();
running(false);
