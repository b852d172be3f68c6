// The studio: which view is shown, the words for feelings, purposes, and errors.

import { Refused, ask, ownWords } from "./client.js";
import { announce, element, loadHues } from "./elements.js";
import { filesView } from "./files.js";
import { microphoneView } from "./microphone.js";
import { modelsView } from "./models.js";
import { textView } from "./text.js";

const VIEWS = ["text", "files", "microphone", "models"];
const results = document.getElementById("results");
const failure = document.getElementById("error");
const running = { controller: null };
let again = null;

// Runs something that may be refused, one at a time; what ran before is given up.
async function guarded(work, button) {
  if (button) {
    running.controller?.abort();
    running.controller = new AbortController();
  }
  const { signal } = running.controller ?? {};
  failure.hidden = true;
  if (button) button.disabled = true;
  try {
    await work(signal);
  } catch (reason) {
    if (reason.name !== "AbortError") tell(reason);
  } finally {
    if (button) button.disabled = false;
  }
}

function tell(reason) {
  const error = reason instanceof Refused ? reason.error : (reason.told ?? { code: "page_error", message: String(reason) });
  const allowed = error.allowed?.length ? ` Allowed: ${error.allowed.slice(0, 12).join(", ")}.` : "";
  failure.replaceChildren(element("p", {}, element("strong", {}, error.message), allowed, ` ${error.next_step ?? ""} `, element("code", {}, error.code)));
  failure.hidden = false;
  if (!(reason instanceof Refused) && !reason.told) console.error(reason);
}

function navigate() {
  const view = VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "text";
  for (const name of VIEWS) document.getElementById(`view-${name}`).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view !== navigate.shown) {
    results.replaceChildren();
    results.hidden = true;
    failure.hidden = true;
  }
  navigate.shown = view;
  document.getElementById("settings").hidden = view === "models";
  document.title = `${view[0].toUpperCase()}${view.slice(1)} – Affectome studio`;
  if (view === "models") guarded(() => modelsView(document.getElementById("models")), null);
}

async function offerTaxonomies() {
  const { taxonomies } = await (await ask("taxonomies")).json();
  const select = document.getElementById("taxonomy");
  for (const each of taxonomies) {
    if (each.kind && each.kind !== "category") continue;
    select.append(element("option", { value: each.id }, `${each.title ?? each.id} (${each.labels.length})`));
  }
}

async function offerPurposes() {
  const { purposes, grounds } = await (await ask("purposes")).json();
  const listed = (all) => (Array.isArray(all) ? all.map((each) => [each.id ?? each.name ?? each, each.meaning ?? ""]) : Object.entries(all ?? {}));
  for (const view of ["files", "microphone"]) {
    const [purpose, ground, meaning] = ["purpose", "ground", "meaning"].map((name) => document.getElementById(`${view}-${name}`));
    purpose.append(element("option", { value: "" }, "none declared"), ...listed(purposes).map(([id]) => element("option", { value: id }, id)));
    ground.append(element("option", { value: "" }, "none"), ...listed(grounds).map(([id]) => element("option", { value: id }, id)));
    const means = new Map(listed(purposes));
    purpose.addEventListener("change", () => {
      meaning.textContent = means.get(purpose.value) ?? "";
    });
  }
}

function watchWords() {
  const [taxonomy, labels, chosen] = ["taxonomy", "labels", "words-chosen"].map((id) => document.getElementById(id));
  const change = () => {
    const own = ownWords();
    chosen.textContent = own.length ? own.join(", ") : taxonomy.selectedOptions[0].textContent;
    taxonomy.disabled = own.length > 0;
    if (!results.hidden && navigate.shown === "text") again();
  };
  for (const id of ["taxonomy", "labels", "multi-label"]) document.getElementById(id).addEventListener("change", change);
  document.getElementById("key").addEventListener("change", offers);
}

function offers() {
  return guarded(async () => {
    if (document.getElementById("taxonomy").options.length === 1) await offerTaxonomies();
    if (!document.getElementById("files-purpose").options.length) await offerPurposes();
  }, null);
}

await loadHues();
again = textView(results, guarded);
filesView(results, guarded);
microphoneView(results, guarded);
watchWords();
addEventListener("hashchange", () => {
  navigate();
  document.getElementById("main").focus();
});
navigate();
await offers();
announce("Ready");
