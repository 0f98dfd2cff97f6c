// "Continue watching": the titles that this browser has begun, and how far, as long as the library has them.

import { watchPathHref } from "./addresses.js";
import { POSTER } from "./cards.js";
import { forgetPosition, notePresence, positions } from "./memory.js";
import { dropPoster, showPoster } from "./posters.js";
import { getJson, onTitles } from "./server.js";
import { byId, button, clock, element, isAudioPath, nameOf, showFacts, splitPath } from "./words.js";

const CARDS_MAX = 12;

/** The most titles of which the page asks at a time, and the most characters: the server limits addresses. */
const PATHS_MAX = 30;
const QUERY_LENGTH_MAX = 6000;

const list = byId("positions");

let isShown = false;

/** Shows the begun titles at the top of the library, and nowhere else. */
export function showPositions({ isHome }) {
  isShown = isHome;
  show([]);
  if (isHome) check();
}

/**
 * Shows a card of each begun title; posters of those that the server has, so that no request fails.
 *
 * @param {import("./listing.js").Item[]} titles
 */
function show(titles) {
  const shown = isShown ? positions().filter(({ is_gone }) => !is_gone).slice(0, CARDS_MAX) : [];
  const cards = new Map([...list.children].map((card) => [card.dataset.key, card]));
  const kept = shown.map((position) => cards.get(JSON.stringify(position)) ?? positionCard(position));
  for (const card of cards.values()) {
    if (kept.includes(card)) continue;
    dropPoster(card.querySelector(".poster"));
    card.remove();
  }
  kept.forEach((card, index) => {
    if (list.children[index] !== card) list.insertBefore(card, list.children[index] ?? null);
    const title = titles.find(({ path }) => path === shown[index].path);
    if (title) fillPoster(card.querySelector(".poster"), title);
  });
  document.body.classList.toggle("begun", shown.length > 0);
}

function positionCard(position) {
  const { path, at_s, duration_s } = position;
  const name = nameOf({ path });
  const { folder } = splitPath(path);
  const bar = element("span", "watched");
  bar.style.setProperty("--part", String(at_s / duration_s));
  const poster = element("span", "poster", bar, element("span", "length", `${clock(duration_s - at_s)} left`));
  poster.classList.toggle("audio", isAudioPath(path));
  const facts = showFacts(element("span", "facts"), [folder.slice(folder.lastIndexOf("/") + 1)]);
  const link = element("a", "title", poster, element("span", "words", element("bdi", "name", name), facts));
  link.setAttribute("href", watchPathHref(path));
  link.title = name;
  const forget = button("×", null, () => {
    forgetPosition(path);
    const next = item.nextElementSibling ?? item.previousElementSibling;
    dropPoster(poster);
    item.remove();
    document.body.classList.toggle("begun", list.children.length > 0);
    (next?.querySelector("button") ?? byId("titles")).focus();
  });
  forget.className = "forget";
  forget.setAttribute("aria-label", `Remove from Continue watching: ${name}`);
  const item = element("li", "", link, forget);
  item.dataset.key = JSON.stringify(position);
  return item;
}

/** @param {HTMLElement} poster @param {import("./listing.js").Item} title */
function fillPoster(poster, title) {
  poster.classList.toggle("audio", title.kind === "audio");
  if (title.has_poster) showPoster(poster, `${title.views}${POSTER}`, title.path, title.version);
}

// ---- Which of them the library has ---------------------------------------------

/** Asks the server which begun titles it has, and shows these. While it cannot tell, all are shown. */
async function check() {
  const [query, paths] = queryOfBegun(positions());
  if (!paths.length) return;
  const response = await getJson(`/api/titles?${query}`).catch(() => null);
  if (!response || !isShown) return;
  if (!response.scanning) notePresence(paths, new Set(response.titles.map(({ path }) => path)));
  show(response.titles);
}

/** As many paths as fit into one address. */
function queryOfBegun(begun) {
  const paths = begun.slice(0, PATHS_MAX).map(({ path }) => path);
  const queryOf = (paths) => paths.map((path) => `path=${encodeURIComponent(path)}`).join("&");
  while (queryOf(paths).length > QUERY_LENGTH_MAX) paths.pop();
  return /** @type {const} */ ([queryOf(paths), paths]);
}

onTitles(({ all, added = [], changed = [], removed = [] }) => {
  if (!isShown) return;
  const touched = new Set([...[...added, ...changed].map(({ path }) => path), ...removed]);
  if (all || positions().some(({ path }) => touched.has(path))) check();
});
