// The preview above the seek bar: the frame, the chapter and the time under the pointer.

import { clock, element } from "../words.js";
import { lengthOf } from "./actions.js";

/** @typedef {import("./playback.js").Playback} Playback */

const REST_MS = 80; // how long the pointer must rest before a sheet is requested

export class Preview {
  #range;
  #playback;
  #canvas = /** @type {HTMLCanvasElement} */ (element("canvas", ""));
  #chapter = element("bdi", "");
  #time = element("span", "");
  /** @type {number | null} */
  #shown = null; // the time of the visible preview
  #drawn = false; // whether the canvas shows a frame of this title
  #restTimer = 0;

  /**
   * @param {HTMLInputElement} range
   * @param {Playback} playback
   */
  constructor(range, playback) {
    this.#range = range;
    this.#playback = playback;
    this.element = element("div", "preview", this.#canvas, element("p", "", this.#chapter, " ", this.#time));
    this.element.setAttribute("aria-hidden", "true");
    this.element.hidden = true;
    range.addEventListener("pointermove", (event) => this.show(this.#timeAt(event)));
    range.addEventListener("pointerdown", (event) => this.show(this.#timeAt(event)));
    range.addEventListener("pointerup", (event) => event.pointerType === "touch" && this.hide());
    for (const event of ["pointerleave", "pointercancel", "blur"]) range.addEventListener(event, () => this.hide());
  }

  /** Forgets the frame of another title. */
  update() {
    if (!this.#playback.storyboard) this.#drawn = false;
    if (this.#shown !== null) this.show(this.#shown);
  }

  hide() {
    clearTimeout(this.#restTimer);
    this.#shown = null;
    this.element.hidden = true;
  }

  /** @param {number} seconds */
  show(seconds) {
    if (!lengthOf(this.#playback)) return;
    this.#shown = seconds;
    this.element.hidden = false;
    this.#time.textContent = clock(seconds);
    this.#chapter.textContent = this.#playback.chapters.findLast(({ start_s }) => start_s <= seconds)?.title ?? "";
    this.#draw(seconds);
    this.#move(seconds);
  }

  /**
   * The time under a pointer. The handle is as wide as the bar is high; its middle marks the time.
   * @param {PointerEvent} event
   */
  #timeAt({ clientX }) {
    const { left, width, height } = this.#range.getBoundingClientRect();
    const part = (clientX - left - height / 2) / (width - height);
    return lengthOf(this.#playback) * Math.min(Math.max(part, 0), 1);
  }

  /**
   * Draws the tile of a time. Until the server has rendered its sheet, the preview shows the time only.
   * @param {number} seconds
   */
  #draw(seconds) {
    clearTimeout(this.#restTimer);
    const { storyboard } = this.#playback;
    const tile = storyboard?.tile(seconds);
    this.#canvas.hidden = !tile;
    if (!storyboard || !tile) return;
    const sheet = storyboard.peek(tile);
    this.element.classList.toggle("loading", !sheet);
    if (sheet) {
      this.#drawTile(sheet, tile);
      return;
    }
    if (!this.#drawn) Object.assign(this.#canvas, { width: tile.width, height: tile.height });
    this.#restTimer = window.setTimeout(async () => {
      const loaded = await storyboard.sheet(tile);
      if (loaded && storyboard === this.#playback.storyboard && this.#shown !== null) this.#draw(this.#shown);
    }, REST_MS);
  }

  /**
   * @param {HTMLImageElement} sheet
   * @param {{ x: number, y: number, width: number, height: number, start: number }} tile
   */
  #drawTile(sheet, { x, y, width, height, start }) {
    const canvas = this.#canvas;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("2d")?.drawImage(sheet, x, y, width, height, 0, 0, width, height);
    canvas.dataset.start = String(start);
    this.#drawn = true;
  }

  /**
   * Moves the preview above its time, within the bar.
   * @param {number} seconds
   */
  #move(seconds) {
    const { width, height } = this.#range.getBoundingClientRect();
    const half = this.element.offsetWidth / 2;
    const middle = height / 2 + (seconds / lengthOf(this.#playback)) * (width - height);
    const left = Math.min(Math.max(middle, half), Math.max(width - half, half));
    this.element.style.setProperty("left", `${left}px`);
  }
}
