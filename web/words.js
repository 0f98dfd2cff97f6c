// Text: numbers, times and names for people, and elements with text.
//
// File names are hostile: they enter the document as text nodes, never as markup.

export const count = new Intl.NumberFormat();
export const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const percentage = new Intl.NumberFormat(undefined, { style: "percent" });
const past = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const percent = (value) => percentage.format(Math.floor(value) / 100);

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

/** "3 minutes ago", from an RFC 3339 time. */
export function ago(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time).getTime()) / 1000);
  /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
  const units = [["day", 86_400], ["hour", 3600], ["minute", 60]];
  for (const [unit, length] of units) {
    if (seconds >= length) return past.format(-Math.floor(seconds / length), unit);
  }
  return "just now";
}

/** A percent-encoded path, decoded. As by the server, bytes that are not UTF-8 are replaced. */
export function decoded(urlPath) {
  const text = (coded) => new TextDecoder().decode(Uint8Array.from(coded.slice(1).split("%"), (hex) => parseInt(hex, 16)));
  return urlPath.replace(/(?:%[0-9a-f]{2})+/gi, text);
}

/** Splits "Été/Horloge.mp4" into the folder "Été" and the name "Horloge.mp4". */
export function splitPath(path) {
  const slash = path.lastIndexOf("/");
  return { folder: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1) };
}

/** The name of a title without its extension. @param {{ name?: string, path: string }} title */
export const nameOf = ({ name, path }) => name ?? splitPath(path).name.replace(/\.[^.]+$/, "");

/** Whether a title has the extension of audio; the server knows more once it has read the file. first.js has the same. */
export const isAudioPath = (path) => /\.(aac|ac3|aiff?|flac|isma|m4a|m4b|mka|mp3|oga|ogg|opus|wav|wma)$/i.test(path);

/** An element of the document, of the kind that its caller knows. @type {(id: string) => any} */
export const byId = (id) => document.getElementById(id);

export function element(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children); // strings become text nodes
  return node;
}

/** A button. Its label names the object too, for screen readers. */
export function button(text, object, onclick) {
  const node = element("button", "", text);
  node.type = "button";
  if (object) node.setAttribute("aria-label", `${text}: ${object}`);
  node.addEventListener("click", onclick);
  return node;
}

/** Fills a line with facts and skips unknown ones. <bdi> isolates facts of either writing direction. */
export function showFacts(line, facts) {
  line.replaceChildren(...facts.filter(Boolean).map((fact) => element("bdi", "fact", fact)));
  return line;
}
