// The stats panel: what a person who looks for a fault wants to know. It reads only while it is open.

import { clock, count, decoded, element, sizeText } from "../words.js";
import { lengthOf } from "./actions.js";
import { iconButton } from "./icons.js";

/** @typedef {import("./controls.js").Surface} Surface */

const READ_MS = 500;
const MEDIA = /\.(m4s|mp4)(\?|$)/;
const TIMINGS_MAX = 3; // responses whose Server-Timing is shown

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

export class Stats {
  #surface;
  #list = element("dl", "");
  #timer = 0;

  /** @param {Surface} surface */
  constructor(surface) {
    this.#surface = surface;
    const close = iconButton("close", "Close stats", () => this.toggle());
    this.element = element("section", "player-stats", close, this.#list);
    this.element.setAttribute("aria-label", "Stats");
    this.element.hidden = true;
    surface.signal.addEventListener("abort", () => clearInterval(this.#timer));
  }

  get isOpen() {
    return !this.element.hidden;
  }

  toggle() {
    this.element.hidden = !this.element.hidden;
    clearInterval(this.#timer);
    if (!this.isOpen) return;
    this.#draw();
    this.#timer = window.setInterval(() => this.#draw(), READ_MS);
  }

  #draw() {
    const rows = Object.entries(this.#read()).filter(([, value]) => value);
    this.#list.replaceChildren(...rows.map(([name, value]) =>
      element("div", "", element("dt", "", name), element("dd", "", value))));
  }

  /** @returns {Record<string, string>} */
  #read() {
    const { stage, video, playback } = this.#surface;
    const stats = playback.stats();
    const pixels = [stage.clientWidth, stage.clientHeight].map((size) => Math.round(size * devicePixelRatio));
    return {
      Title: decoded(playback.path ?? ""),
      Source: stats.source,
      Video: stats.width ? `${stats.width} × ${stats.height} on ${pixels.join(" × ")} pixels` : "",
      Codecs: stats.codecs,
      Position: `${clock(video.currentTime)} of ${clock(lengthOf(playback))} at ${number.format(video.playbackRate)}×`,
      Bitrate: rateText(stats.bitrate_bits_s),
      Connection: rateText(stats.bandwidth_bits_s),
      Buffer: `${number.format(stats.buffer_s ?? 0)} s`,
      Frames: stats.width ? `${count.format(stats.decoded_frames ?? 0)} decoded, ${count.format(stats.dropped_frames ?? 0)} dropped` : "",
      "Server-Timing": timings(),
    };
  }
}

/** @param {number | null | undefined} bitsPerSecond */
const rateText = (bitsPerSecond) => (bitsPerSecond ? `${number.format(bitsPerSecond / 1e6)} Mbit/s` : "");

/** The last responses with media: their size, their time, and the steps of the server. */
function timings() {
  const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
  const media = entries.filter(({ name, responseEnd }) => MEDIA.test(name) && responseEnd).slice(-TIMINGS_MAX);
  return media.map(({ duration, transferSize, serverTiming }) => {
    const steps = serverTiming.map(({ name, duration }) => `${name} ${number.format(duration)} ms`);
    return [`${sizeText(transferSize)} in ${number.format(duration)} ms`, ...steps].join(", ");
  }).join("\n");
}
