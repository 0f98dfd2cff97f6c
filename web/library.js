// The library: a folder, or the titles that a search finds; beside a player the folder of its title.

import { folderHref, foldersAbove, viewsOf } from "./addresses.js";
import { showPositions } from "./continue.js";
import { Grid } from "./grid.js";
import { Listing } from "./listing.js";
import { preference, setPreference } from "./memory.js";
import { movePreviews } from "./previews.js";
import { onTitles } from "./server.js";
import { byId, count, element } from "./words.js";

const TYPING_PAUSE_MS = 150;
/** Listings in memory, so that Back shows at once what was there. */
const LISTINGS_MAX = 8;
const SORTS = ["name", "-modified", "-duration", "-size"];

const list = byId("titles");
const search = byId("search");
const sort = byId("sort");
const grid = new Grid(list);

/** @type {Map<string, Listing>} by folder, search and sort; the last used one is the last */
const listings = new Map();
/** @type {Listing | null} */
let listing = null;
/** @type {{ title: string | null, folder: string, search: string }} */
let place = { title: null, folder: "", search: "" };

sort.value = SORTS.includes(preference("sort")) ? preference("sort") : SORTS[0];
// The server wrote the cards of a folder by name. In another order they would move.
if (sort.value !== SORTS[0]) list.replaceChildren();

/**
 * Shows the folder of an address, or what a search finds below it.
 *
 * @param {{ title: string | null, folder: string, search: string }} to paths are percent-encoded
 * @returns {Promise<void>} when the list is there
 */
export async function showLibrary(to) {
  place = to;
  if (document.activeElement !== search) search.value = to.search;
  showHeading();
  showPositions({ isHome: !to.title && !to.folder && !to.search });
  await open();
}

/** The title after the current one in the order of the list. */
export async function nextTitle() {
  const from = listing;
  if (!place.title || !from) return null;
  const index = await from.find(viewsOf(place.title));
  return index === -1 ? null : from.titleAt(index + 1);
}

// ---- The listing -----------------------------------------------------------

/** Opens the listing of the place, the search and the order; a new one reads the server's list. */
function open() {
  const text = search.value.trim();
  // A search beside a player is of the whole library: the folder is on the screen already.
  const query = { folder: place.title && text ? "" : place.folder, search: text, sort: sort.value };
  const key = JSON.stringify(query);
  const known = listings.get(key) ?? new Listing(query);
  known.showsFolders = !place.title;
  listings.delete(key);
  listings.set(key, known);
  while (listings.size > LISTINGS_MAX) listings.delete(listings.keys().next().value);
  if (listing !== known) {
    listing?.removeEventListener("change", show);
    listing?.close();
    listing = known;
    listing.addEventListener("change", show);
  }
  const opened = listing.open();
  if (listing.isLoaded) show();
  return opened.then(() => listing === known && showCurrent());
}

function show() {
  const { total, totalFolders, isScanning, isSearch, isLoaded, unavailable, error } = listing;
  byId("listing-error").hidden = error === null;
  const text = byId("listing-error-text");
  if (text.textContent !== (error ?? "")) text.textContent = error ?? ""; // screen readers read each change
  if (!isLoaded) return;
  showUnavailable(unavailable);
  const isUnknown = !listing.length && unavailable.length > 0;
  const isEmpty = !listing.length && !isScanning && !isUnknown;
  const isTop = !place.folder || place.title !== null;
  byId("count").textContent = isUnknown ? "" : `${isScanning ? "scanning… " : ""}${countText(totalFolders, total)}${isSearch ? " found" : ""}`;
  byId("empty").hidden = !isEmpty || isSearch || !isTop;
  byId("no-folder").hidden = !isEmpty || isSearch || isTop;
  byId("no-match").hidden = !isEmpty || !isSearch;
  grid.show(listing, ({ title }) => isCurrentTitle(title));
}

/** Says which roots are not available. Screen readers read a change, and only that. */
function showUnavailable(roots) {
  const sentences = roots.map(({ root, error }) => `Titles ${root === null ? "" : `of ${root} `}may be missing or not play: ${error}.`);
  const notice = byId("unavailable");
  if (notice.textContent !== sentences.join("")) notice.replaceChildren(...sentences.map((text) => element("p", "", text)));
}

function countText(folders, titles) {
  const number = (value, noun) => `${count.format(value)} ${value === 1 ? noun : `${noun}s`}`;
  return [folders && number(folders, "folder"), (titles || !folders) && number(titles, "title")].filter(Boolean).join(", ");
}

/** Scrolls the list beside a player to the current title. On a phone the player must stay in view. */
async function showCurrent() {
  const { title } = place;
  if (!title || getComputedStyle(list.parentElement).overflowY !== "auto") return;
  const from = listing;
  const index = await from.find(viewsOf(title));
  if (index !== -1 && from === listing && title === place.title) grid.focus(index, { focuses: false });
}

const isCurrentTitle = (title) => title !== undefined && place.title !== null && title.views === viewsOf(place.title);

// ---- The head --------------------------------------------------------------

/** Names the folder, and links to those above it; beside a player to the folder of the title, too. */
function showHeading() {
  const folders = foldersAbove(place.folder);
  const current = place.title ? null : folders.pop();
  const above = place.folder || place.title ? [{ name: "Library", href: folderHref("") }, ...folders] : [];
  byId("folder").textContent = current?.name ?? "Library";
  byId("crumbs").replaceChildren(...above.map(({ name, href }) => {
    const link = element("a", "", element("bdi", "", name));
    link.href = href;
    return element("li", "", link);
  }));
  if (!place.title) document.title = current ? `${current.name} · Headwater` : "Headwater";
}

let typingTimer;
search.addEventListener("input", () => {
  clearTimeout(typingTimer);
  typingTimer = setTimeout(find, TYPING_PAUSE_MS);
});

search.addEventListener("change", find); // before a click on a title leaves the page

/** Searches for what is in the box. The address of a folder's page keeps the search, for Back and for reload. */
function find() {
  clearTimeout(typingTimer);
  if (!place.title) {
    const text = search.value.trim();
    const query = text ? `?${new URLSearchParams({ search: text })}` : "";
    history.replaceState(history.state, "", location.pathname + query);
    place = { ...place, search: text };
    showPositions({ isHome: !place.folder && !text });
  }
  open();
}

byId("clear-search").addEventListener("click", () => {
  search.value = "";
  search.focus();
  find();
});

search.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" || !listing?.length) return;
  event.preventDefault();
  grid.focus(0);
});
list.addEventListener("leave", () => search.focus());

sort.addEventListener("change", () => {
  setPreference("sort", sort.value);
  open();
});

byId("listing-retry").addEventListener("click", () => listing.refresh());

// ---- Changes ---------------------------------------------------------------

onTitles((change) => {
  for (const [key, other] of listings) if (other !== listing) listings.delete(key);
  listing?.apply(change);
});

movePreviews(list);
