// Place and playing, which are the viewer's choice: `currentTime` and `paused` say it at any time, also while there is
// no source. Browsers change both when they load another source, and pause when a source fails.

import { play } from "./actions.js";

/**
 * Changes the source of a video. It stays where it is, and goes on if it plays.
 *
 * @param {HTMLVideoElement} video
 * @param {() => void} change
 */
export function reload(video, change) {
  const { paused, currentTime } = video;
  change();
  if (currentTime && !video.readyState) video.currentTime = currentTime; // where the next source begins
  if (!paused) play(video);
}

/** How long after an error a pause is the browser's. */
const PAUSE_AFTER_ERROR_MS = 500;

/**
 * Goes on playing after the event "error": Chromium pauses the video together with it, as a viewer would.
 *
 * @param {HTMLVideoElement} video
 */
export function keepPlaying(video) {
  video.addEventListener("pause", () => play(video), { once: true, signal: AbortSignal.timeout(PAUSE_AFTER_ERROR_MS) });
}
