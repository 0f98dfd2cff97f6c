// The volume: a button that mutes, and a slider.

import { element, percent } from "../words.js";
import { toggleMute } from "./actions.js";
import { iconButton, setIcon } from "./icons.js";

/** @typedef {import("./controls.js").Surface} Surface */

const QUIET = 0.5;

export class Volume {
  #video;
  #button;
  #range = /** @type {HTMLInputElement} */ (element("input", "volume-range"));

  /** @param {Surface} surface */
  constructor({ video, signal }) {
    this.#video = video;
    this.#button = iconButton("volume", "Mute", () => toggleMute(video), "m");
    Object.assign(this.#range, { type: "range", min: "0", max: "1", step: "0.05" });
    this.#range.setAttribute("aria-label", "Volume");
    this.#range.addEventListener("input", () => {
      video.volume = Number(this.#range.value);
      video.muted = false;
    });
    this.element = element("span", "volume-control", this.#button, this.#range);
    video.addEventListener("volumechange", () => this.#draw(), { signal });
    this.#draw();
  }

  #draw() {
    const { volume, muted } = this.#video;
    const heard = muted ? 0 : volume;
    setIcon(this.#button, heard === 0 ? "muted" : heard < QUIET ? "quiet" : "volume", heard === 0 ? "Unmute" : "Mute");
    this.#range.value = String(heard);
    this.#range.style.setProperty("--part", String(heard));
    this.#range.setAttribute("aria-valuetext", heard === 0 ? "Muted" : percent(100 * heard));
  }
}
