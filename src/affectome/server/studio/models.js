// The cards of the models that are installed.

import { ask } from "./client.js";
import { element, figure } from "./elements.js";

export async function modelsView(place) {
  const { models } = await (await ask("models")).json();
  place.replaceChildren(...models.map((model) => card(model.card ?? model)));
}

function card(told) {
  const facts = {
    task: told.task,
    languages: told.languages?.join(", "),
    licence: told.licence,
    commercial: `${told.commercial ? "yes" : "no"}${told.commercial_note ? `. ${told.commercial_note}` : ""}`,
    "for": told.intended_use,
  };
  const list = Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  const limits = (told.limits ?? []).map((limit) => element("li", {}, limit));
  return element("article", { class: "card" },
    element("h2", {}, `${told.title} (${told.id} ${told.version})`),
    element("dl", {}, ...list),
    element("h3", {}, "Limits"),
    element("ul", {}, ...limits),
    told.metrics?.length ? table("Measured", ["set", "metric", "value", "95 % interval", "rows"], told.metrics.map((row) => [row.set, `${row.metric}${row.note ? `, ${row.note}` : ""}`, figure(row.value, 3), `${figure(row.low, 3)} to ${figure(row.high, 3)}`, row.n.toLocaleString("en")])) : null,
    told.training_data?.length ? table("Learnt from", ["name", "licence", "rows"], told.training_data.map((row) => [row.name, row.licence, row.rows.toLocaleString("en")])) : null);
}

function table(title, head, rows) {
  const cells = (row, name) => row.map((value, i) => element(name, { scope: name === "th" ? "col" : null, class: i > 1 ? "number" : null }, value));
  return element("details", {}, element("summary", {}, element("b", {}, title)), element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, element("table", {}, element("thead", {}, element("tr", {}, ...cells(head, "th"))), element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row, "td")))))));
}
