// Rest: after some seconds without pointer and keys the bar hides, but never while paused or focused.

/** @typedef {import("./controls.js").Surface} Surface */

const REST_MS = 3000;

export class Rest {
  #surface;
  #bar;
  #isHeld;
  #onchange;
  #timer = 0;
  #isResting = false;
  #pointer = ""; // where it was

  /**
   * @param {Surface} surface
   * @param {HTMLElement} bar
   * @param {() => boolean} isHeld  Whether something keeps the bar: an open menu.
   * @param {(isResting: boolean) => void} onchange
   */
  constructor(surface, bar, isHeld, onchange) {
    this.#surface = surface;
    this.#bar = bar;
    this.#isHeld = isHeld;
    this.#onchange = onchange;
    const { stage, video, signal } = surface;
    for (const event of ["pointermove", "pointerdown", "keydown", "focusin"]) {
      stage.addEventListener(event, (e) => this.#isNothing(e) || this.wake(), { signal });
    }
    stage.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.#rest(), { signal });
    for (const event of ["play", "pause", "ended", "waiting", "emptied"]) {
      video.addEventListener(event, () => this.wake(), { signal });
    }
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
    this.wake();
  }

  get isResting() {
    return this.#isResting;
  }

  /** Shows the bar, and hides it after a while. */
  wake() {
    this.#set(false);
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#rest(), REST_MS);
  }

  /** Hides the bar at once, or shows it: a tap. */
  toggle() {
    if (this.#isResting || this.#isKept()) this.wake();
    else this.#set(true);
  }

  #rest() {
    if (this.#isKept()) return this.wake();
    clearTimeout(this.#timer);
    this.#set(true);
  }

  #isKept() {
    const { video } = this.#surface;
    const isOver = this.#bar.matches(":hover") && matchMedia("(hover: hover)").matches;
    return video.paused || video.ended || isOver || this.#bar.querySelector(":focus-visible") !== null || this.#isHeld();
  }

  /**
   * Whether an event is a tap on the video, which toggles the bar, or a pointer that did not move: browsers
   * send such events when something else appears under it.
   * @param {Event} event
   */
  #isNothing(event) {
    if (!(event instanceof PointerEvent)) return false;
    if (event.pointerType !== "mouse") return event.target === this.#surface.video;
    const before = this.#pointer;
    this.#pointer = `${event.clientX} ${event.clientY}`;
    return event.type === "pointermove" && this.#pointer === before;
  }

  /** @param {boolean} isResting */
  #set(isResting) {
    if (isResting === this.#isResting) return;
    this.#isResting = isResting;
    this.#surface.stage.classList.toggle("resting", isResting);
    this.#onchange(isResting);
  }
}
