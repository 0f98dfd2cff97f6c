// The keys of the player, and what each does.

import * as actions from "./actions.js";
import { FrameLength } from "./frames.js";
import { togglePictureInPicture } from "./screen.js";
import { speedText } from "./settings.js";
import { percent } from "../words.js";

/**
 * @typedef {import("./keys.js").Binding} Binding
 * @typedef {import("./controls.js").Surface} Surface
 */

/**
 * What the controls do for keys.
 * @typedef {object} Commands
 * @property {(text: string) => void} say
 * @property {() => void} toggleFull
 * @property {() => void} toggleTheatre
 * @property {() => boolean} hasVideo
 * @property {() => void} next
 * @property {() => void} showKeys
 * @property {() => void} escape
 */

const ARROW_S = 5;
const LETTER_S = 10;
const VOLUME_STEP = 0.05;

/** Keys that go back, down or slower. */
const BACK = ["j", "ArrowLeft", "ArrowDown", ",", "<"];
const sign = (/** @type {string} */ key) => (BACK.includes(key) ? -1 : 1);

/**
 * Seeks, and says how far.
 * @param {Surface} surface
 * @param {(text: string) => void} say
 * @param {number} seconds
 */
export function seekBy({ video, playback }, say, seconds) {
  actions.seekTo(video, playback, video.currentTime + seconds);
  say(`${seconds > 0 ? "+" : "−"}${Math.abs(seconds)} s`);
}

/**
 * @param {Surface} surface
 * @param {Commands} commands
 * @returns {Binding[]}
 */
export function bindings(surface, { say, toggleFull, toggleTheatre, hasVideo, next, showKeys, escape }) {
  const { video, playback } = surface;
  const frame = new FrameLength(surface);
  const length = () => actions.lengthOf(playback);
  const seek = (/** @type {number} */ seconds) => seekBy(surface, say, seconds);
  const sayVolume = () => say(video.muted || !video.volume ? "Muted" : `Volume ${percent(100 * video.volume)}`);
  return [
    { keys: [" ", "k"], shown: "Space k", label: "Play or pause", run: () => actions.togglePlay(video) },
    { keys: ["j", "l"], shown: "j l", label: "10 seconds back or forward", run: (key) => seek(LETTER_S * sign(key)) },
    { keys: ["ArrowLeft", "ArrowRight"], shown: "← →", label: "5 seconds back or forward", run: (key) => seek(ARROW_S * sign(key)) },
    {
      keys: ["ArrowUp", "ArrowDown"], shown: "↑ ↓", label: "Louder or quieter", run: (key) => {
        actions.changeVolume(video, VOLUME_STEP * sign(key));
        sayVolume();
      },
    },
    {
      keys: ["m"], shown: "m", label: "Mute", run: () => {
        actions.toggleMute(video);
        sayVolume();
      },
    },
    {
      keys: [..."0123456789"], shown: "0 … 9", label: "To a tenth of the length",
      run: (key) => actions.seekTo(video, playback, length() * Number(key) / 10),
    },
    {
      keys: ["Home", "End"], shown: "Home End", label: "To the start or the end",
      run: (key) => actions.seekTo(video, playback, key === "Home" ? 0 : length()),
    },
    { keys: [",", "."], shown: ", .", label: "One frame back or forward", run: (key) => actions.stepFrame(video, playback, frame.seconds * sign(key)) },
    {
      keys: ["<", ">"], shown: "< >", label: "Slower or faster", run: (key) => {
        actions.changeSpeed(video, sign(key));
        say(speedText(video.playbackRate));
      },
    },
    { keys: ["c"], shown: "c", label: "Captions", run: () => say(actions.toggleCaptions(playback)) },
    { keys: ["f"], shown: "f", label: "Full screen", run: toggleFull },
    { keys: ["t"], shown: "t", label: "Theatre", run: toggleTheatre },
    { keys: ["i"], shown: "i", label: "Picture in picture", run: () => hasVideo() && togglePictureInPicture(video) },
    { keys: ["n"], shown: "n", label: "Next title", run: next },
    { keys: ["?"], shown: "?", label: "This list", run: showKeys },
    { keys: ["Escape"], shown: "Esc", label: "Close what is open", run: escape },
  ];
}
