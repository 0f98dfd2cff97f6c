// The share dialog: addresses of a title, to copy.

import { button, clock, element } from "./words.js";

const COPIED_MS = 3000;

/**
 * What the dialog needs of a title object: absolute addresses, null for what the title has not.
 *
 * @typedef {object} Shared
 * @property {string} path
 * @property {string} [name]
 * @property {number | null} [width]
 * @property {number | null} [height]
 * @property {string} [watch]
 * @property {string} [embed]
 * @property {string | null} [hls]
 * @property {string | null} [dash]
 * @property {string | null} [mp4]
 */

/**
 * Opens the dialog.
 *
 * @param {{ title: Shared, at_s?: number }} options `at_s` is the time that a link can begin at
 */
export async function openShare({ title, at_s = 0 }) {
  await loadStyle();
  if (document.querySelector("dialog.share")) return; // a second click before the style was there
  const dialog = document.createElement("dialog");
  dialog.className = "share";
  dialog.setAttribute("aria-labelledby", "share-heading");
  const heading = element("h2", "", "Share");
  heading.id = "share-heading";
  const status = element("p", "status");
  status.setAttribute("role", "status");
  const close = button("Close", "", () => dialog.close());
  close.classList.add("small");

  const rows = rowsOf(title).map((row) => addressRow(row, status));
  const at = Math.floor(at_s);
  const start = startChoice(at, (isChosen) => {
    for (const row of rows) row.show(isChosen ? at : 0);
  });
  dialog.append(
    element("div", "head", heading, close),
    ...(at > 0 ? [start] : []),
    ...rows.map((row) => row.node),
    status,
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside the dialog, on its backdrop
  });
  dialog.addEventListener("keydown", (event) => event.stopPropagation()); // no keys of the player
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * The addresses of a title by the time that they begin at.
 *
 * @param {Shared} title
 * @returns {{ label: string, text: (at_s: number) => string }[]}
 */
function rowsOf({ name, path, width, height, watch, embed, hls, dash, mp4 }) {
  const frame = (at_s) => {
    const node = document.createElement("iframe"); // never in the document: it writes the attributes
    const url = new URL(embed, location.href);
    if (at_s) url.searchParams.set("t", String(at_s));
    node.setAttribute("src", url.href);
    node.setAttribute("title", name ?? path);
    node.setAttribute("width", String(width || 1280));
    node.setAttribute("height", String(height || 720));
    node.setAttribute("allow", "autoplay; fullscreen; picture-in-picture");
    node.setAttribute("loading", "lazy");
    return node.outerHTML;
  };
  const streams = [["HLS", hls], ["DASH", dash], ["MP4", mp4]].filter(([, address]) => address);
  return [
    { label: "Link", text: (at_s) => (at_s ? `${watch}#t=${at_s}` : watch) },
    { label: "Embed", text: frame },
    ...streams.map(([label, address]) => ({ label, text: () => address })),
  ];
}

/** A box that says whether links begin at a time. */
function startChoice(at, onChange) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.addEventListener("change", () => onChange(box.checked));
  return element("label", "start", box, ` Start at ${clock(at)}`);
}

/** An address with its button. */
function addressRow({ label, text }, status) {
  const field = document.createElement("input");
  field.type = "text";
  field.readOnly = true;
  field.value = text(0);
  field.addEventListener("focus", () => field.select());
  const copyButton = button("Copy", label, async () => {
    status.textContent = "";
    const isCopied = await copy(field);
    status.textContent = isCopied ? `Copied: ${label}` : "The browser refused; press Ctrl+C to copy what is selected.";
    if (!isCopied) return;
    copyButton.firstChild.replaceWith("Copied");
    setTimeout(() => copyButton.firstChild.replaceWith("Copy"), COPIED_MS);
  });
  const node = element("label", "address", element("span", "", label), field, copyButton);
  return { node, show: (at_s) => { field.value = text(at_s); } };
}

/** Copies a field. Browsers have a clipboard for pages over HTTPS and of this machine only; others copy what is selected. */
async function copy(field) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(field.value);
      return true;
    } catch {
      // The person may have forbidden it; the selection still can be copied.
    }
  }
  field.focus();
  field.select();
  return document.execCommand("copy");
}

/** @type {Promise<void> | undefined} */
let style;

/** The styles of the dialog: only those who share need them. */
function loadStyle() {
  style ??= new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL("./share.css", import.meta.url).href;
    link.addEventListener("load", () => resolve());
    link.addEventListener("error", () => resolve()); // plain, but usable
    document.head.append(link);
  });
  return style;
}
