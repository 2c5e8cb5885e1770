// Keeps the status page current: asks for data.json, fills what has a data-f, draws the strip.
"use strict";

const EVERY = 1000; // milliseconds
const SPANS = [60, 120, 180]; // seconds in the strip: as few as show what happened
const NARROW = 480; // pixels; a strip that is narrower keeps to the first span
const LANE = 22, NARROW_LEFT = 58, WIDE_LEFT = 132, TOP = 6, BOTTOM = 24; // pixels
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function fill(node, values) {
  for (const place of node.querySelectorAll("[data-f]")) {
    const text = String(values[place.dataset.f] ?? "");
    if (place.textContent !== text) place.textContent = text;
  }
  for (const place of node.querySelectorAll("[data-if]")) place.hidden = !values[place.dataset.if];
}

function span(data, width) {
  const oldest = Math.min(data.now, ...data.happenings.map((one) => one.at), ...(data.rotator?.windows ?? []).map((one) => one.opened));
  return width < NARROW ? SPANS[0] : SPANS.find((seconds) => data.now - oldest <= seconds) ?? SPANS.at(-1);
}

function rows(list, template, all) {
  list.replaceChildren(...all.map((values) => {
    const row = byId(template).content.firstElementChild.cloneNode(true);
    fill(row, values);
    return row;
  }));
}

function draw(name, attributes, text) {
  const shape = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
  if (text) {
    const title = document.createElementNS(SVG, "title");
    title.textContent = text;
    shape.append(title);
  }
  return shape;
}

function label(x, y, text, anchor) {
  const shape = draw("text", { x, y, class: "label", "text-anchor": anchor });
  shape.textContent = text;
  return shape;
}

const SHAPES = {
  Rejected: (x, y) => ["path", { d: `M${x - 6} ${y - 4.5}l4.5 4.5l-4.5 4.5l-4.5 -4.5z`, class: "rejected" }],
  Recovered: (x, y) => ["circle", { cx: x + 5, cy: y, r: 4.5, class: "recovered" }],
  Rotated: (x, y) => ["rect", { x: x - 1.25, y: y - 8, width: 2.5, height: 16, rx: 1, class: "rotated" }],
  RefreshFailed: (x, y) => ["rect", { x: x - 4, y: y - 4, width: 8, height: 8, class: "failed" }],
};

function strip(data) {
  const svg = byId("strip"), legend = byId("legend");
  svg.removeAttribute("hidden");
  legend.hidden = false;
  const lanes = data.workers.map((worker) => worker.key), names = data.workers.map((worker) => worker.lane);
  const left = names.some((name) => name.includes(":")) ? WIDE_LEFT : NARROW_LEFT;
  const width = svg.clientWidth, bottom = TOP + lanes.length * LANE, height = bottom + BOTTOM;
  const seconds = span(data, width);
  const x = (at) => left + (width - left - 10) * (1 - (data.now - at) / seconds);
  const begin = data.now - seconds;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  const shapes = [];
  for (const { opened, closed, strategy } of data.rotator?.windows ?? []) {
    if ((closed ?? data.now) < begin) continue;
    const from = Math.max(x(opened), left), to = x(closed ?? data.now);
    shapes.push(draw("rect", { x: from, y: TOP, width: Math.max(to - from, 2), height: bottom - TOP, rx: 3, class: `window ${strategy}` }, strategy));
  }
  names.forEach((name, lane) => {
    const y = TOP + (lane + 0.5) * LANE;
    shapes.push(draw("line", { x1: left, x2: width - 10, y1: y, y2: y, class: "lane" }), label(left - 8, y + 4, name, "end"));
  });
  for (let ago = 0; ago <= seconds; ago += seconds / 3) {
    const at = x(data.now - ago);
    shapes.push(draw("line", { x1: at, x2: at, y1: bottom, y2: bottom + 5, class: "tick" }));
    shapes.push(label(at, bottom + 19, ago ? `−${ago} s` : "now", ago ? (ago === seconds ? "start" : "middle") : "end"));
  }
  for (const { at, worker, kind, version, stages, detail } of data.happenings) {
    const lane = lanes.indexOf(worker), shape = SHAPES[kind];
    if (lane < 0 || !shape || at < begin) continue;
    const [name, attributes] = shape(x(at), TOP + (lane + 0.5) * LANE);
    shapes.push(draw(name, attributes, [kind, version, stages, detail].filter(Boolean).join(" · ")));
  }
  svg.replaceChildren(...shapes);
}

function show(data) {
  fill(byId("me"), data.me);
  fill(byId("all"), data.all);
  byId("stage").dataset.stage = data.me.stage;
  byId("version").title = data.me.version_id;
  byId("trouble").textContent = data.trouble ?? "";
  byId("trouble").hidden = !data.trouble;
  if (byId("step") && data.rotator) byId("step").textContent = data.rotator.step;
  rows(byId("rotations"), "rotation-row", data.rotations);
  byId("none").hidden = data.rotations.length > 0 || Boolean(data.rotator?.busy);
  for (const button of document.querySelectorAll(".rotate button")) button.disabled = Boolean(data.rotator?.busy);
  rows(byId("workers"), "worker-row", data.workers);
  strip(data);
}

async function poll() {
  const live = byId("live");
  try {
    if (!document.hidden) {
      const answer = await fetch("data.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      show(await answer.json());
    }
    live.textContent = "live";
    live.classList.remove("stopped");
  } catch {
    live.textContent = "no answer";
    live.classList.add("stopped");
  }
  setTimeout(poll, EVERY);
}

poll();
