// Pointers on the video: a click plays and pauses, a double click fills the screen. A tap shows the bar, a
// double tap at a side seeks.

/** @typedef {import("./controls.js").Surface} Surface */

const DOUBLE_MS = 300;
const SIDE_PART = 1 / 3; // of the width
const STEP_S = 10;

/**
 * @typedef {object} Gestures
 * @property {() => void} click
 * @property {() => void} doubleClick
 * @property {() => void} tap
 * @property {(seconds: number) => void} sideTap
 */

/**
 * @param {Surface} surface
 * @param {Gestures} gestures
 */
export function listenToGestures({ video, signal }, { click, doubleClick, tap, sideTap }) {
  let pointer = "mouse";
  let last = { at: -Infinity, side: 0 };
  video.addEventListener("pointerdown", ({ pointerType }) => { pointer = pointerType; }, { signal });
  video.addEventListener("click", ({ clientX, timeStamp }) => {
    if (pointer === "mouse") return click();
    const { left, width } = video.getBoundingClientRect();
    const part = (clientX - left) / width;
    const side = part < SIDE_PART ? -1 : part > 1 - SIDE_PART ? 1 : 0;
    const isAgain = side !== 0 && side === last.side && timeStamp - last.at < DOUBLE_MS;
    last = { at: timeStamp, side };
    if (isAgain) sideTap(side * STEP_S);
    else tap();
  }, { signal });
  video.addEventListener("dblclick", () => pointer === "mouse" && doubleClick(), { signal });
}
