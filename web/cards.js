// Cards: a title or a folder as an item of a list. The server writes the first cards of a page in the same markup
// (src/http/routes/page/), so that the list works before and without this script:
//
//   <li><a class="title" href="/watch/Films/Sea.mp4">
//     <span class="poster"><span class="length">1:02</span></span>
//     <span class="words"><bdi class="name">Sea</bdi><span class="facts"></span></span></a></li>
//   <li><a class="folder" href="/library/Films/">
//     <span class="poster"></span>
//     <span class="words"><bdi class="name">Films</bdi><span class="facts">12 titles</span></span></a></li>

import { folderHref, watchHref } from "./addresses.js";
import { dropPoster, showPoster } from "./posters.js";
import { clock, count, date, element, showFacts, sizeText } from "./words.js";

const POSTER = "poster.jpg?width=320&wait=0";

/** Containers that the server reads without a job; it renders posters of all titles with video in them. */
const READABLE = /\.(mp4|m4v|mov|set)$/i;
const AUDIO = /^audio\//;

const is4K = ({ width, height }) => Math.max(width, height) >= 3840 || Math.min(width, height) >= 2160;

/** @returns {string} the address of an entry: what its card links to, and what identifies it */
export const hrefOf = ({ title, folder }) => (title ? watchHref(title) : folderHref(folder.path));

/** The name of a title without its extension. */
export const nameOf = ({ name, path }) => name ?? path.slice(path.lastIndexOf("/") + 1).replace(/\.[^.]+$/, "");

const kindOf = ({ kind, media_type }) => kind ?? (AUDIO.test(media_type) ? "audio" : null);

/** Whether the server has a poster. While it has not read a file, a request might only fail. */
const hasPoster = (title) =>
  kindOf(title) === "video" || (title.kind === undefined && READABLE.test(title.path));

/** An item of a list for an entry; without one, an empty item whose entry is still loading. */
export function card(entry) {
  const words = element("span", "words", element("bdi", "name"), element("span", "facts"));
  const item = element("li", "", element("a", "", element("span", "poster"), words));
  fillCard(item, entry);
  return item;
}

/** Shows an entry in an item, which may show an older version of it, or none. */
export function fillCard(item, entry, { withFolder = false } = {}) {
  const link = item.firstElementChild;
  const poster = item.querySelector(".poster");
  item.toggleAttribute("aria-busy", !entry);
  link.className = entry?.folder ? "folder" : "title";
  if (!entry) return;
  link.setAttribute("href", hrefOf(entry));
  const { title, folder } = entry;
  const name = title ? nameOf(title) : folder.name;
  item.querySelector(".name").textContent = name;
  link.title = name;
  showFacts(item.querySelector(".facts"), title ? factsOf(title, withFolder) : [titlesText(folder.titles)]);
  if (title) fillPoster(poster, title);
}

const titlesText = (titles) => `${count.format(titles)} ${titles === 1 ? "title" : "titles"}`;

function factsOf({ folder, size_bytes, modified }, withFolder) {
  return withFolder && folder ? [folder] : [size_bytes && sizeText(size_bytes), modified && date.format(new Date(modified))];
}

/** Cancels what an item loads that leaves the document. */
export const dropCard = (item) => dropPoster(item.querySelector(".poster"));

function fillPoster(poster, title) {
  const marks = [is4K(title) && "4K", title.is_hdr && "HDR"].filter(Boolean).map((mark) => element("span", "mark", mark));
  const length = title.duration_s ? [element("span", "length", clock(title.duration_s))] : [];
  poster.classList.toggle("audio", kindOf(title) === "audio");
  poster.replaceChildren(
    ...poster.querySelectorAll("img"),
    ...(marks.length ? [element("span", "marks", ...marks)] : []),
    ...length,
  );
  if (hasPoster(title)) showPoster(poster, `${title.views}${POSTER}`, title.path, title.version);
}
