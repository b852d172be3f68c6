// The HTTP interface of the server: requests, errors, and both forms of results as one kind of row.

const MOST_TEXTS = 64; // in one request
const PAGE = 1000; // rows in one answer
const RECORDING = /\.(wav|flac|mp3|ogg|oga|opus|m4a|aac|aiff?|mp4|m4v|mov|mkv|webm|avi)$/i;
export const MOST_ROWS = 5000; // rows that are looked at in the page; the files to download hold all

export class Refused extends Error {
  constructor(error) {
    super(error.message);
    this.error = error;
  }
}

export function key() {
  return document.getElementById("key").value.trim();
}

// Words for feelings as requests take them.
export function vocabulary() {
  const labels = ownWords();
  if (labels.length) {
    return { labels, multi_label: document.getElementById("multi-label").checked };
  }
  const taxonomy = document.getElementById("taxonomy").value;
  return taxonomy ? { taxonomy } : {};
}

export function ownWords() {
  return document
    .getElementById("labels")
    .value.split(",")
    .map((word) => word.trim())
    .filter(Boolean);
}

export async function ask(path, { method = "GET", json, body, signal } = {}) {
  const headers = {};
  if (key()) headers.Authorization = `Bearer ${key()}`;
  if (json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(json);
  }
  let answer;
  try {
    answer = await fetch(`./v1/${path}`, { method, headers, body, signal });
  } catch (reason) {
    if (reason.name === "AbortError") throw reason;
    throw new Refused({ code: "no_answer", message: "The server does not answer.", next_step: "Is it still running?" });
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Refused(said.error ?? { code: `http_${answer.status}`, message: `The server answered ${answer.status}.` });
}

// Rows of texts, cut into sentences, each with the place of its text in the list.
export async function readTexts(texts, signal) {
  const rows = [];
  for (let start = 0; start < texts.length; start += MOST_TEXTS) {
    const some = texts.slice(start, start + MOST_TEXTS);
    const answer = await ask("text", { method: "POST", json: { texts: some, sentences: true, ...vocabulary() }, signal });
    for (const reading of (await answer.json()).readings) rows.push(fromReading(reading, start + (reading.index ?? 0)));
  }
  return rows;
}

export async function explain(text) {
  const json = { text, why: true, ...vocabulary() };
  return (await (await ask("text", { method: "POST", json })).json()).readings[0].why ?? [];
}

export async function jobRows(id, signal) {
  const rows = [];
  let total = 1;
  let notice = "";
  while (rows.length < Math.min(total, MOST_ROWS)) {
    const path = `jobs/${id}/results?format=json&offset=${rows.length}&limit=${PAGE}`;
    const page = await (await ask(path, { signal })).json();
    if (!page.rows.length) break;
    total = page.total;
    notice = page.notice ?? "";
    rows.push(...page.rows.map(fromEstimate));
  }
  return { rows, total: rows.length ? total : 0, notice };
}

function fromReading(reading, index) {
  return { ...reading, ...reading.dimensions, ...reading.tone, index, top: strongest(reading.emotion), modality: "text" };
}

export function fromEstimate(row) {
  return {
    ...row,
    ...row.tone,
    emotion: row.emotion ?? {},
    top: row.top ?? "",
    group: row.meta?.group ?? null,
    timed: Number.isFinite(row.start) && (row.modality !== "text" || RECORDING.test(row.source ?? "")),
  };
}

function strongest(emotion) {
  const found = Object.entries(emotion ?? {}).reduce((best, each) => (each[1] > best[1] ? each : best), ["", -1]);
  return found[0];
}

export function socketAddress(path) {
  const address = new URL(`./v1/${path}`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

export async function download(path, name) {
  save(await (await ask(path)).blob(), name);
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
