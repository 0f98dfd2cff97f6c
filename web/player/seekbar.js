// The seek bar: position, what is loaded, and chapters. preview.js shows what is under the pointer.

import { clock, element } from "../words.js";
import { lengthOf, seekTo, togglePlay } from "./actions.js";
import { Preview } from "./preview.js";

/** @typedef {import("./controls.js").Surface} Surface */

const ARROW_S = 5;
const PAGE_S = 60;
const DRAWN = ["timeupdate", "durationchange", "progress", "seeking", "seeked", "emptied"];

export class SeekBar {
  #video;
  #playback;
  #preview;
  #range = /** @type {HTMLInputElement} */ (element("input", "seek-range"));
  #marks = element("div", "marks");
  #time = element("span", "time");
  #chapter = element("bdi", "chapter");
  #isDragged = false;

  /** @param {Surface} surface */
  constructor({ video, playback, signal }) {
    this.#video = video;
    this.#playback = playback;
    Object.assign(this.#range, { type: "range", min: "0", max: "0", step: "any", value: "0" });
    this.#range.setAttribute("aria-label", "Position");
    this.#marks.setAttribute("aria-hidden", "true");
    this.#preview = new Preview(this.#range, playback);
    this.element = element("div", "seek", this.#range, this.#marks, this.#preview.element);
    this.times = element("span", "times", this.#time, this.#chapter);
    for (const event of DRAWN) video.addEventListener(event, () => this.#draw(), { signal });
    this.#listen();
    this.update();
  }

  /** Shows another title, or another length or other chapters of it. */
  update() {
    const length = lengthOf(this.#playback);
    this.#marks.replaceChildren(...this.#playback.chapters
      .filter(({ start_s }) => start_s > 0 && start_s < length)
      .map(({ start_s }) => {
        const mark = element("i", "");
        mark.style.setProperty("--at", String(start_s / length));
        return mark;
      }));
    this.#preview.update();
    this.#draw();
  }

  #draw() {
    const length = lengthOf(this.#playback);
    this.#range.max = String(length);
    this.#range.disabled = !length;
    if (!this.#isDragged) this.#range.value = String(this.#video.currentTime);
    const at = Number(this.#range.value);
    const part = (/** @type {number} */ seconds) => String(length ? Math.min(seconds / length, 1) : 0);
    this.#range.style.setProperty("--part", part(at));
    this.#range.style.setProperty("--loaded", part(this.#loadedTo(at)));
    const chapter = this.#playback.chapters.findLast(({ start_s }) => start_s <= at)?.title ?? "";
    this.#time.textContent = length ? `${clock(at)} / ${clock(length)}` : "";
    this.#chapter.textContent = chapter;
    const spoken = [`${clock(at)} of ${clock(length)}`, chapter].filter(Boolean).join(", ");
    this.#range.setAttribute("aria-valuetext", spoken);
  }

  /** @param {number} at */
  #loadedTo(at) {
    const { buffered } = this.#video;
    let loaded = at;
    for (let range = 0; range < buffered.length; range++) {
      if (buffered.start(range) <= at + 0.1) loaded = Math.max(loaded, buffered.end(range));
    }
    return loaded;
  }

  #listen() {
    const range = this.#range;
    range.addEventListener("input", () => {
      this.#isDragged = true;
      this.#preview.show(Number(range.value));
      this.#draw();
    });
    range.addEventListener("change", () => {
      this.#isDragged = false;
      seekTo(this.#video, this.#playback, Number(range.value));
    });
    range.addEventListener("keydown", (event) => this.#press(event));
    range.addEventListener("focus", () => range.matches(":focus-visible") && this.#preview.show(this.#video.currentTime));
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = this.#targetOf(event.key);
    if (event.key === " ") {
      togglePlay(this.#video);
    } else if (target === undefined) {
      return;
    } else {
      seekTo(this.#video, this.#playback, target);
      this.#draw();
      this.#preview.show(this.#video.currentTime);
    }
    event.preventDefault();
  }

  /** @param {string} key */
  #targetOf(key) {
    const at = this.#video.currentTime;
    const { chapters } = this.#playback;
    switch (key) {
      case "ArrowLeft": case "ArrowDown": return at - ARROW_S;
      case "ArrowRight": case "ArrowUp": return at + ARROW_S;
      case "PageDown": return chapters.findLast(({ start_s }) => start_s < at - 2)?.start_s ?? at - PAGE_S;
      case "PageUp": return chapters.find(({ start_s }) => start_s > at)?.start_s ?? at + PAGE_S;
      case "Home": return 0;
      case "End": return lengthOf(this.#playback);
      default: return undefined;
    }
  }
}
