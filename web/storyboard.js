// The storyboard: what a title shows at a time, as a tile of a sheet of small pictures.

import { ask, whenMade } from "./server.js";

const KEPT = 6; // sheets in memory, about 6 MB each when they are decoded
const CUE = /^(?:(\d+):)?(\d+):([\d.]+) --> .*\n(.+)$/gm;

/** The cues of a WebVTT file of this server: `start` in seconds and `text`, which is one line. */
export async function cues(url, signal) {
  const file = await (await ask(url, { signal })).text();
  return [...file.matchAll(CUE)].map(([, hours, minutes, seconds, text]) => {
    return { start: 3600 * Number(hours ?? 0) + 60 * Number(minutes) + Number(seconds), text };
  });
}

export class Storyboard {
  #tiles; // in the order of their times
  #title;
  #sheets = new Map(); // by URL: an image, or the promise of one
  #ends = new AbortController();

  constructor(tiles, title) {
    this.#tiles = tiles;
    this.#title = title;
  }

  /** That of a title; `url` is that of its WebVTT. */
  static async of(url, title, signal) {
    const tiles = (await cues(url, signal)).map(({ start, text }) => {
      const [sheet, place] = text.split("#xywh=");
      const [x, y, width, height] = place.split(",").map(Number);
      return { start, sheet: new URL(sheet, new URL(url, location)).href, x, y, width, height };
    });
    return new Storyboard(tiles, title);
  }

  /** What is shown at a time. */
  tile(seconds) {
    return this.#tiles.findLast(({ start }) => start <= seconds) ?? this.#tiles[0];
  }

  /** The image of a tile's sheet, if it is here. */
  peek({ sheet: url }) {
    const kept = this.#sheets.get(url);
    return kept instanceof Image ? kept : null;
  }

  /** The image of a tile's sheet, which is made when nobody has asked for it before; `null` if it cannot be. */
  async sheet({ sheet: url }) {
    return this.#sheets.get(url) ?? this.#keep(url, this.#load(url));
  }

  close() {
    this.#ends.abort();
  }

  async #load(url) {
    try {
      await whenMade(`${url}?wait=0`, this.#title, this.#ends.signal);
      const image = new Image();
      image.src = `${url}?wait=0`;
      await image.decode();
      return this.#keep(url, image);
    } catch {
      return null; // the time alone is shown, and it is not asked for again
    }
  }

  #keep(url, sheet) {
    this.#sheets.delete(url);
    this.#sheets.set(url, sheet);
    for (const [oldest, kept] of this.#sheets) {
      if (this.#sheets.size <= KEPT) break;
      if (kept instanceof Image) this.#sheets.delete(oldest);
    }
    return sheet;
  }
}
