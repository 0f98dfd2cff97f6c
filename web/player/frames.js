// How long a frame lasts, to step by frames: the shortest time between two frames that followed each other on the screen.

/** @typedef {import("./controls.js").Surface} Surface */

const DEFAULT_S = 1 / 25; // before the video has played
const SHORTEST_S = 1 / 250; // of a real frame

export class FrameLength {
  #shortest_s = Infinity;

  /** @param {Surface} surface */
  constructor({ video, signal }) {
    if (!video.requestVideoFrameCallback) return;
    let last = { mediaTime: NaN, presentedFrames: NaN };
    const see = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ frame) => {
      const seconds = frame.mediaTime - last.mediaTime;
      const isNext = frame.presentedFrames === last.presentedFrames + 1;
      if (isNext && !video.seeking && seconds > SHORTEST_S) this.#shortest_s = Math.min(this.#shortest_s, seconds);
      last = frame;
      if (!signal.aborted) video.requestVideoFrameCallback(see);
    };
    video.requestVideoFrameCallback(see);
    video.addEventListener("emptied", () => { this.#shortest_s = Infinity; }, { signal });
  }

  get seconds() {
    return Number.isFinite(this.#shortest_s) ? this.#shortest_s : DEFAULT_S;
  }
}
