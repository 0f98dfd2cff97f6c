// What buttons, keys, gestures and the system's media keys do to a video.

/** @typedef {import("./playback.js").Playback} Playback */

/** The speeds of the menu. */
export const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];

/**
 * The length of the title, 0 while it is unknown.
 * @param {Playback} playback
 */
export const lengthOf = ({ duration_s }) => (Number.isFinite(duration_s) ? Number(duration_s) : 0);

/** @param {HTMLVideoElement} video */
export function togglePlay(video) {
  if (video.paused) play(video);
  else video.pause();
}

/**
 * Plays. The browser may refuse; then the big button stays.
 * @param {HTMLVideoElement} video
 */
export function play(video) {
  video.play().catch(() => {});
}

/**
 * @param {HTMLVideoElement} video
 * @param {Playback} playback
 * @param {number} seconds
 */
export function seekTo(video, playback, seconds) {
  video.currentTime = Math.min(Math.max(seconds, 0), lengthOf(playback));
}

/**
 * Changes the volume, and ends muting when it gets louder.
 * @param {HTMLVideoElement} video
 * @param {number} change
 */
export function changeVolume(video, change) {
  const volume = video.muted && change > 0 ? change : video.volume + change;
  video.volume = Math.min(Math.max(Math.round(volume * 100) / 100, 0), 1);
  if (change > 0) video.muted = false;
}

/** @param {HTMLVideoElement} video */
export function toggleMute(video) {
  video.muted = !video.muted && video.volume > 0;
  if (!video.muted && !video.volume) video.volume = 0.5;
}

/**
 * Sets the speed, also for the sources that follow.
 * @param {HTMLVideoElement} video
 * @param {number} speed
 */
export function setSpeed(video, speed) {
  video.defaultPlaybackRate = speed;
  video.playbackRate = speed;
}

/**
 * The next speed of the menu: slower (-1) or faster (1).
 * @param {HTMLVideoElement} video
 * @param {number} direction
 */
export function changeSpeed(video, direction) {
  const { playbackRate } = video;
  const speed = direction > 0
    ? SPEEDS.find((other) => other > playbackRate)
    : SPEEDS.findLast((other) => other < playbackRate);
  if (speed) setSpeed(video, speed);
}

/**
 * Pauses, and seeks by a frame back (negative) or forward.
 * @param {HTMLVideoElement} video
 * @param {Playback} playback
 * @param {number} seconds
 */
export function stepFrame(video, playback, seconds) {
  video.pause();
  seekTo(video, playback, video.currentTime + seconds);
}

/** @type {WeakMap<Playback, string>} */
const lastTexts = new WeakMap();

/**
 * Turns captions off, or on in the language of the last choice. Returns what is shown now.
 * @param {Playback} playback
 */
export function toggleCaptions(playback) {
  const { texts, text: shown } = playback;
  if (!texts.length) return "No captions";
  if (shown !== null) {
    lastTexts.set(playback, shown);
    playback.text = null;
    return "Captions off";
  }
  const last = lastTexts.get(playback);
  const { id, label } = texts.find(({ id }) => id === last) ?? texts[0];
  playback.text = id;
  return label;
}
