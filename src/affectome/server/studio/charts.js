// Affect map, course and time line: SVG with one row chosen, moved by arrow keys or pointer.

import { clock, colour, drawn, element, percent, signed } from "./elements.js";

const MAP = { width: 440, height: 400, left: 34, right: 12, top: 12, bottom: 34 };
const COURSE = { height: 170, left: 34, right: 8, top: 12, bottom: 22 };
const LANE = 26;

// Arrow keys move through rows; the chosen one is told as the value of a slider.
function movable(svg, rows, chosen, choose, label, says) {
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "slider");
  svg.setAttribute("aria-label", label);
  svg.setAttribute("aria-valuemin", "1");
  svg.setAttribute("aria-valuemax", String(rows.length));
  const place = Math.max(rows.indexOf(chosen), 0);
  svg.setAttribute("aria-valuenow", String(place + 1));
  svg.setAttribute("aria-valuetext", says(rows[place]));
  svg.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -rows.length, End: rows.length };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const next = Math.min(Math.max(rows.indexOf(chosen) + steps[event.key], 0), rows.length - 1);
    choose(rows[next], svg.dataset.chart);
  });
  return svg;
}

export function inWords(row) {
  const where = row.timed ? `${clock(row.start)} to ${clock(row.end)}, ` : "";
  const who = row.speaker ? `${row.speaker}: ` : "";
  return `${where}${who}${row.top} ${percent(row.confidence)}, valence ${signed(row.valence)}, arousal ${signed(row.arousal)}`;
}

// Valence from left to right, arousal from bottom to top.
export function affectMap(rows, chosen, choose) {
  const { width, height, left, right, top, bottom } = MAP;
  const x = (value) => left + ((value + 1) / 2) * (width - left - right);
  const y = (value) => top + ((1 - value) / 2) * (height - top - bottom);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, "data-chart": "map" });
  svg.append(
    drawn("rect", { class: "axis", x: x(-1), y: y(1), width: x(1) - x(-1), height: y(-1) - y(1), rx: 6 }),
    drawn("line", { class: "axis", x1: x(-1), x2: x(1), y1: y(0), y2: y(0) }),
    drawn("line", { class: "axis", x1: x(0), x2: x(0), y1: y(-1), y2: y(1) }),
    drawn("text", { x: x(-1), y: height - 12 }, "unpleasant"),
    drawn("text", { x: x(1), y: height - 12, "text-anchor": "end" }, "pleasant"),
    drawn("text", { transform: `translate(14 ${y(-1)}) rotate(-90)` }, "calm"),
    drawn("text", { transform: `translate(14 ${y(1)}) rotate(-90)`, "text-anchor": "end" }, "excited"),
  );
  if (chosen?.valence_sd) {
    const rx = (x(1) - x(0)) * chosen.valence_sd;
    const ry = (y(0) - y(1)) * chosen.arousal_sd;
    const frame = { x: x(-1), y: y(1), width: x(1) - x(-1), height: y(-1) - y(1) };
    svg.append(drawn("clipPath", { id: "map-frame" }, drawn("rect", frame)));
    const about = { class: "spread", cx: x(chosen.valence), cy: y(chosen.arousal), rx, ry };
    svg.append(drawn("ellipse", { ...about, "clip-path": "url(#map-frame)" }));
  }
  const radius = rows.length > 400 ? 3 : rows.length > 60 ? 4.5 : 6.5;
  for (const row of [...rows.filter((each) => each !== chosen), ...(chosen ? [chosen] : [])]) {
    const point = drawn("circle", {
      class: row === chosen ? "point chosen" : "point",
      cx: x(row.valence),
      cy: y(row.arousal),
      r: row === chosen ? radius + 2 : radius,
      style: `fill: ${colour(row.top)}`,
      click: () => choose(row, "map"),
    });
    point.append(drawn("title", {}, `${row.text ? `${row.text.slice(0, 80)} – ` : ""}${inWords(row)}`));
    svg.append(point);
  }
  return movable(svg, rows, chosen, choose, "Affect map: valence and arousal of each row", inWords);
}

// Valence and arousal, in the width that there is, from the first row to the last.
export function course(rows, chosen, choose, { width }) {
  const { height, left, right, top, bottom } = COURSE;
  const step = (width - left - right) / Math.max(rows.length - 1, 1);
  const x = (place) => (rows.length > 1 ? left + place * step : width / 2);
  const y = (value) => top + ((1 - value) / 2) * (height - top - bottom);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "course", "data-chart": "course" });
  svg.append(...frame(width, left, right, y, height));
  svg.append(line(rows, "valence", (row, i) => x(i), y), line(rows, "arousal", (row, i) => x(i), y));
  rows.forEach((row, i) => {
    if (rows.length > 300 && row !== chosen) return;
    const point = drawn("circle", {
      class: row === chosen ? "point chosen" : "point",
      cx: x(i),
      cy: y(row.valence),
      r: row === chosen ? 7 : 5,
      style: `fill: ${colour(row.top)}`,
      click: () => choose(row, "course"),
    });
    point.append(drawn("title", {}, inWords(row)));
    svg.append(point);
  });
  return movable(svg, rows, chosen, choose, "Course of valence and arousal", inWords);
}

// What was read from when to when, a lane for each speaker, above valence and arousal.
export function timeline(rows, chosen, choose, { width, span, now = null }) {
  const speakers = [...new Set(rows.map((row) => `${row.speaker ?? ""}${row.modality === "voice" ? "" : ` ${row.modality}`}`))];
  const head = speakers.length * LANE + 8;
  const { left, right } = COURSE;
  const height = head + COURSE.height;
  const x = (second) => left + (second / Math.max(span, 0.1)) * (width - left - right);
  const y = (value) => head + COURSE.top + ((1 - value) / 2) * (COURSE.height - COURSE.top - COURSE.bottom);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "course", "data-chart": "timeline" });
  svg.append(...frame(width, left, right, y, height));
  for (const row of rows) {
    const lane = speakers.indexOf(`${row.speaker ?? ""}${row.modality === "voice" ? "" : ` ${row.modality}`}`);
    const block = drawn("rect", {
      class: row === chosen ? "point chosen" : "point",
      x: x(row.start),
      y: 4 + lane * LANE,
      width: Math.max(x(row.end) - x(row.start), 2),
      height: LANE - 6,
      rx: 3,
      style: `fill: ${colour(row.top)}`,
      click: () => choose(row, "timeline"),
    });
    block.append(drawn("title", {}, inWords(row)));
    svg.append(block);
  }
  speakers.forEach((speaker, lane) => {
    if (speaker.trim()) svg.append(drawn("text", { x: left + 4, y: 4 + lane * LANE + 14, style: "fill: var(--ink)" }, speaker.trim()));
  });
  const middle = (row) => x((row.start + row.end) / 2);
  svg.append(line(rows, "valence", middle, y), line(rows, "arousal", middle, y));
  const ticks = width < 480 ? 2 : 4;
  for (let part = 0; part <= ticks; part += 1) {
    const anchor = part === 0 ? "start" : part === ticks ? "end" : "middle";
    const second = (span * part) / ticks;
    svg.append(drawn("text", { x: x(second), y: height - 4, "text-anchor": anchor }, clock(second)));
  }
  const playhead = drawn("line", { class: "playhead", y1: 0, y2: height - COURSE.bottom, x1: x(now ?? 0), x2: x(now ?? 0) });
  playhead.style.visibility = now === null ? "hidden" : "visible";
  svg.append(playhead);
  const made = movable(svg, rows, chosen, choose, "Time line", inWords);
  made.moveTo = (second) => {
    playhead.style.visibility = "visible";
    playhead.setAttribute("x1", x(second));
    playhead.setAttribute("x2", x(second));
  };
  return made;
}

export function key() {
  const stroke = (name) => drawn("svg", { viewBox: "0 0 28 8", style: "display: inline-block; width: 28px; height: 8px; vertical-align: middle", "aria-hidden": "true" }, drawn("line", { class: name, x1: 0, x2: 28, y1: 4, y2: 4 }));
  return element("p", { class: "legend hint" }, element("span", {}, stroke("valence"), " valence"), element("span", {}, stroke("arousal"), " arousal"));
}

function frame(width, left, right, y, height) {
  const rules = [1, 0, -1].map((value) => drawn("line", { class: "axis", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
  const names = [1, 0, -1].map((value) => drawn("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value > 0 ? "+1" : value < 0 ? "−1" : "0"));
  return [...rules, ...names];
}

function line(rows, name, x, y) {
  const points = rows.map((row, i) => `${x(row, i).toFixed(1)},${y(row[name]).toFixed(1)}`).join(" ");
  return drawn("polyline", { class: name, points });
}
