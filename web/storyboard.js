// The storyboard: a tile of a sheet for each time of a title.

import { request, whenRendered } from "./server.js";

const SHEETS_MAX = 6; // in memory, about 6 MB each when decoded
const CUE = /^(?:(\d+):)?(\d+):([\d.]+) --> .*\n(.+)$/gm;

/** The cues of a WebVTT file of this server: `start` in seconds and one line of `text`. */
async function cues(url, signal) {
  const file = await (await request(url, { signal })).text();
  return [...file.matchAll(CUE)].map(([, hours, minutes, seconds, text]) => {
    return { start: 3600 * Number(hours ?? 0) + 60 * Number(minutes) + Number(seconds), text };
  });
}

export class Storyboard {
  #tiles; // sorted by time
  #title;
  #sheets = new Map(); // URL to an image, or to the promise of one
  #abort = new AbortController();

  constructor(tiles, title) {
    this.#tiles = tiles;
    this.#title = title;
  }

  /** Loads the storyboard of a title; `url` is the address of its WebVTT file. */
  static async load(url, title, signal) {
    const tiles = (await cues(url, signal)).map(({ start, text }) => {
      const [sheet, area] = text.split("#xywh=");
      const [x, y, width, height] = area.split(",").map(Number);
      return { start, sheet: new URL(sheet, new URL(url, location.href)).href, x, y, width, height };
    });
    return new Storyboard(tiles, title);
  }

  /** The tile of a time. */
  tile(seconds) {
    return this.#tiles.findLast(({ start }) => start <= seconds) ?? this.#tiles[0];
  }

  /** The image of a tile's sheet, if it is in memory. */
  peek({ sheet: url }) {
    const kept = this.#sheets.get(url);
    return kept instanceof Image ? kept : null;
  }

  /** The image of a tile's sheet, which the server renders on the first request; `null` if it cannot. */
  async sheet({ sheet: url }) {
    return this.#sheets.get(url) ?? this.#keep(url, this.#fetch(url));
  }

  close() {
    this.#abort.abort();
  }

  async #fetch(url) {
    try {
      await whenRendered(`${url}?wait=0`, this.#title, this.#abort.signal);
      const image = new Image();
      image.src = `${url}?wait=0`;
      await image.decode();
      return this.#keep(url, image);
    } catch {
      return null; // the preview shows the time only, and nothing retries
    }
  }

  #keep(url, sheet) {
    this.#sheets.delete(url);
    this.#sheets.set(url, sheet);
    for (const [oldest, kept] of this.#sheets) {
      if (this.#sheets.size <= SHEETS_MAX) break;
      if (kept instanceof Image) this.#sheets.delete(oldest);
    }
    return sheet;
  }
}
