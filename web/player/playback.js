// Playback: plays titles in a <video>, one after the other, and offers what there is to choose and to say about them.

import { rememberPosition, setPreference } from "../memory.js";
import { onTitles, subscribe } from "../server.js";
import { decoded } from "../words.js";
import { figures } from "./figures.js";
import { Notices } from "./notices.js";
import { applyPreferences, rememberPreferences } from "./preferences.js";
import { NOTICE_MS, Session } from "./session.js";
import { Texts } from "./texts.js";

const REMEMBER_MS = 5000;
/** How long playback may stall before requests check whether the server, and the storage of the title, respond. */
const STALL_MS = 2000;
/** Changes of a file come in groups. */
const CHANGE_PAUSE_MS = 300;

/**
 * Plays titles in a video element. Events: "change" if any property has changed, "ended" as of the video.
 */
export class Playback extends EventTarget {
  /** @type {Session | null} */
  #session = null;
  #notices = new Notices(() => this.#changed());
  #texts;
  #isAnnounced = false;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    super();
    this.video = video;
    this.#texts = new Texts(video);
    applyPreferences(video);
    rememberPreferences(video);
    this.#listen();
  }

  /**
   * Loads a title, from `at_s` on, or from where the viewer stopped.
   *
   * @param {string} path percent-encoded, as in the addresses of the server
   * @param {{ at_s?: number | null, play?: boolean }} options
   */
  load(path, { at_s = null, play = false } = {}) {
    this.unload();
    this.#session = new Session(path, at_s, {
      video: this.video,
      texts: this.#texts,
      notices: this.#notices,
      onChange: () => this.#changed(),
      tryAgain: (at_s) => this.load(path, { at_s, play: true }),
    });
    subscribe();
    this.#session.begin(play);
  }

  /** Stops, and closes all connections of the title. */
  unload() {
    if (!this.#session) return;
    this.#remember();
    this.#session.close();
    this.#session = null;
    this.#texts.clear();
    this.#notices.clear();
    this.video.removeAttribute("poster");
    this.#changed();
  }

  #remember() {
    const { title, source } = this.#session ?? {};
    if (title && source && this.video.readyState > 0 && this.video.currentTime > 0) {
      rememberPosition(title.path, this.video.currentTime, this.video.duration);
    }
  }

  // ---- Properties --------------------------------------------------------------------

  /** The percent-encoded path of the title, or null. */
  get path() {
    return this.#session?.path ?? null;
  }

  /** The title as the server describes it; null until it is loaded. */
  get title() {
    return this.#session?.title ?? null;
  }

  get duration_s() {
    const { duration } = this.video;
    return Number.isFinite(duration) && duration > 0 ? duration : this.title?.duration_s ?? 0;
  }

  get #hls() {
    return this.#session?.hls ?? null;
  }

  get chapters() {
    return this.title?.chapters ?? [];
  }

  get storyboard() {
    return this.#session?.storyboard ?? null;
  }

  /** The qualities to choose from, "auto" first; none where there is no choice. */
  get qualities() {
    const levels = this.#hls?.levels ?? [];
    if (levels.length < 2) return [];
    return [{ id: "auto", label: "Auto", height: 0 }, ...levels.map(({ id, label, height }) => ({ id: String(id), label, height }))];
  }

  get quality() {
    const level = this.#hls?.level ?? -1;
    return level < 0 ? "auto" : String(level);
  }

  set quality(id) {
    if (!this.#hls) return;
    this.#hls.level = id === "auto" ? -1 : Number(id);
    this.#changed();
  }

  /** The audio to choose from; none where there is no choice. */
  get audios() {
    const audios = this.#hls?.audios ?? [];
    return audios.length < 2 ? [] : audios.map(({ id, label, language }) => ({ id: String(id), label, language }));
  }

  get audio() {
    return this.audios.length ? String(this.#hls.audio) : null;
  }

  set audio(id) {
    const chosen = this.audios.find((audio) => audio.id === id);
    if (!chosen) return;
    setPreference("audio-language", chosen.language);
    this.#hls.audio = Number(id);
    this.#changed();
  }

  get texts() {
    return this.#texts.list.map(({ id, label, language }) => ({ id, label, language }));
  }

  /** The id of the text on the screen, or null. */
  get text() {
    return this.#texts.shown;
  }

  set text(id) {
    this.#texts.shown = id;
    this.#changed();
  }

  /** The most important thing to say about playback. */
  get notice() {
    return this.#notices.current;
  }

  /** Figures for people who want to know. */
  stats() {
    return figures(this.video, this.#session?.source ?? null, this.title, this.#hls);
  }

  // ---- Events ------------------------------------------------------------------------

  /** One event for all that changes at a time. */
  #changed() {
    if (this.#isAnnounced) return;
    this.#isAnnounced = true;
    queueMicrotask(() => {
      this.#isAnnounced = false;
      this.dispatchEvent(new Event("change"));
    });
  }

  #listen() {
    const { video } = this;
    const on = (name, call) => video.addEventListener(name, () => this.#session?.source && call(this.#session));
    on("error", (session) => video.getAttribute("src") && session.recoverVideo());
    on("durationchange", () => this.#changed());
    on("ended", () => {
      this.#remember();
      this.dispatchEvent(new Event("ended"));
    });
    on("pause", () => this.#remember());
    let stallTimer;
    const checkSoon = (session) => {
      clearTimeout(stallTimer);
      stallTimer = setTimeout(() => {
        const isStalled = video.readyState <= video.HAVE_CURRENT_DATA && (!video.paused || video.seeking);
        if (!isStalled || session !== this.#session || !session.source) return;
        session.checkConnection();
        checkSoon(session);
      }, STALL_MS);
    };
    for (const name of ["waiting", "stalled", "seeking"]) on(name, checkSoon);

    on("playing", () => this.#notices.endAfter("resume", NOTICE_MS));
    video.textTracks.addEventListener("change", () => this.#changed());
    video.textTracks.addEventListener("addtrack", () => this.#changed());

    setInterval(() => video.paused || this.#remember(), REMEMBER_MS);
    window.addEventListener("pagehide", () => this.#remember());

    let changeTimer;
    const check = () => this.#session?.checkVersion();
    onTitles(({ all, added = [], changed = [], removed = [] }) => {
      const path = this.title?.path ?? decoded(this.path ?? "");
      const isMeant = all || removed.includes(path) || [...added, ...changed].some((title) => title.path === path);
      if (!isMeant) return;
      clearTimeout(changeTimer);
      changeTimer = setTimeout(check, CHANGE_PAUSE_MS);
    });
    document.addEventListener("visibilitychange", () => document.hidden || check()); // events were missed
  }
}
