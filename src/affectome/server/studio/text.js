// Pasted text: cut into turns or lines, read sentence by sentence.

import { readTexts } from "./client.js";
import { announce } from "./elements.js";
import { Results } from "./results.js";

const TURN = /^\s*([\p{L}\p{N}][\p{L}\p{N} .'’_-]{0,39}):\s+(?=\S)/u;
const EXAMPLE = `Maya: You remembered! I can't believe you kept the ticket all these years. Thank you so much.
Jonas: Of course I kept it. That night meant everything to me.
Maya: I was so nervous, my hands were shaking the whole time.
Jonas: And I was terrified you would leave before the last song.
Maya: Honestly? I nearly did. You stepped on my foot three times and it really annoyed me.
Jonas: Oh no. I'm sorry, I never noticed!
Maya: Don't be. I miss those days more than I can say.`;

export function textView(place, guarded) {
  const form = document.getElementById("text-form");
  const input = document.getElementById("text-input");
  const run = () => guarded(async (signal) => {
    const passages = turns(input.value);
    if (!passages.length) {
      input.focus();
      return announce("There is no text yet.");
    }
    announce("Reading");
    const rows = await readTexts(passages.map((each) => each.text), signal);
    for (const row of rows) row.speaker = passages[row.index].speaker;
    const results = new Results(place, { rows, passages });
    announce(`${results.scored.length} of ${rows.length} sentences read.`);
  }, form.querySelector(".primary"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  form.addEventListener("reset", () => {
    place.replaceChildren();
    place.hidden = true;
    input.focus();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  });
  document.getElementById("text-example").addEventListener("click", () => {
    input.value = EXAMPLE;
    run();
  });
  return run;
}

// Lines with a text, and who says them where at least two begin with a name and a colon.
export function turns(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const named = lines.filter((line) => TURN.test(line)).length;
  if (named < 2 || named < lines.length / 2) return lines.map((line) => ({ speaker: null, text: line.trim() }));
  let speaker = null;
  return lines.map((line) => {
    const match = TURN.exec(line);
    if (match) speaker = match[1].trim();
    return { speaker, text: line.slice(match ? match[0].length : 0).trim() };
  });
}
