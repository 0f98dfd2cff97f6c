// A listing: the folders and titles of a folder, or the titles that a search finds. It holds the part of the list
// that has been on the screen, and loads the rest as it comes into view.

import { getJson, noteTitles } from "./server.js";
import { decoded } from "./words.js";

/** Titles in one request. */
const PAGE_SIZE = 100;
const LIMIT_MAX = 1000;
/** Titles in memory. Those farthest from the screen go first. */
const ITEMS_MAX = 4000;
/** Titles that a search for one title reads at most. */
const FIND_MAX = 10_000;

/** How soon after a change the list is read again. A stream of changes doubles the pause, up to the maximum. */
const REFRESH_MS = 300;
const PAUSE_MIN_MS = 2000;
const PAUSE_MAX_MS = 8000;
const SCAN_POLL_MS = 2000;
const UNAVAILABLE_POLL_MS = 5000;
const ERROR_POLL_MS = 5000;

/**
 * @typedef {object} Item a title of the list, as `GET /api/titles` describes it
 * @property {string} path
 * @property {string} [name]
 * @property {string} [folder]
 * @property {string} views
 * @property {string} version
 * @property {string} [media_type]
 * @property {number} [size_bytes]
 * @property {string} [modified]
 * @property {number | null} [duration_s]
 * @property {number | null} [width]
 * @property {number | null} [height]
 * @property {boolean | null} [is_hdr]
 * @property {"video" | "audio" | null} [kind]
 * @property {boolean | null} [has_poster] whether the file has video or cover art
 *
 * @typedef {{ path: string, name: string, href: string, titles: number }} Folder
 * @typedef {{ root: string | null, error: string }} UnavailableRoot
 * @typedef {{ title?: Item, folder?: Folder }} Entry
 */

/** @param {Item} title */
const nameKey = ({ folder, name }) => `${folder}/${name}`;

/** Event "change": the list, or a part of it, has changed. */
export class Listing extends EventTarget {
  total = 0;
  /** Whether folders are entries: beside a player there are titles only. */
  showsFolders = true;
  /** @type {boolean} */
  isScanning = false;
  /** @type {boolean} */
  isLoaded = false;
  /** @type {UnavailableRoot[]} the roots whose titles may be missing */
  unavailable = [];
  /** @type {string | null} why the list cannot be read */
  error = null;

  #folder;
  #search;
  #sort;
  /** @type {Folder[]} */
  #folders = [];
  #totalFolders = 0;
  #items = new Map(); // Item by its place among the titles
  #names = new Map(); // the number of loaded titles with a name, by folder and name
  #wanted = [0, PAGE_SIZE]; // the places on the screen
  /** @type {AbortController | null} of the request for what is on the screen */
  #viewing = null;
  /** @type {Set<AbortController>} of all requests */
  #requests = new Set();
  #isStale = false; // whether the items are older than a known change
  #isOpen = false; // whether the page shows this listing
  #refreshTimer;
  #refreshedAt = -Infinity;
  #pause = PAUSE_MIN_MS;

  /** @param {{ folder: string, search: string, sort: string }} query the folder is percent-encoded */
  constructor({ folder, search, sort }) {
    super();
    this.#folder = folder;
    this.#search = search;
    this.#sort = sort;
  }

  get isSearch() {
    return this.#search !== "";
  }

  /** @returns {Folder[]} */
  get folders() {
    return this.showsFolders ? this.#folders : [];
  }

  /** The number of folders on the server, which lists the first thousand. */
  get totalFolders() {
    return this.showsFolders ? this.#totalFolders : 0;
  }

  /** The number of entries: folders, then titles. */
  get length() {
    return this.folders.length + this.total;
  }

  /** @returns {Entry | null} null while it is loading */
  entry(index) {
    if (index < this.folders.length) return { folder: this.folders[index] };
    const title = this.#items.get(index - this.folders.length);
    return title ? { title } : null;
  }

  /** Whether another loaded title of the same folder has the same name. @param {Item} title */
  hasNamesake(title) {
    return this.#names.get(nameKey(title)) > 1;
  }

  /** The index of the title with these `views` among the loaded entries, or -1. */
  indexOf(views) {
    for (const [place, title] of this.#items) if (title.views === views) return this.folders.length + place;
    return -1;
  }

  /** Loads the entries of a range, unless they are. Of several calls during a request the last one counts. */
  need(first, end) {
    this.#wanted = [Math.max(0, first - this.folders.length), Math.max(PAGE_SIZE / 2, end - this.folders.length)];
    if (this.#isOpen && !this.#viewing) this.#loadMissing();
  }

  /** Reads the list, unless it is in memory and up to date. */
  async open() {
    this.#isOpen = true;
    if (!this.isLoaded || this.#isStale) await this.refresh();
  }

  /** Stops all requests. What they would have read, the next `open` reads. */
  close() {
    this.#isOpen = false;
    this.#isStale ||= this.#refreshTimer !== undefined;
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = undefined;
    this.#abort();
  }

  /** Reads the part on the screen again. */
  refresh() {
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = undefined;
    this.#refreshedAt = performance.now();
    this.#isStale = true;
    this.#abort();
    return this.#loadMissing();
  }

  /**
   * The index of the title with these `views`; reads the list as far as need be. -1 if it is not in the list, or once
   * the list is closed.
   */
  async find(views) {
    if (!this.isLoaded) await this.#load(0, PAGE_SIZE);
    const known = this.indexOf(views);
    if (known !== -1) return known;
    let place = this.#firstMissing(0, this.total) ?? this.total;
    while (this.#isOpen && place < Math.min(this.total, FIND_MAX)) {
      const page = await this.#load(place, LIMIT_MAX);
      if (this.error) return -1;
      if (!page) continue; // a refresh has aborted the request
      const index = page.titles.findIndex((title) => title.views === views);
      if (index !== -1) return this.folders.length + page.offset + index;
      place += LIMIT_MAX;
    }
    return -1;
  }

  /** The title at an index; loads it if need be. */
  async titleAt(index) {
    if (index < this.folders.length || index >= this.length) return null;
    if (!this.entry(index)) await this.#load(index - this.folders.length, PAGE_SIZE);
    return this.entry(index)?.title ?? null;
  }

  /** Takes in a change of the library, with a request only if the list may have other entries, or another order. */
  apply({ added = [], changed = [], removed = [], all = false }) {
    const isKnown = ({ path, views }) => !this.#covers(path) || this.indexOf(views) !== -1;
    const isPatched = !all && removed.every((path) => !this.#covers(path)) && added.every(isKnown)
      && [...added, ...changed].every((item) => this.#patch(item));
    if (!isPatched) this.#refreshSoon();
    else if (added.length || changed.length) this.#changed();
  }

  // ---- Requests --------------------------------------------------------------

  #url(offset, limit) {
    const encodedFolder = this.#folder.replaceAll("+", "%2B").replaceAll("&", "%26");
    const rest = new URLSearchParams({ search: this.#search, sort: this.#sort, offset: String(offset), limit: String(limit) });
    return `/api/titles?folder=${encodedFolder}&${rest}`;
  }

  /** Loads what is missing of the part on the screen. */
  async #loadMissing() {
    const [first, end] = this.#wanted;
    let offset = first < PAGE_SIZE / 2 ? 0 : first;
    let limit = Math.min(Math.max(PAGE_SIZE, end - offset), LIMIT_MAX);
    if (!this.#isStale && this.isLoaded) {
      const place = this.#firstMissing(first, Math.min(end, this.total));
      if (place === null) return;
      const start = place - (place % PAGE_SIZE);
      [offset, limit] = [this.#items.has(start) ? place : start, PAGE_SIZE];
    }
    this.#viewing?.abort();
    const viewing = this.#viewing = new AbortController();
    const page = await this.#load(offset, limit, viewing);
    if (this.#viewing !== viewing) return; // another one has taken its place
    this.#viewing = null;
    if (!page && this.error) this.#refreshAfter(ERROR_POLL_MS);
    else if (page?.scanning) this.#refreshAfter(SCAN_POLL_MS);
    else if (page?.unavailable?.length) this.#refreshAfter(UNAVAILABLE_POLL_MS);
    if (page && !page.scanning) await this.#loadMissing();
  }

  #refreshAfter(pauseMs) {
    this.#refreshTimer ??= setTimeout(() => this.refresh(), pauseMs);
  }

  #firstMissing(first, end) {
    for (let place = first; place < end; place++) if (!this.#items.has(place)) return place;
    return null;
  }

  /** Loads a part of the list, and returns it; null if it fails. Requests for other parts go on. */
  async #load(offset, limit, controller = new AbortController()) {
    this.#requests.add(controller);
    try {
      const page = await getJson(this.#url(offset, limit), controller.signal);
      controller.signal.throwIfAborted();
      noteTitles(page.changed);
      this.#take(page);
      this.#changed();
      return page;
    } catch (error) {
      if (controller.signal.aborted) return null;
      // A folder that does not exist is empty.
      if (error.status === 404) this.#take({ titles: [], folders: [], total: 0, offset: 0, scanning: false });
      else this.error = error.message;
      this.#changed();
      return null;
    } finally {
      this.#requests.delete(controller);
    }
  }

  /** Aborts all requests. */
  #abort() {
    for (const controller of this.#requests) controller.abort();
    this.#viewing = null;
  }

  #take(page) {
    // With another number of titles, the places of those from before are wrong.
    if (this.#isStale || page.total !== this.total) this.#items.clear();
    this.#isStale = false;
    this.isLoaded = true;
    this.error = null;
    this.total = page.total;
    this.#folders = page.folders ?? [];
    this.#totalFolders = page.total_folders ?? 0;
    this.isScanning = page.scanning;
    this.unavailable = page.unavailable ?? [];
    page.titles.forEach((title, index) => this.#items.set(page.offset + index, title));
    this.#countNames();
    const middle = (this.#wanted[0] + this.#wanted[1]) / 2;
    if (this.#items.size <= ITEMS_MAX) return;
    for (const place of this.#items.keys()) if (Math.abs(place - middle) > ITEMS_MAX / 2) this.#items.delete(place);
  }

  #countNames() {
    this.#names.clear();
    for (const title of this.#items.values()) this.#names.set(nameKey(title), (this.#names.get(nameKey(title)) ?? 0) + 1);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  // ---- Changes ---------------------------------------------------------------

  #refreshSoon() {
    if (this.#refreshTimer) return;
    const since = performance.now() - this.#refreshedAt;
    this.#pause = since < 3 * this.#pause ? Math.min(2 * this.#pause, PAUSE_MAX_MS) : PAUSE_MIN_MS;
    this.#refreshTimer = setTimeout(() => this.refresh(), Math.max(REFRESH_MS, this.#pause - since));
  }

  /** Whether a title is in this folder, or below it. */
  #covers(path) {
    return this.#folder === "" || path.startsWith(`${decoded(this.#folder)}/`);
  }

  /** Replaces a title in its place. False if its place may be another one. */
  #patch(item) {
    if (!this.#covers(item.path)) return true;
    const index = this.indexOf(item.views);
    if (index === -1) {
      // A file below a folder of the list, which the list counts already.
      return !this.isSearch && item.folder !== undefined && item.folder !== decoded(this.#folder);
    }
    const place = index - this.folders.length;
    const before = this.#items.get(place);
    this.#items.set(place, item);
    const key = { name: "path", modified: "modified", duration: "duration_s", size: "size_bytes" }[this.#sort.replace("-", "")];
    return before[key] === item[key];
  }
}
