// Volume and speed, as the viewer left them at the last title.

import { preference, setPreference } from "../memory.js";

const SPEED_MIN = 0.25;
const SPEED_MAX = 4;

/** Applies what is remembered. @param {HTMLVideoElement} video */
export function applyPreferences(video) {
  const [volume, isMuted, speed] = ["volume", "muted", "speed"].map(preference);
  if (volume >= 0 && volume <= 1) video.volume = volume;
  if (typeof isMuted === "boolean") video.muted = isMuted;
  if (speed >= SPEED_MIN && speed <= SPEED_MAX) video.defaultPlaybackRate = video.playbackRate = speed;
}

/** Remembers each change. @param {HTMLVideoElement} video */
export function rememberPreferences(video) {
  video.addEventListener("volumechange", () => {
    setPreference("volume", video.volume);
    setPreference("muted", video.muted);
  });
  // Without media the browser resets the rate, when a source is loaded.
  video.addEventListener("ratechange", () => {
    if (!video.readyState) return;
    video.defaultPlaybackRate = video.playbackRate;
    setPreference("speed", video.playbackRate);
  });
}
