// What the menus offer: captions; quality, audio, speed and the tools.

import { setSpeed, SPEEDS } from "./actions.js";

/**
 * @typedef {import("./playback.js").Playback} Playback
 * @typedef {import("./menus.js").Page} Page
 * @typedef {import("./menus.js").Entry} Entry
 */

/**
 * 1.25 is "1.25×".
 * @param {number} speed
 */
export const speedText = (speed) => (speed === 1 ? "Normal" : `${new Intl.NumberFormat().format(speed)}×`);

/**
 * @param {Playback} playback
 * @returns {Page}
 */
export function captionsPage(playback) {
  const choice = (/** @type {string | null} */ id, /** @type {string} */ label) => ({
    label, isChecked: playback.text === id, choose: () => { playback.text = id; },
  });
  return {
    title: "Captions",
    entries: [choice(null, "Off"), ...playback.texts.map(({ id, label }) => choice(id, label))],
  };
}

/**
 * @param {HTMLVideoElement} video
 * @param {Playback} playback
 * @param {Entry[]} tools
 * @returns {Page}
 */
export function settingsPage(video, playback, tools) {
  const pages = [
    ...(playback.qualities.length > 1 ? [() => qualityPage(playback)] : []),
    ...(playback.audios.length > 1 ? [() => audioPage(playback)] : []),
    () => speedPage(video),
  ];
  const choices = pages.map((page) => {
    const { title, entries } = page();
    return { label: title, detail: entries.find(({ isChecked }) => isChecked)?.label, page };
  });
  return { title: "Settings", entries: [...choices, ...tools] };
}

/** @param {Playback} playback */
const qualityPage = (playback) => ({
  title: "Quality",
  entries: playback.qualities.map(({ id, label }) => ({
    label: id === "auto" ? autoText(playback, label) : label,
    isChecked: playback.quality === id,
    choose: () => { playback.quality = id; },
  })),
});

/**
 * "Auto (720p)": what the automatic choice plays now.
 * @param {Playback} playback
 * @param {string} label
 */
function autoText(playback, label) {
  const { width, height } = playback.stats();
  return playback.quality === "auto" && width ? `${label} (${Math.min(width, height)}p)` : label;
}

/** @param {Playback} playback */
const audioPage = (playback) => ({
  title: "Audio",
  entries: playback.audios.map(({ id, label }) => ({
    label, isChecked: playback.audio === id, choose: () => { playback.audio = id; },
  })),
});

/** @param {HTMLVideoElement} video */
const speedPage = (video) => ({
  title: "Speed",
  entries: SPEEDS.map((speed) => ({
    label: speedText(speed), isChecked: video.playbackRate === speed, choose: () => setSpeed(video, speed),
  })),
});
