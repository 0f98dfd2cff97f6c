// The Media Session: what the lock screen, the headphones and the keyboard's media keys show and do.

import { lengthOf, play, seekTo } from "./actions.js";

/** @typedef {import("./controls.js").Surface} Surface */

const STEP_S = 10;

export class SystemControls {
  #video;
  #playback;
  #shown = "";

  /**
   * @param {Surface} surface
   * @param {() => void} next
   */
  constructor({ video, playback, signal }, next) {
    this.#video = video;
    this.#playback = playback;
    const session = navigator.mediaSession;
    if (!session) return;
    const seekBy = (/** @type {number} */ seconds) => seekTo(video, playback, video.currentTime + seconds);
    /** @type {[MediaSessionAction, MediaSessionActionHandler][]} */
    const actions = [
      ["play", () => play(video)],
      ["pause", () => video.pause()],
      ["seekbackward", ({ seekOffset }) => seekBy(-(seekOffset ?? STEP_S))],
      ["seekforward", ({ seekOffset }) => seekBy(seekOffset ?? STEP_S)],
      ["seekto", ({ seekTime }) => seekTo(video, playback, seekTime ?? 0)],
      ["nexttrack", next],
    ];
    for (const [action, handler] of actions) setHandler(action, handler);
    for (const event of ["durationchange", "ratechange", "seeked", "play", "pause"]) {
      video.addEventListener(event, () => this.#showPosition(), { signal });
    }
    signal.addEventListener("abort", () => {
      session.metadata = null;
      for (const [action] of actions) setHandler(action, null);
    });
  }

  /**
   * Shows the name of another title.
   * @param {string} name
   */
  update(name) {
    if (!navigator.mediaSession || !name) return;
    const { title } = this.#playback;
    const shown = JSON.stringify([name, title?.poster]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    navigator.mediaSession.metadata = new MediaMetadata({
      title: name,
      album: title?.folder ?? "",
      artwork: title?.poster ? [{ src: title.poster, type: "image/jpeg" }] : [],
    });
  }

  #showPosition() {
    const duration = lengthOf(this.#playback);
    const { currentTime, playbackRate, paused } = this.#video;
    navigator.mediaSession.playbackState = paused ? "paused" : "playing";
    if (!duration || !playbackRate) return;
    navigator.mediaSession.setPositionState?.({ duration, playbackRate, position: Math.min(currentTime, duration) });
  }
}

/**
 * @param {MediaSessionAction} action
 * @param {MediaSessionActionHandler | null} handler
 */
function setHandler(action, handler) {
  try {
    navigator.mediaSession.setActionHandler(action, handler);
  } catch {
    // The browser does not know this action.
  }
}
