// The library: the titles as a list of links, page by page.
//
// The page uses the server's addresses unchanged: only the server knows the encoding of a name that is
// not UTF-8.

import { dropPoster, showPoster } from "./posters.js";
import { getJson, onTitles } from "./server.js";
import { byId, clock, count, date, decoded, element, showFacts, sizeText, splitPath } from "./words.js";

const PAGE_SIZE = 100;
const SCAN_POLL_MS = 2000;
const TYPING_PAUSE_MS = 150;

export const WATCH = "/watch/";
export const MEDIA = "/media/";
export const VIEWS = "/v/";

/** Titles with video, of which the server can render posters. */
const VIDEO_FILE = /\.(mp4|m4v|mov|mkv|webm|avi|ts|m2ts|mts|mpe?g|3gp|f4v|ogv|set)$/i;

const list = byId("titles");
const search = byId("search");

let listing = new AbortController(); // aborts the current request when a newer one starts
let scanPoll;
let shown = []; // the listed titles
let next = null; // the address of the next page

const firstPage = () =>
  `/api/titles?${new URLSearchParams({ search: search.value.trim(), sort: "path", offset: 0, limit: PAGE_SIZE })}`;

/** Appends the titles at `from` to those in `kept`, page by page, until there are `atLeast`. */
export async function load({ from = firstPage(), kept = [], atLeast = 0 } = {}) {
  listing.abort();
  clearTimeout(scanPoll);
  listing = new AbortController();
  const { signal } = listing;
  try {
    let titles = kept;
    let page;
    do {
      page = await getJson(from, signal);
      titles = titles.concat(page.titles);
      from = page.next;
    } while (from && titles.length < atLeast);
    showListing(titles, page);
    if (page.scanning) scanPoll = setTimeout(refresh, SCAN_POLL_MS);
  } catch (error) {
    if (!signal.aborted) showListingError(error.message);
  }
}

/** Reloads the list with as many pages as "Show more" has added. */
const refresh = () => load({ atLeast: shown.length });

function showListing(titles, page) {
  shown = titles;
  next = page.next;
  const searched = search.value.trim() !== "";
  const noun = page.total === 1 ? "title" : "titles";
  byId("count").textContent =
    `${page.scanning ? "scanning… " : ""}${count.format(page.total)} ${noun}${searched ? " found" : ""}`;
  byId("listing-error").hidden = true;
  byId("empty").hidden = page.total > 0 || searched || page.scanning;
  byId("no-match").hidden = page.total > 0 || !searched;
  byId("more").hidden = !next;
  showRows(titles);
  markCurrent();
}

function showListingError(text) {
  byId("listing-error-text").textContent = text;
  byId("listing-error").hidden = false;
}

/** Updates the rows. Existing rows do not move, so that focus and scrolling survive a refresh. */
function showRows(titles) {
  const keyOf = (title) => `${title.href} ${title.version}`;
  const wanted = new Set(titles.map(keyOf));
  const rows = new Map();
  for (const row of [...list.children]) {
    if (wanted.has(row.dataset.key)) {
      rows.set(row.dataset.key, row);
    } else {
      dropPoster(row.querySelector(".poster"));
      row.remove();
    }
  }
  titles.forEach((title, index) => {
    const row = rows.get(keyOf(title)) ?? titleRow(title, keyOf(title));
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
}

function titleRow(title, key) {
  const { folder, name } = splitPath(title.path);
  const path = title.views.slice(VIEWS.length, -1);
  const facts = [folder, sizeText(title.size_bytes), date.format(new Date(title.modified))];
  const poster = element("span", "poster");
  if (title.duration_s) poster.append(element("span", "length", clock(title.duration_s)));
  if (VIDEO_FILE.test(path)) showPoster(poster, `${VIEWS}${path}/poster.jpg?width=320&wait=0`, title.path);
  const words = element("span", "words", element("bdi", "name", name), showFacts(element("span", "facts"), facts));
  const link = element("a", "title", poster, words);
  link.href = WATCH + path;
  const row = element("li", "", link);
  row.dataset.key = key;
  return row;
}

/** Marks the row of the current title, in any spelling of its address. */
export function markCurrent() {
  const here = decoded(location.pathname);
  for (const link of list.querySelectorAll("a")) {
    if (decoded(link.pathname) !== here) {
      link.removeAttribute("aria-current");
    } else if (!link.hasAttribute("aria-current")) {
      link.setAttribute("aria-current", "page");
      // Only where the list has its own scroll bar; on a phone the player must stay in view.
      if (getComputedStyle(list.closest("nav")).overflowY === "auto") link.scrollIntoView({ block: "nearest" });
    }
  }
}

let typingTimer;
search.addEventListener("input", () => {
  clearTimeout(typingTimer);
  typingTimer = setTimeout(load, TYPING_PAUSE_MS);
});
byId("clear-search").addEventListener("click", () => {
  search.value = "";
  search.focus();
  load();
});
byId("more").addEventListener("click", () => load({ from: next, kept: shown }));
byId("listing-retry").addEventListener("click", refresh);

let refreshTimer;
onTitles(() => { refreshTimer ??= setTimeout(() => { refreshTimer = undefined; refresh(); }, SCAN_POLL_MS); });
