// Steps: what leads to playing, one run of steps at a time. Steps that meet an outage wait and begin again.

import { outageText } from "./connection.js";

const PAUSE_MIN_MS = 1000;
const PAUSE_MAX_MS = 8000;

export class Steps {
  /** What the current steps wait for, as a sentence; null if they do not wait. @type {string | null} */
  outage = null;
  #run = new AbortController();
  #isTaking = false;
  #pauseMs = PAUSE_MIN_MS;
  #wake = () => {};
  #signal;
  #onOutage;
  #onFailure;

  /**
   * @param {AbortSignal} signal ends all steps
   * @param {{ onOutage: () => void, onFailure: (error: Error) => void }} calls `onOutage` when `outage` changes;
   *   `onFailure` when steps end with another error
   */
  constructor(signal, { onOutage, onFailure }) {
    this.#signal = signal;
    this.#onOutage = onOutage;
    this.#onFailure = onFailure;
  }

  /** Whether steps are on their way. */
  get isTaking() {
    return this.#isTaking;
  }

  /**
   * Takes steps; during an outage again and again. They end earlier ones: while those waited, the file may have been
   * replaced.
   *
   * @param {(signal: AbortSignal, attempt: number) => Promise<void>} steps `attempt` counts from 1
   * @param {{ isAgain?: boolean }} options `isAgain`: the last steps did not help, so the pauses go on to grow
   */
  async take(steps, { isAgain = false } = {}) {
    this.#run.abort();
    this.#run = new AbortController();
    const signal = AbortSignal.any([this.#signal, this.#run.signal]);
    if (!isAgain) this.#pauseMs = PAUSE_MIN_MS;
    this.#isTaking = true;
    let failure = null;
    for (let attempt = 1; ; attempt++) {
      const error = await steps(signal, attempt).then(() => null, (error) => error);
      if (signal.aborted) return;
      const outage = error && outageText(error);
      this.#setOutage(outage);
      if (!outage) {
        failure = error;
        break;
      }
      await this.#pause(signal);
      if (signal.aborted) return;
    }
    this.#isTaking = false;
    if (failure) this.#onFailure(failure);
  }

  /** Ends a pause: the next attempt may succeed. */
  wake() {
    this.#wake();
  }

  #setOutage(outage) {
    if (outage === this.outage) return;
    this.outage = outage;
    this.#onOutage();
  }

  /** @param {AbortSignal} signal */
  async #pause(signal) {
    const listeners = new AbortController();
    await new Promise((resolve) => {
      this.#wake = () => resolve(null);
      setTimeout(this.#wake, this.#pauseMs);
      signal.addEventListener("abort", this.#wake, { signal: listeners.signal });
      window.addEventListener("online", this.#wake, { signal: listeners.signal });
    });
    listeners.abort();
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MAX_MS);
  }
}
