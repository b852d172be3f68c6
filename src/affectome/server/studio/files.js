// Files: uploaded as a job, watched while they are read, shown with a player for each recording.

import { ask, jobRows, vocabulary } from "./client.js";
import { announce, element } from "./elements.js";
import { Results } from "./results.js";

const WAIT = 400; // milliseconds between two looks at a job
const OVER = ["finished", "failed", "cancelled"];
const MEDIA = /^(audio|video|image)\//;

export function filesView(place, guarded) {
  const at = (name) => document.getElementById(`files-${name}`);
  const drop = document.getElementById("drop");
  let files = [];
  let job = null;

  const choose = (chosen) => {
    files = [...chosen];
    const listed = files.map((file) => element("li", {}, `${file.name}, ${size(file.size)}`));
    at("chosen").replaceChildren(...listed);
    at("chosen").setAttribute("aria-label", `${files.length} chosen`);
  };
  at("input").addEventListener("change", () => choose(at("input").files));
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    choose(event.dataTransfer.files);
  });

  const run = () => guarded(async (signal) => {
    if (!files.length) {
      at("input").focus();
      return announce("No file is chosen yet.");
    }
    place.hidden = true;
    job = await (await ask("jobs", { method: "POST", body: request(files, at), signal })).json();
    at("cancel").hidden = false;
    at("erase").hidden = true;
    at("progress").hidden = false;
    try {
      job = await watch(job, at, signal);
    } finally {
      at("cancel").hidden = true;
      at("progress").hidden = true;
    }
    at("erase").hidden = false;
    if (job.status === "cancelled") return announce("Stopped.");
    if (job.status === "failed") throw Object.assign(new Error(), { told: job.error });
    const { rows, total, notice } = await jobRows(job.id, signal);
    const media = new Map(files.filter((file) => MEDIA.test(file.type)).map((file) => [file.name, file]));
    const results = new Results(place, { rows, media, job: job.id, total, notice });
    const said = job.problems.map((problem) => element("li", {}, `${problem.file}: ${problem.message}`));
    if (said.length) place.prepend(element("div", { class: "block" }, element("h2", {}, "Not read"), element("ul", {}, ...said)));
    if (notice) place.append(element("p", { class: "hint" }, notice));
    announce(`${results.scored.length} of ${total} rows read.`);
    return undefined;
  }, document.querySelector("#files-form .primary"));

  document.getElementById("files-form").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  at("cancel").addEventListener("click", () => guarded(() => ask(`jobs/${job.id}/cancel`, { method: "POST" }), null));
  at("erase").addEventListener("click", () => guarded(async () => {
    await ask(`jobs/${job.id}`, { method: "DELETE" });
    at("erase").hidden = true;
    place.hidden = true;
    announce("Upload and results are erased from the server.");
  }, null));
}

function request(files, at) {
  const body = new FormData();
  for (const file of files) body.append("files", file, file.name);
  const { taxonomy, labels, multi_label: several } = vocabulary();
  const fields = {
    purpose: at("purpose").value,
    ground: at("ground").value,
    taxonomy,
    labels: labels?.join(","),
    multi_label: labels ? several : undefined,
    sentences: at("sentences").checked || undefined,
    speakers: at("speakers").checked || undefined,
    transcribe: at("transcribe").checked || undefined,
    text_column: at("text-column").value.trim(),
    speaker_column: at("speaker-column").value.trim(),
    group_column: at("group-column").value.trim(),
    report: true,
  };
  for (const [name, value] of Object.entries(fields)) if (value !== undefined && value !== "") body.append(name, value);
  return body;
}

async function watch(job, at, signal) {
  while (!OVER.includes(job.status)) {
    const { done, total, seconds_left: left } = job.progress;
    at("state").textContent = job.status === "queued" ? "Waiting" : `Reading: ${done.toLocaleString("en")}${total ? ` of ${total.toLocaleString("en")}` : ""} rows${left ? `, ${Math.ceil(left)} s left` : ""}`;
    if (total) at("bar").setAttribute("max", total);
    if (total) at("bar").value = done;
    else at("bar").removeAttribute("value");
    await new Promise((resolve) => setTimeout(resolve, WAIT));
    job = await (await ask(`jobs/${job.id}`, { signal })).json();
  }
  return job;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
