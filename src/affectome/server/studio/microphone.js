// The microphone: sound goes over a stream, and each stretch of speech comes back as a row.

import { Refused, fromEstimate, key, socketAddress, vocabulary } from "./client.js";
import { announce, percent } from "./elements.js";
import { Results } from "./results.js";

export function microphoneView(place, guarded) {
  const at = (name) => document.getElementById(`microphone-${name}`);
  let stop = null;

  const listen = () => guarded(async () => {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Refused({ code: "no_microphone", message: "The browser gives no microphone to this page.", next_step: "Open it from this machine or over https." });
    }
    const opening = { key: key() || undefined, purpose: at("purpose").value, ground: at("ground").value || undefined, ...vocabulary() };
    const socket = await opened(opening);
    let sound;
    try {
      sound = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    } catch {
      socket.close();
      throw new Refused({ code: "no_microphone", message: "The microphone was not allowed.", next_step: "Allow it for this page, then listen again." });
    }
    const context = new AudioContext();
    await context.audioWorklet.addModule("./recorder.js");
    const recorder = new AudioWorkletNode(context, "recorder");
    context.createMediaStreamSource(sound).connect(recorder);
    const results = new Results(place, { rows: [] });
    at("start").disabled = true;
    at("stop").disabled = false;
    at("stop").focus();
    announce("Listening");
    recorder.port.onmessage = ({ data }) => {
      at("level").value = loudness(new Int16Array(data));
      if (socket.readyState === WebSocket.OPEN) socket.send(data);
    };
    await new Promise((resolve, reject) => {
      let error = null;
      stop = () => {
        for (const track of sound.getTracks()) track.stop();
        if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "end" }));
        at("stop").disabled = true;
      };
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "row") {
          const row = fromEstimate(message);
          results.add(row);
          announce(row.status === "scored" ? `${row.top} ${percent(row.confidence)}` : row.status);
        } else if (message.type === "error") error = new Refused(message.error);
      };
      socket.onclose = () => (error ? reject(error) : resolve());
    }).finally(() => {
      for (const track of sound.getTracks()) track.stop();
      context.close();
      stop = null;
      at("level").value = 0;
      at("start").disabled = false;
      at("stop").disabled = true;
    });
    announce(`Stopped. ${results.scored.length} stretches of speech read.`);
  }, null);

  document.getElementById("microphone-form").addEventListener("submit", (event) => {
    event.preventDefault();
    listen();
  });
  at("stop").addEventListener("click", () => stop?.());
}

function opened(opening) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(socketAddress("stream/audio"));
    socket.binaryType = "arraybuffer";
    const lost = () => reject(new Refused({ code: "no_answer", message: "The server does not take a stream.", next_step: "Is it still running?" }));
    socket.onerror = lost;
    socket.onclose = lost;
    socket.onopen = () => socket.send(JSON.stringify(opening));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "ready") resolve(socket);
      else reject(new Refused(message.error ?? { code: "no_answer", message: "The server did not understand." }));
    };
  });
}

function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length / 32768 ** 2 + 1e-9);
  return Math.max(0, Math.min(1, (decibels + 60) / 60));
}
