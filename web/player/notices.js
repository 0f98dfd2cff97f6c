// Notices: what there is to say about playback. The most important one is shown.

/**
 * @typedef {object} Notice
 * @property {string} text
 * @property {number} [percent]
 * @property {string} [job] the kind of the job whose progress this is
 * @property {{ label: string, run: () => void }} [action]
 */

/** The most important first. */
const KINDS = /** @type {const} */ (["failure", "connection", "removed", "preparing", "replaced", "resume"]);

/** @typedef {typeof KINDS[number]} Kind */

export class Notices {
  /** @type {Map<Kind, Notice>} */
  #notices = new Map();
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** The notice to show. @returns {Notice | null} */
  get current() {
    const kind = KINDS.find((kind) => this.#notices.has(kind));
    return kind ? this.#notices.get(kind) : null;
  }

  /** @param {Kind} kind */
  has(kind) {
    return this.#notices.has(kind);
  }

  /** Sets the notice of a kind; null withdraws it. @param {Kind} kind @param {Notice | null} notice */
  say(kind, notice) {
    if (!notice && !this.#notices.has(kind)) return;
    if (notice) this.#notices.set(kind, notice);
    else this.#notices.delete(kind);
    this.#onChange();
  }

  /** Withdraws the current notice after some time. @param {Kind} kind @param {number} ms */
  endAfter(kind, ms) {
    const notice = this.#notices.get(kind);
    if (notice) setTimeout(() => this.#notices.get(kind) === notice && this.say(kind, null), ms);
  }

  clear() {
    this.#notices.clear();
    this.#onChange();
  }
}
