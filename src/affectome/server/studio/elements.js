// Making elements, numbers in words, and the colour of each feeling.

const SVG = "http://www.w3.org/2000/svg";
const GOLDEN_ANGLE = 137.508; // keeps any number of unknown words apart
let known = { hues: {}, neutral: [] };
const unknown = new Map();

export async function loadHues() {
  known = await (await fetch("./hues.json")).json();
}

export function colour(label) {
  const name = (label ?? "").toLowerCase();
  if (!name || known.neutral.includes(name)) return "var(--bar)";
  if (!(name in known.hues) && !unknown.has(name)) unknown.set(name, (unknown.size * GOLDEN_ANGLE) % 360);
  const hue = known.hues[name] ?? unknown.get(name);
  return `oklch(var(--emotion-lightness) var(--emotion-chroma) ${hue})`;
}

// An element; functions among the properties listen, `hue` is the colour of a label.
export function element(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

export function drawn(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function fill(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name === "hue") made.style.setProperty("--hue", colour(value));
    else if (name === "style") made.style.cssText += value; // a policy against inline styles lets scripts do this
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function swatch(label) {
  return element("span", { class: "swatch", hue: label, "aria-hidden": "true" });
}

export function figure(value, digits = 2) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits);
}

export function signed(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
}

export function percent(share) {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

export function clock(seconds) {
  const whole = Math.floor(seconds / 60);
  const rest = (seconds % 60).toFixed(1).padStart(4, "0");
  return `${whole}:${rest}`;
}

export function announce(words) {
  document.getElementById("status").textContent = words;
}
