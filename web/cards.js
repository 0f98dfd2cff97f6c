// Cards: a title or a folder as an item of a list. The server writes the first cards of a page in the same markup
// (src/http/routes/page/), so that the list works before and without this script:
//
//   <li><a class="title" href="/watch/Films/Sea.mp4">
//     <span class="poster"><span class="length">1:02</span></span>
//     <span class="words"><bdi class="name">Sea</bdi><span class="facts"></span></span></a></li>
//   <li><a class="folder" href="/library/Films/">
//     <span class="poster"></span>
//     <span class="words"><bdi class="name">Films</bdi><span class="facts">12 titles</span></span></a></li>

import { watchHref } from "./addresses.js";
import { dropPoster, showPoster } from "./posters.js";
import { clock, count, date, element, nameOf, showFacts, sizeText } from "./words.js";

/** The view of a card's image. */
export const POSTER = "poster.jpg?width=320&wait=0";

const is4K = ({ width, height }) => Math.max(width, height) >= 3840 || Math.min(width, height) >= 2160;

/** The address of an entry: what its card links to, and what identifies it. @param {import("./listing.js").Entry} entry */
export const hrefOf = ({ title, folder }) => (title ? watchHref(title) : folder.href);

/**
 * An item of a list for an entry; without one, an empty item whose entry is still loading.
 *
 * @typedef {HTMLLIElement & { index: number, entry: import("./listing.js").Entry }} Item
 * @param {import("./listing.js").Entry | null} entry
 */
export function card(entry) {
  const words = element("span", "words", element("bdi", "name"), element("span", "facts"));
  const item = /** @type {Item} */ (element("li", "", element("a", "", element("span", "poster"), words)));
  fillCard(item, entry);
  return item;
}

/**
 * Shows an entry in an item, which may show an older version of it, or none.
 *
 * @param {Item} item @param {import("./listing.js").Entry | null} entry @param {{ withFolder?: boolean, withType?: boolean }} options
 *   what its facts tell: the folder, in a search; the type of the file, where names are equal
 */
export function fillCard(item, entry, { withFolder = false, withType = false } = {}) {
  const link = /** @type {HTMLAnchorElement} */ (item.firstElementChild);
  const poster = /** @type {HTMLElement} */ (item.querySelector(".poster"));
  item.toggleAttribute("aria-busy", !entry);
  link.className = entry?.folder ? "folder" : "title";
  if (!entry) return;
  link.setAttribute("href", hrefOf(entry));
  const { title, folder } = entry;
  const name = title ? nameOf(title) : folder.name;
  item.querySelector(".name").textContent = name;
  link.title = name;
  showFacts(item.querySelector(".facts"), title ? factsOf(title, withFolder, withType) : [titlesText(folder.titles)]);
  if (title) fillPoster(poster, title);
}

const titlesText = (titles) => `${count.format(titles)} ${titles === 1 ? "title" : "titles"}`;

/** @param {import("./listing.js").Item} title @param {boolean} withFolder @param {boolean} withType */
function factsOf({ path, folder, size_bytes, modified }, withFolder, withType) {
  const type = withType && path.slice(path.lastIndexOf(".") + 1).toUpperCase();
  if (withFolder && folder) return [type, folder];
  return [type, size_bytes && sizeText(size_bytes), modified && date.format(new Date(modified))];
}

/** Cancels what an item loads that leaves the document. */
export const dropCard = (item) => dropPoster(item.querySelector(".poster"));

function fillPoster(poster, title) {
  const marks = [is4K(title) && "4K", title.is_hdr && "HDR"].filter(Boolean).map((mark) => element("span", "mark", mark));
  const length = title.duration_s ? [element("span", "length", clock(title.duration_s))] : [];
  poster.classList.toggle("audio", title.kind === "audio");
  poster.replaceChildren(
    ...poster.querySelectorAll("img"),
    ...(marks.length ? [element("span", "marks", ...marks)] : []),
    ...length,
  );
  if (title.has_poster) showPoster(poster, `${title.views}${POSTER}`, title.path, title.version);
}
