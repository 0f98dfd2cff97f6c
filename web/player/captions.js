// Captions are above the bar while it is visible. The browser draws them: player.css moves all of them by
// --lift. Firefox has nothing to move, so there each cue gets another line; Chromium draws that too late.

/** @typedef {import("./controls.js").Surface} Surface */

const MOVES_LINES = "mozHasAudio" in HTMLMediaElement.prototype || "mozHasAudio" in HTMLVideoElement.prototype;
const LINE_PART = 0.0625; // of the video's height: captions are 5 % high, with some leading

export class CaptionsLift {
  #stage;
  #video;
  #hiddenPx = 0; // how much of the video the bar hides
  /** @type {Set<VTTCue>} */
  #lifted = new Set();

  /** @param {Surface} surface */
  constructor({ stage, video, signal }) {
    this.#stage = stage;
    this.#video = video;
    if (!MOVES_LINES) return;
    const tracks = video.textTracks;
    for (const track of tracks) this.#follow(track, signal);
    tracks.addEventListener("addtrack", ({ track }) => track && this.#follow(track, signal), { signal });
  }

  /**
   * Lifts captions above so many pixels of the bar; 0 lets them down.
   * @param {number} pixels
   */
  lift(pixels) {
    this.#stage.style.setProperty("--lift", `${pixels}px`);
    if (!MOVES_LINES || pixels === this.#hiddenPx) return;
    this.#hiddenPx = pixels;
    for (const cue of this.#lifted) cue.line = "auto";
    this.#lifted.clear();
    for (const track of this.#video.textTracks) this.#place(track);
  }

  /**
   * @param {TextTrack} track
   * @param {AbortSignal} signal
   */
  #follow(track, signal) {
    track.addEventListener("cuechange", () => this.#place(track), { signal });
  }

  /** @param {TextTrack} track */
  #place(track) {
    if (!this.#hiddenPx || track.mode !== "showing") return;
    const lines = Math.ceil(this.#hiddenPx / (this.#video.clientHeight * LINE_PART));
    let above = lines; // cues of one time are above each other
    for (const cue of [...(track.activeCues ?? [])].reverse()) {
      if (!(cue instanceof VTTCue)) continue;
      if (cue.line !== "auto" && !this.#lifted.has(cue)) continue; // the file says where
      above += cue.text.split("\n").length;
      if (cue.line !== -above) cue.line = -above;
      this.#lifted.add(cue);
    }
  }
}
