// A word about what a key or a tap did, for a moment. Screen readers read it too.

import { element } from "../words.js";

const SHOWN_MS = 900;

export class Flash {
  #timer = 0;

  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.element = element("p", "flash");
    this.element.setAttribute("role", "status");
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** @param {string} text */
  say(text) {
    clearTimeout(this.#timer);
    this.element.textContent = text;
    this.#timer = window.setTimeout(() => this.element.replaceChildren(), SHOWN_MS);
  }
}
