// Words: numbers, times and names as people read them, and elements with text in them.
//
// Names come from file systems and are hostile: they reach the document as text nodes, never as markup.

export const count = new Intl.NumberFormat();
export const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const percentage = new Intl.NumberFormat(undefined, { style: "percent" });
const past = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const percent = (ofHundred) => percentage.format(Math.floor(ofHundred) / 100);

export function sizeText(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let step = 0;
  for (; bytes >= 1000 && step < units.length - 1; step++) bytes /= 1000;
  const maximumFractionDigits = bytes < 10 ? 1 : 0;
  return new Intl.NumberFormat(undefined, {
    style: "unit", unit: units[step], unitDisplay: step ? "short" : "long", maximumFractionDigits,
  }).format(bytes);
}

/** 75 is "1:15", 3675 is "1:01:15". */
export function clock(seconds) {
  const whole = Math.floor(Number.isFinite(seconds) ? seconds : 0);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}`;
}

/** "3 minutes ago", of a date as the server writes it. */
export function ago(written) {
  const seconds = Math.max(0, (Date.now() - new Date(written)) / 1000);
  for (const [unit, length] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= length) return past.format(-Math.floor(seconds / length), unit);
  }
  return "just now";
}

/** The readable form of a percent-encoded path; as it stands if that is not UTF-8. */
export function decoded(urlPath) {
  try {
    return decodeURIComponent(urlPath);
  } catch {
    return urlPath;
  }
}

/** "Été/Horloge.mp4" is "Horloge.mp4" in the folder "Été". */
export function splitPath(path) {
  const slash = path.lastIndexOf("/");
  return { folder: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1) };
}

export const byId = (id) => document.getElementById(id);

export function element(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children); // strings become text nodes
  return node;
}

/** A button that says what it does, and of what for those who cannot see beside what it stands. */
export function button(text, ofWhat, onclick) {
  const node = element("button", "", text);
  node.type = "button";
  if (ofWhat) node.setAttribute("aria-label", `${text}: ${ofWhat}`);
  node.addEventListener("click", onclick);
  return node;
}

/** Fills a line with facts, skipping those not known; each apart from the next, whatever its script. */
export function showFacts(line, facts) {
  line.replaceChildren(...facts.filter(Boolean).map((fact) => element("bdi", "fact", fact)));
  return line;
}
