// Runs beside the sound: brings it to 16 kHz, 16 bits, one channel, and hands it over in tenths of a second.

const RATE = 16000;
const CHUNK = RATE / 10;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / RATE;
    this.position = 0; // of the next sample to give, in samples of the microphone, from the last block's end on
    this.last = 0;
    this.chunk = new Int16Array(CHUNK);
    this.filled = 0;
  }

  process([input]) {
    const channel = input[0];
    if (!channel) return true;
    const smooth = this.step > 1 ? averaged(channel, Math.floor(this.step)) : channel;
    while (this.position < smooth.length) {
      const before = Math.floor(this.position);
      const share = this.position - before;
      const from = before === 0 ? this.last : smooth[before - 1];
      this.give(from + (smooth[before] - from) * share);
      this.position += this.step;
    }
    this.position -= smooth.length;
    this.last = smooth[smooth.length - 1];
    return true;
  }

  give(sample) {
    this.chunk[this.filled] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
    this.filled += 1;
    if (this.filled < CHUNK) return;
    this.port.postMessage(this.chunk.buffer, [this.chunk.buffer]);
    this.chunk = new Int16Array(CHUNK);
    this.filled = 0;
  }
}

// Mean of each sample and those before it, so that what 16 kHz cannot hold does not come back as other tones.
function averaged(samples, count) {
  const out = new Float32Array(samples.length);
  let sum = 0;
  for (let i = 0; i < samples.length; i += 1) {
    sum += samples[i] - (i >= count ? samples[i - count] : 0);
    out[i] = sum / Math.min(i + 1, count);
  }
  return out;
}

registerProcessor("recorder", Recorder);
