// A grid of cards of which only those near the screen exist. The list has the height of all its rows: padding
// replaces those that do not exist. All cards have one height: library.css sets it.
//
// One card is in the tab order; arrow keys move to the others.

import { card, dropCard, fillCard, hrefOf } from "./cards.js";

/** How far beyond the screen cards exist, in screens. */
const OVERSCAN = 0.75;
/** Cards for the first measurement. */
const FIRST_CARDS = 1;

/** The key of a card whose entry is still loading. */
const placeKey = (index) => `#${index}`;

export class Grid {
  #list;
  #listing = null;
  #rendered = [0, 0]; // the range of cards that exist
  #active = 0; // the index of the card in the tab order
  /** @type {(entry: import("./listing.js").Entry) => boolean} */
  #isCurrent = () => false;
  #frame;

  /** @param {HTMLElement} list it may contain cards already, which the server wrote */
  constructor(list) {
    this.#list = list;
    for (const item of this.#items()) item.dataset.key = item.firstElementChild.getAttribute("href");
    const update = () => this.#schedule();
    document.addEventListener("scroll", update, { capture: true, passive: true });
    new ResizeObserver(update).observe(list);
    list.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("focusin", ({ target }) => this.#setActive(this.#indexOf(target)));
  }

  /**
   * Shows a listing. Cards of entries that it has in common with the one before stay.
   *
   * @param {import("./listing.js").Listing} listing
   * @param {(entry: import("./listing.js").Entry) => boolean} isCurrent whether an entry is what the page shows
   */
  show(listing, isCurrent) {
    if (this.#listing !== listing) this.#active = 0;
    this.#listing = listing;
    this.#isCurrent = isCurrent;
    this.#render();
  }

  /** Scrolls to a card and focuses it. */
  focus(index, { focuses = true } = {}) {
    const last = this.#listing.length - 1;
    if (last < 0) return;
    const wanted = Math.min(Math.max(index, 0), last);
    this.#setActive(wanted);
    if (wanted < this.#rendered[0] || wanted >= this.#rendered[1]) {
      const { columns, pitch, top } = this.#measure();
      const scroller = this.#scroller();
      scroller.scrollTop += top + Math.floor(wanted / columns) * pitch - scroller.clientHeight / 3;
      this.#render();
    }
    const link = this.#itemAt(wanted)?.firstElementChild;
    if (focuses) link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: "nearest" });
  }

  /** @returns {any[]} the items of the list, with the `index` and `entry` that they show */
  #items() {
    return [...this.#list.children];
  }

  /** The element that scrolls the list: its section, beside a player on a wide screen, or the page. */
  #scroller() {
    const section = this.#list.parentElement;
    return getComputedStyle(section).overflowY === "auto" ? section : document.scrollingElement;
  }

  // ---- Which cards exist -----------------------------------------------------

  #schedule() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      if (this.#listing?.isLoaded) this.#render();
    });
  }

  /** Columns, the distance of rows, and where the first row is on the screen. */
  #measure() {
    const style = getComputedStyle(this.#list);
    const columns = style.gridTemplateColumns.split(" ").length;
    const gap = Number.parseFloat(style.rowGap) || 0;
    const height = this.#list.firstElementChild?.getBoundingClientRect().height ?? 0;
    return { columns, gap, pitch: height + gap, top: this.#list.getBoundingClientRect().top };
  }

  #render() {
    const { length } = this.#listing;
    if (!length) {
      for (const item of this.#items()) this.#remove(item);
      this.#pad(0, 0);
      this.#rendered = [0, 0];
      return;
    }
    if (!this.#list.children.length) this.#reconcile(0, Math.min(FIRST_CARDS, length));
    const { columns, gap, pitch, top } = this.#measure();
    if (pitch <= gap) return; // not on the screen
    const margin = OVERSCAN * innerHeight;
    const rows = Math.ceil(length / columns);
    const row = (y) => Math.min(Math.max(y / pitch, 0), rows);
    const firstRow = Math.min(Math.floor(row(-top - margin)), Math.max(rows - 1, 0));
    const endRow = Math.max(Math.ceil(row(innerHeight - top + margin)), firstRow + 1);
    const [first, end] = [firstRow * columns, Math.min(endRow * columns, length)];
    this.#reconcile(first, end);
    this.#pad(firstRow * pitch, (rows - endRow) * pitch);
    this.#listing.need(first, end);
  }

  #pad(before, after) {
    this.#list.style.setProperty("padding-block", `${before}px ${after}px`);
  }

  /** Makes the cards of a range. Those that exist do not move, so that they keep focus and images. */
  #reconcile(first, end) {
    const list = this.#list;
    const entries = Array.from({ length: end - first }, (_, place) => this.#listing.entry(first + place));
    const wanted = new Set(entries.map((entry, place) => (entry ? hrefOf(entry) : placeKey(first + place))));
    const items = new Map();
    for (const item of this.#items()) {
      // An empty card becomes that of the entry of its place.
      const entry = item.dataset.key === placeKey(item.index) && entries[item.index - first];
      const key = entry ? hrefOf(entry) : item.dataset.key;
      if (wanted.has(key) && !items.has(key)) items.set(key, item);
      else this.#remove(item);
    }
    entries.forEach((entry, place) => {
      const index = first + place;
      const key = entry ? hrefOf(entry) : placeKey(index);
      const item = items.get(key) ?? card(null);
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
      this.#describe(item, { key, index, entry });
    });
    this.#rendered = [first, end];
    this.#setActive(this.#active);
  }

  #describe(item, { key, index, entry }) {
    const { isSearch } = this.#listing;
    const withType = Boolean(entry?.title && this.#listing.hasNamesake(entry.title));
    const isShown = item.entry && item.entry.title === entry?.title && item.entry.folder === entry?.folder && item.withType === withType;
    if (entry && !isShown) {
      fillCard(item, entry, { withFolder: isSearch, withType });
      Object.assign(item, { entry, withType });
    }
    item.dataset.key = key;
    item.index = index;
    item.setAttribute("aria-setsize", this.#listing.length);
    item.setAttribute("aria-posinset", index + 1);
    const link = item.firstElementChild;
    if (entry && this.#isCurrent(entry)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }

  #remove(item) {
    // Focus stays in the list, and the next arrow key goes on from the card that had it.
    if (item.contains(document.activeElement)) this.#list.focus({ preventScroll: true });
    dropCard(item);
    item.remove();
  }

  // ---- Keys ------------------------------------------------------------------

  #itemAt(index) {
    return this.#items()[index - this.#rendered[0]];
  }

  #indexOf(target) {
    return target.closest("li")?.index ?? this.#active;
  }

  /** Chooses the card in the tab order: the active one, or while that does not exist the first one. */
  #setActive(index) {
    this.#active = index;
    const [first, end] = this.#rendered;
    const reachable = index >= first && index < end ? index : first;
    for (const item of this.#items()) item.firstElementChild.tabIndex = item.index === reachable ? 0 : -1;
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !this.#listing?.length) return;
    const { columns } = this.#measure();
    const at = this.#active;
    const isRightToLeft = getComputedStyle(this.#list).direction === "rtl";
    const [before, after] = isRightToLeft ? ["ArrowRight", "ArrowLeft"] : ["ArrowLeft", "ArrowRight"];
    const last = this.#listing.length - 1;
    const target = {
      [before]: at - 1, [after]: at + 1, ArrowUp: at - columns, ArrowDown: Math.min(at + columns, last), Home: 0, End: last,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (target < 0) this.#list.dispatchEvent(new Event("leave")); // above the first row
    else this.focus(target);
  }
}
