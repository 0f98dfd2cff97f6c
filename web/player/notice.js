// What the player has to say: one sentence, with one progress bar and one action at most.

import { element } from "../words.js";

/** @typedef {import("./playback.js").Playback} Playback */

export class Notice {
  #text = element("p", "");
  #progress = /** @type {HTMLProgressElement} */ (element("progress", ""));
  #button = /** @type {HTMLButtonElement} */ (element("button", ""));
  /** @type {(() => void) | undefined} */
  #run;

  constructor() {
    this.#progress.max = 100;
    this.#progress.setAttribute("aria-label", "Progress");
    this.#button.type = "button";
    this.#button.addEventListener("click", () => this.#run?.());
    // Screen readers read changes of the sentence, not each step of the progress bar.
    this.#text.setAttribute("role", "status");
    this.element = element("div", "player-notice", this.#text, this.#progress, this.#button);
    this.element.hidden = true;
  }

  /** @param {Playback["notice"]} notice */
  show(notice) {
    this.element.hidden = !notice;
    this.#run = notice?.action?.run;
    const text = notice?.text ?? "";
    if (this.#text.textContent !== text) this.#text.textContent = text;
    const percent = notice?.percent;
    this.#progress.hidden = percent === undefined || percent === null;
    this.#progress.value = percent ?? 0;
    this.#button.hidden = !notice?.action;
    this.#button.textContent = notice?.action?.label ?? "";
  }
}
