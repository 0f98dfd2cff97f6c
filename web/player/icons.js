// Icons of the player: drawn on a grid of 24, filled or as lines.

const SVG = "http://www.w3.org/2000/svg";
const SPEAKER = "M4 9v6h4l5 4V5L8 9z";

/** @type {Record<string, { fill?: string, line?: string }>} */
const ICONS = {
  play: { fill: "M7 4.5v15l12.5-7.5z" },
  pause: { fill: "M6.5 5h4v14h-4zM13.5 5h4v14h-4z" },
  replay: { line: "M5.5 12a6.5 6.5 0 1 0 2.2-4.9M8 3v4.5h4.5" },
  next: { fill: "M5.5 5v14l10-7zM16.5 5H19v14h-2.5z" },
  volume: { fill: SPEAKER, line: "M16 9.2a4 4 0 0 1 0 5.6M18.6 6.6a7.6 7.6 0 0 1 0 10.8" },
  quiet: { fill: SPEAKER, line: "M16 9.2a4 4 0 0 1 0 5.6" },
  muted: { fill: SPEAKER, line: "m16.5 9.5 5 5m0-5-5 5" },
  captions: { line: "M4.5 5.5h15a1.5 1.5 0 0 1 1.5 1.5v10a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17V7a1.5 1.5 0 0 1 1.5-1.5zM6.5 11.5h3m3 0h5m-11 3.5h6m3 0h2" },
  settings: { line: "M3.5 8h8.2m5.6 0h3.2M3.5 16h3.2m5.6 0h8.2M14.5 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM9.5 18.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6z" },
  cast: { line: "M3 8.5V5.5h18v13h-6.5M3 12.5a6 6 0 0 1 6 6M3 16.2a2.3 2.3 0 0 1 2.3 2.3" },
  pip: { line: "M20.5 10.5v-5h-17v13h7", fill: "M13 13h8v6h-8z" },
  theatre: { line: "M2.5 7.5h19v9h-19z" },
  column: { line: "M2.5 7.5h12v9h-12zM18 7.5h3.5M18 12h3.5M18 16.5h3.5" },
  full: { line: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" },
  window: { line: "M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5" },
  back: { line: "m14.5 5.5-6.5 6.5 6.5 6.5" },
  forward: { line: "m9.5 5.5 6.5 6.5-6.5 6.5" },
  check: { line: "m5 12.5 4.5 4.5L19 7" },
  close: { line: "m6 6 12 12M18 6 6 18" },
  note: { line: "M9 17.5V5.5l10-2v12", fill: "M9 17.5a2.8 2.3 0 1 1-5.6 0 2.8 2.3 0 0 1 5.6 0zM19 15.5a2.8 2.3 0 1 1-5.6 0 2.8 2.3 0 0 1 5.6 0z" },
};

/**
 * An icon, which screen readers skip.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.dataset.icon = name;
  for (const [kind, d] of Object.entries(ICONS[name])) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", kind);
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/**
 * A button with an icon. Its label is its name for screen readers and, with its key, its tooltip.
 * @param {string} name
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {string} [key]
 */
export function iconButton(name, label, onclick, key) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `icon ${name}`;
  if (key) button.setAttribute("aria-keyshortcuts", key);
  button.addEventListener("click", onclick);
  setIcon(button, name, label);
  return button;
}

/**
 * Shows another icon and label, for a button that now does something else.
 * @param {HTMLButtonElement} button
 * @param {string} name
 * @param {string} label
 */
export function setIcon(button, name, label) {
  const key = button.getAttribute("aria-keyshortcuts");
  button.setAttribute("aria-label", label);
  button.title = key ? `${label} (${key})` : label;
  const shown = button.querySelector("svg");
  if (shown?.dataset.icon === name) return;
  shown?.remove();
  button.prepend(icon(name));
}
