// Texts: subtitles and captions as `<track>` elements, the same for every way to play. How they look is the
// browser's and the viewer's choice.

import { preference, setPreference } from "../memory.js";

/** The preference: a language, or "" for none. */
const PREFERENCE = "text-language";
const ID = "text-";

export class Texts {
  #video;
  #elements = [];
  #chosen = null;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.#video = video;
    // Browsers choose a text by their own language when a source is loaded; the viewer's choice wins.
    for (const event of ["loadedmetadata", "loadeddata", "canplay"]) {
      video.addEventListener(event, () => this.#elements.length && this.#choose(this.#chosen));
    }
  }

  /**
   * Adds the title's texts to the video, and shows one of them.
   *
   * @param {import("./title.js").TextFile[]} texts
   * @param {string | null} spoken the language of the audio
   */
  show(texts, spoken) {
    this.clear();
    this.#elements = texts.map(({ url, kind, label, language }, index) => {
      const track = document.createElement("track");
      Object.assign(track, { id: `${ID}${index}`, src: url, kind, label, srclang: language ?? "" });
      return track;
    });
    this.#video.append(...this.#elements);
    this.#choose(chooseText(texts, spoken, preference(PREFERENCE)));
  }

  clear() {
    for (const element of this.#elements) element.remove();
    this.#elements = [];
  }

  /** The texts of the title, and captions that hls.js has found within the video. */
  get list() {
    return [...this.#video.textTracks].filter(({ kind }) => kind === "subtitles" || kind === "captions")
      .map((track, index) => ({ id: track.id || `captions-${index}`, label: track.label || track.language || "Captions", language: track.language || null, track }));
  }

  /** The id of the text on the screen, or null. */
  get shown() {
    return this.list.find(({ track }) => track.mode === "showing")?.id ?? null;
  }

  /** Shows a text, or none, and remembers the choice by its language. */
  set shown(id) {
    const chosen = this.list.find((text) => text.id === id);
    setPreference(PREFERENCE, chosen ? chosen.language ?? chosen.label : "");
    this.#choose(chosen?.id ?? null);
  }

  #choose(id) {
    this.#chosen = id;
    for (const text of this.list) {
      const mode = text.id === id ? "showing" : "disabled";
      if (text.track.mode !== mode) text.track.mode = mode;
    }
  }
}

/**
 * The text to begin with: that of the remembered language; without a memory the title's default; else a forced one,
 * which translates only what is not in the spoken language.
 *
 * @param {import("./title.js").TextFile[]} texts
 * @param {string | null} spoken
 * @param {string | undefined} remembered
 */
function chooseText(texts, spoken, remembered) {
  const first = (accepts) => texts.findIndex(accepts);
  const found = [
    remembered ? first((text) => !text.is_forced && (text.language ?? text.label) === remembered) : -1,
    remembered === undefined ? first(({ is_default }) => is_default) : -1,
    first(({ is_forced, language }) => is_forced && (!spoken || !language || language === spoken)),
  ].find((index) => index >= 0);
  return found === undefined ? null : `${ID}${found}`;
}
