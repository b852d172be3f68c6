// Two speakers, groups or files side by side: means with 95 % intervals, and how often each feeling is the strongest.

import { element, percent, signed, swatch } from "./elements.js";

const RESAMPLES = 500;
const SHOWN = 8;
const DIMENSIONS = ["valence", "arousal", "dominance"];
const COLUMNS = { speaker: "speakers", group: "groups", source: "files" };

// Columns in which there are at least two to compare, with their values, the most frequent first.
export function comparable(rows) {
  const found = {};
  for (const column of Object.keys(COLUMNS)) {
    const counts = new Map();
    for (const row of rows) if (row[column]) counts.set(row[column], (counts.get(row[column]) ?? 0) + 1);
    if (counts.size > 1) found[column] = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  }
  return found;
}

export function comparison(rows) {
  const columns = comparable(rows);
  if (!Object.keys(columns).length) return null;
  const named = (id, words, ...options) => [element("label", { for: id }, words), element("select", { id }, ...options)];
  const options = (values, chosen) => values.map((value) => element("option", { value, selected: value === chosen }, value));
  const block = element("div", { class: "block" }, element("h2", {}, "Side by side"));
  const [columnLabel, column] = named("compare-column", "Compare", ...Object.keys(columns).map((name) => element("option", { value: name }, COLUMNS[name])));
  const [firstLabel, first] = named("compare-first", "First");
  const [secondLabel, second] = named("compare-second", "Second");
  const out = element("div", {});
  const offer = () => {
    const values = columns[column.value];
    first.replaceChildren(...options(values, values[0]));
    second.replaceChildren(...options(values, values[1]));
    show();
  };
  const show = () => {
    const pick = (name) => rows.filter((row) => row[column.value] === name);
    out.replaceChildren(...beside(first.value, pick(first.value), second.value, pick(second.value)));
  };
  column.addEventListener("change", offer);
  first.addEventListener("change", show);
  second.addEventListener("change", show);
  const fields = [[columnLabel, column], [firstLabel, first], [secondLabel, second]].map((pair) => element("div", {}, ...pair));
  block.append(element("div", { class: "fields" }, ...fields), out);
  offer();
  return block;
}

function beside(first, some, second, others) {
  const legend = element("p", { class: "legend versus-legend" },
    element("span", {}, element("span", { class: "swatch", style: "--hue: var(--first)" }), `${first} (${some.length})`),
    element("span", {}, element("span", { class: "swatch", style: "--hue: var(--second)" }), `${second} (${others.length})`));
  const dimensions = DIMENSIONS.map((name) => {
    const [a, b] = [mean(some, name), mean(others, name)];
    return entry(name, `${signed(a.value)} / ${signed(b.value)}`, place(a, "one"), place(b, "other"), null);
  });
  const shares = [count(some), count(others)];
  const labels = [...new Set([...shares[0].keys(), ...shares[1].keys()])];
  const weight = (label) => (shares[0].get(label) ?? 0) + (shares[1].get(label) ?? 0);
  labels.sort((a, b) => weight(b) - weight(a));
  const feelings = labels.slice(0, SHOWN).map((label) => {
    const [a, b] = shares.map((share) => share.get(label) ?? 0);
    return entry(label, `${percent(a)} / ${percent(b)}`, track(a, "one"), track(b, "other"), label);
  });
  return [
    legend,
    element("h3", {}, "Mean with 95 % interval"),
    element("ul", { class: "plain versus" }, ...dimensions),
    element("h3", {}, "Strongest feeling, share of rows"),
    element("ul", { class: "plain versus" }, ...feelings),
  ];
}

function entry(name, sides, first, second, label) {
  return element("li", {}, element("span", { class: "name" }, label ? swatch(label) : null, name), element("span", { class: "pair", "aria-hidden": "true" }, first, second), element("span", { class: "sides" }, sides));
}

function track(share, side) {
  return element("span", { class: `track ${side}` }, element("i", { style: `width: ${(100 * share).toFixed(1)}%` }));
}

function place(interval, side) {
  const at = (value) => `${(50 * (Math.max(-1, Math.min(1, value)) + 1)).toFixed(1)}%`;
  const wide = `left: ${at(interval.low)}; right: calc(100% - ${at(interval.high)})`;
  return element("span", { class: `scale ${side}` }, element("i", { style: wide }), element("b", { style: `left: ${at(interval.value)}` }));
}

function count(rows) {
  const shares = new Map();
  for (const row of rows) shares.set(row.top, (shares.get(row.top) ?? 0) + 1 / rows.length);
  return shares;
}

// Mean and the middle 95 % of the means of resamples, drawn the same way at each call.
export function mean(rows, name) {
  const values = rows.map((row) => row[name]).filter((value) => Number.isFinite(value));
  if (!values.length) return { value: NaN, low: 0, high: 0 };
  let seed = 1;
  const draw = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * values.length);
  };
  const means = Array.from({ length: RESAMPLES }, () => values.reduce((sum) => sum + values[draw()], 0) / values.length);
  means.sort((a, b) => a - b);
  const total = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { value: total, low: means[Math.floor(0.025 * RESAMPLES)], high: means[Math.ceil(0.975 * RESAMPLES) - 1] };
}
