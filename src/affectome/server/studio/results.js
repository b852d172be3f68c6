// What was read, in every view that there is something for: passage, map, course or time line, comparison, table.

import { affectMap, course, inWords, key as chartKey, timeline } from "./charts.js";
import { Refused, download, explain, save } from "./client.js";
import { comparison, mean } from "./comparison.js";
import { announce, clock, element, figure, percent, signed, swatch } from "./elements.js";

const SHOWN_LABELS = 8;
const TABLE_ROWS = 500;
const DIMENSIONS = ["valence", "arousal", "dominance"];
const COLUMNS = ["id", "source", "speaker", "start", "end", "modality", "text", "status", "error", "top", "confidence", "entropy", "valence", "valence_sd", "arousal", "arousal_sd", "dominance", "dominance_sd", "sentiment", "toxicity"];

// A result in the page. `passages` is the list of texts that the rows are sentences of; `media` are files by name;
// `job` is the job that the rows come from, whose files can be downloaded whole.
export class Results {
  constructor(place, { rows, passages = null, media = new Map(), job = null, total = rows.length, notice = "" }) {
    Object.assign(this, { place, rows, passages, media, job, total, notice });
    this.chosen = this.scored[0] ?? null;
    this.explained = new Map();
    this.build();
  }

  get scored() {
    return this.rows.filter((row) => row.status === "scored" && row.top);
  }

  add(row) {
    this.rows.push(row);
    this.total = this.rows.length;
    if (row.status === "scored") this.chosen = row;
    this.build();
  }

  build() {
    const { scored } = this;
    this.chart = element("div", {});
    this.map = element("div", {});
    this.detail = element("div", { class: "detail", "aria-live": "polite" });
    const first = this.passage() ?? (scored.length ? this.line() : null);
    const others = [this.passages && scored.length ? this.line() : null, comparison(scored), this.table()];
    const beside = scored.length ? [this.block("Chosen", this.detail), this.block("Affect map", this.map)] : [];
    const columns = [element("div", { class: "first" }, first ?? ""), element("div", { class: "beside" }, ...beside), element("div", { class: "others" }, ...others.filter(Boolean))];
    this.place.replaceChildren(this.facts(), element("div", { class: "columns" }, ...columns));
    this.place.hidden = false;
    this.show();
    this.watch(columns[1]);
  }

  // Charts are drawn anew in another width; what stands beside stays in sight, however high it is.
  watch(beside) {
    this.observer?.disconnect();
    let width = this.chart.clientWidth;
    this.observer = new ResizeObserver(() => {
      beside.style.setProperty("--height", `${beside.offsetHeight}px`);
      if (this.chart.clientWidth && this.chart.clientWidth !== width) {
        width = this.chart.clientWidth;
        this.show();
      }
    });
    for (const each of [beside, this.chart]) this.observer.observe(each);
  }

  block(title, ...content) {
    return element("div", { class: "block" }, element("h2", {}, title), ...content);
  }

  facts() {
    const { scored } = this;
    const counts = new Map();
    for (const row of this.rows) if (row.status !== "scored") counts.set(`${row.status}: ${row.error}`, (counts.get(`${row.status}: ${row.error}`) ?? 0) + 1);
    const others = [...counts].map(([name, count]) => `${count} ${name.replaceAll("_", " ")}`).join(", ");
    const cut = this.total > this.rows.length ? `the first ${this.rows.length} of ${this.total.toLocaleString("en")} rows` : "";
    const fact = (name, value, note) => element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, note)));
    const parts = [fact("read", scored.length.toLocaleString("en"), [cut, others].filter(Boolean).join("; "))];
    for (const name of scored.length ? DIMENSIONS : []) {
      const found = mean(scored, name);
      parts.push(fact(name, signed(found.value), scored.length > 1 ? `${signed(found.low)} to ${signed(found.high)}` : ""));
    }
    return element("dl", { class: "facts" }, ...parts);
  }

  passage() {
    if (!this.passages) return null;
    this.buttons = new Map();
    const paragraphs = this.passages.map(({ speaker, text }, index) => {
      const sentences = this.rows.filter((row) => row.index === index);
      const letters = [...text]; // places are counted in characters, of which some take two units of a string
      const words = (from, to) => letters.slice(from, to).join("");
      const parts = [];
      let reached = 0;
      for (const row of sentences) {
        parts.push(words(reached, row.start), this.sentence(row, words(row.start, row.end)));
        reached = row.end;
      }
      return element("p", {}, speaker ? element("span", { class: "who" }, speaker) : null, ...parts, words(reached));
    });
    const labels = [...new Set(this.scored.map((row) => row.top))];
    const legend = labels.map((label) => element("span", {}, swatch(label), label));
    return element("div", { class: "block" }, element("h2", {}, "Sentence by sentence"), element("div", { class: "passage" }, ...paragraphs), element("div", { class: "legend" }, ...legend));
  }

  sentence(row, words) {
    if (row.status !== "scored") {
      return element("span", { class: "sentence unread", title: `${row.status}: ${row.error.replaceAll("_", " ")}` }, words);
    }
    const button = element("button", { type: "button", class: "sentence", hue: row.top, title: inWords(row), click: () => this.choose(row, "passage") }, words);
    this.buttons.set(row, button);
    return button;
  }

  line() {
    const timed = this.scored.filter((row) => row.timed);
    if (timed.length) return this.block("Time line", this.player(timed), this.chart, chartKey());
    return this.scored.length > 1 ? this.block("Course", this.chart, chartKey()) : null;
  }

  player(timed) {
    const sources = [...new Set(timed.map((row) => row.source))];
    this.source = sources.includes(this.chosen?.source) ? this.chosen.source : sources[0];
    const holder = element("div", {});
    const put = () => {
      const file = this.media.get(this.source);
      holder.replaceChildren();
      this.sound = null;
      if (!file) return;
      const kind = file.type.startsWith("video/") ? "video" : "audio";
      this.sound = element(kind, { controls: true, src: URL.createObjectURL(file), "aria-label": `Player of ${this.source}`, timeupdate: () => this.follow() });
      holder.append(this.sound);
    };
    const select = element("select", { id: "recording", change: () => { this.source = select.value; put(); this.choose(timed.find((row) => row.source === this.source)); } }, ...sources.map((source) => element("option", { value: source, selected: source === this.source }, source)));
    put();
    return element("div", {}, sources.length > 1 ? element("div", { class: "fields" }, element("div", {}, element("label", { for: "recording" }, "Recording"), select)) : null, holder);
  }

  // While it plays, the row that is heard is the chosen one.
  follow() {
    const now = this.sound.currentTime;
    this.line_?.moveTo?.(now);
    const heard = this.scored.find((row) => row.timed && row.source === this.source && row.start <= now && now < row.end);
    if (heard && heard !== this.chosen && !this.sound.paused) {
      this.chosen = heard;
      this.show();
    }
  }

  choose(row, from = null) {
    if (!row) return;
    this.chosen = row;
    if (this.sound && row.timed && row.source === this.source) this.sound.currentTime = row.start;
    this.show();
    if (from && from !== "passage") this.place.querySelector(`svg[data-chart="${from}"]`)?.focus();
  }

  show() {
    const { chosen, scored } = this;
    if (!chosen) return;
    const choose = (row, from) => this.choose(row, from);
    this.map.replaceChildren(affectMap(scored, chosen, choose));
    const width = Math.max(this.chart.clientWidth, 280);
    const timed = scored.filter((row) => row.timed && row.source === (this.source ?? row.source));
    if (timed.length) {
      const span = Math.max(...timed.map((row) => row.end), this.sound?.duration || 0);
      this.line_ = timeline(timed, chosen, choose, { width, span, now: this.sound ? this.sound.currentTime : null });
      this.chart.replaceChildren(this.line_);
    } else if (scored.length > 1) this.chart.replaceChildren(course(scored, chosen, choose, { width }));
    for (const [row, button] of this.buttons ?? []) button.setAttribute("aria-pressed", String(row === chosen));
    for (const line of this.place.querySelectorAll("tbody tr")) line.setAttribute("aria-selected", String(Number(line.dataset.row) === this.rows.indexOf(chosen)));
    this.detail.replaceChildren(...this.details(chosen));
  }

  details(row) {
    const where = [row.speaker, row.timed ? `${clock(row.start)}–${clock(row.end)}` : null, row.modality === "text" ? null : row.modality].filter(Boolean).join(", ");
    const labels = Object.entries(row.emotion).sort((a, b) => b[1] - a[1]);
    const bars = labels.slice(0, SHOWN_LABELS).flatMap(([label, share]) => [element("span", {}, swatch(label), label), element("span", { class: "track", "aria-hidden": "true" }, element("i", { hue: label, style: `width: ${(100 * share).toFixed(1)}%` })), element("span", {}, percent(share))]);
    const scales = DIMENSIONS.flatMap((name) => this.scale(name, row));
    return [
      where ? element("p", { class: "hint" }, where) : null,
      row.text ? element("q", {}, row.text.length > 400 ? `${row.text.slice(0, 400)}…` : row.text) : null,
      element("div", { class: "bars" }, ...bars),
      labels.length > SHOWN_LABELS ? this.others(labels.slice(SHOWN_LABELS)) : null,
      element("h3", {}, "Dimensions"),
      element("div", { class: "bars" }, ...scales),
      element("p", { class: "hint" }, `confidence ${figure(row.confidence)}, entropy ${figure(row.entropy)} nats${row.toxicity === null || row.toxicity === undefined ? "" : `, toxicity ${figure(row.toxicity)}`}; ${row.model}, ${row.taxonomy}`),
      row.modality === "text" && row.text ? this.why(row) : null,
    ].filter(Boolean);
  }

  others(labels) {
    const said = labels.map(([label, share]) => `${label} ${percent(share)}`).join(", ");
    return element("details", { class: "hint" }, element("summary", {}, `${labels.length} more`), said);
  }

  scale(name, row) {
    const at = (value) => `${(50 * (Math.max(-1, Math.min(1, value)) + 1)).toFixed(1)}%`;
    const [value, spread] = [row[name], row[`${name}_sd`] ?? 0];
    if (value === null || value === undefined) return [];
    const wide = `left: ${at(value - spread)}; right: calc(100% - ${at(value + spread)})`;
    return [element("span", {}, name), element("span", { class: "scale", "aria-hidden": "true" }, element("i", { style: wide }), element("b", { style: `left: ${at(value)}` })), element("span", {}, `${signed(value)} ± ${figure(spread)}`)];
  }

  // Which words moved the strongest label: each is left out in turn.
  why(row) {
    const holder = element("div", {});
    const known = this.explained.get(row);
    if (known) {
      holder.append(...this.contributions(row, known));
      return holder;
    }
    const button = element("button", { type: "button", class: "small", click: async () => {
      button.disabled = true;
      button.textContent = "Leaving words out one by one …";
      try {
        this.explained.set(row, await explain(row.text));
        announce("The explanation is there.");
        if (this.chosen === row) this.show();
        this.detail.querySelector(".why")?.focus();
      } catch (reason) {
        if (!(reason instanceof Refused)) throw reason;
        holder.replaceChildren(element("p", { class: "hint" }, reason.message));
      }
    } }, `Why ${row.top}?`);
    holder.append(element("div", { class: "actions" }, button));
    return holder;
  }

  contributions(row, words) {
    const most = Math.max(...words.map((word) => Math.abs(word.change)), 0.01);
    const spans = words.flatMap((word) => {
      const weight = Math.round((45 * Math.abs(word.change)) / most);
      const side = word.change > 0 ? "var(--positive)" : "var(--negative)";
      return [element("span", { style: `background: color-mix(in oklab, ${side} ${weight}%, transparent)` }, word.word, element("small", {}, signed(word.change))), " "];
    });
    return [element("h3", {}, `Why ${row.top}?`), element("p", { class: "why", tabindex: "-1" }, ...spans), element("p", { class: "hint" }, "How much less probable it is without the word; below zero, more probable.")];
  }

  table() {
    const shown = this.rows.slice(0, TABLE_ROWS);
    const has = (name) => shown.some((row) => row[name] !== null && row[name] !== undefined && row[name] !== "");
    const timed = shown.some((row) => row.timed);
    const columns = [["source", has("source") && new Set(shown.map((row) => row.source)).size > 1], ["speaker", has("speaker")], ["time", timed], ["text", has("text")], ["feeling", true], ["p", true], ["valence", true], ["arousal", true]].filter(([, there]) => there).map(([name]) => name);
    const numbers = ["time", "p", "valence", "arousal"];
    const head = columns.map((name) => element("th", { scope: "col", class: numbers.includes(name) ? "number" : null }, name));
    const lines = shown.map((row, i) => element("tr", { "data-row": String(i), click: () => row.status === "scored" && this.choose(row) }, ...columns.map((name) => this.cell(row, name))));
    const note = this.rows.length > TABLE_ROWS ? element("p", { class: "hint" }, `The first ${TABLE_ROWS} rows; the files hold all.`) : null;
    return this.block("Table", element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" }, element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines))), ...[note].filter(Boolean), this.downloads());
  }

  cell(row, name) {
    const scored = row.status === "scored";
    if (name === "time") return element("td", { class: "number" }, row.timed ? `${clock(row.start)}–${clock(row.end)}` : "");
    if (name === "text") return element("td", { class: "words" }, (row.text ?? "").slice(0, 300));
    if (name === "feeling") return element("td", {}, ...(scored && row.top ? [swatch(row.top), row.top] : [`${row.status}${row.error ? `: ${row.error.replaceAll("_", " ")}` : ""}`]));
    if (name === "p") return element("td", { class: "number" }, scored ? figure(row.confidence) : "");
    if (name === "valence" || name === "arousal") return element("td", { class: "number" }, scored ? signed(row[name]) : "");
    return element("td", {}, row[name] ?? "");
  }

  downloads() {
    const button = (words, get) => element("button", { type: "button", class: "small", click: get }, words);
    if (!this.job) {
      return element("div", { class: "actions" }, button("Download CSV", () => save(new Blob([this.csv()], { type: "text/csv" }), "estimates.csv")), button("Download JSON", () => save(new Blob([JSON.stringify(this.rows, null, 1)], { type: "application/json" }), "estimates.json")));
    }
    const all = [["CSV", "csv"], ["Parquet", "parquet"], ["JSON lines", "jsonl"], ["Report", "html"]];
    return element("div", { class: "actions" }, ...all.map(([words, format]) => button(`Download ${words}`, async (event) => {
      try {
        await download(`jobs/${this.job}/results?format=${format}`, format === "html" ? "report.html" : `estimates.${format}`);
      } catch (reason) {
        if (!(reason instanceof Refused)) throw reason;
        event.target.after(element("span", { class: "hint", role: "alert" }, reason.message));
      }
    })));
  }

  csv() {
    const labels = [...new Set(this.rows.flatMap((row) => Object.keys(row.emotion ?? {})))];
    // A cell that begins like a formula would be run by a spreadsheet.
    const cell = (value) => {
      const text = value === null || value === undefined ? "" : String(value);
      const plain = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
      return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
    };
    const lines = [[...COLUMNS, ...labels.map((label) => `emotion.${label}`)]];
    for (const row of this.rows) lines.push([...COLUMNS.map((name) => row[name]), ...labels.map((label) => row.emotion?.[label])]);
    return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
  }
}
