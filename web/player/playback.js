// Playback: plays a title in a <video>, by whatever way this browser can, and says in one sentence what is in the way.

import { forgetPosition, positionOf, preference, rememberPosition, setPreference } from "../memory.js";
import { onTitles, RequestError, subscribe, whenRendered } from "../server.js";
import { Storyboard } from "../storyboard.js";
import { clock } from "../words.js";
import { isReachable, whenReachable } from "./connection.js";
import { watchDecoding } from "./decoded.js";
import { HlsSource } from "./hls.js";
import { prepareRemux, prepareTranscode } from "./preparing.js";
import { chooseStep, nameOfCodec, noAttempts, sentence } from "./source.js";
import { Texts } from "./texts.js";
import { readTitle } from "./title.js";

const REMEMBER_MS = 5000;
/** How long "Resumes at …" stays. */
const RESUME_NOTICE_MS = 10_000;
/** How long playback may stall before the server is asked whether it is there. */
const STALL_MS = 2000;
/** Changes of a file come in groups. */
const CHANGE_PAUSE_MS = 300;

/** The most important notice first: only one is shown. */
const NOTICES = /** @type {const} */ (["failure", "connection", "removed", "preparing", "replaced", "resume"]);

/**
 * @typedef {object} Notice
 * @property {string} text
 * @property {number} [percent]
 * @property {{ label: string, run: () => void }} [action]
 */

/**
 * One title, from `load` to `unload`.
 *
 * @typedef {object} Session
 * @property {string} path percent-encoded
 * @property {AbortController} controller
 * @property {AbortSignal} signal
 * @property {boolean} play whether to play, also after a wait
 * @property {number | null} at_s where to begin; null for where the viewer stopped
 * @property {import("./title.js").Title | null} title
 * @property {import("./source.js").Attempts} attempts
 * @property {{ by: string, url: string } | null} source
 * @property {AbortController | null} attempt aborts what belongs to the current source
 * @property {boolean} isReconnecting
 */

/**
 * Plays titles in a video element. Events: "change" if any property has changed, "ended" as of the video.
 */
export class Playback extends EventTarget {
  /** @type {Session | null} */
  #session = null;
  /** @type {HlsSource | null} */
  #hls = null;
  /** @type {Map<string, Notice>} */
  #notices = new Map();
  #storyboard = null;
  #texts;
  #isAnnounced = false;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    super();
    this.video = video;
    this.#texts = new Texts(video);
    this.#applyPreferences();
    this.#listen();
  }

  // ---- Loading -------------------------------------------------------------

  /**
   * Loads a title, from `at_s` on, or from where the viewer stopped.
   *
   * @param {string} path percent-encoded, as in the addresses of the server
   * @param {{ at_s?: number | null, play?: boolean }} options
   */
  load(path, { at_s = null, play = false } = {}) {
    this.unload();
    const controller = new AbortController();
    this.#session = {
      path, controller, signal: controller.signal, play, at_s, title: null, attempts: noAttempts(), source: null,
      attempt: null, isReconnecting: false,
    };
    subscribe();
    this.#begin(this.#session);
  }

  /** Stops, and closes all connections of the title. */
  unload() {
    if (!this.#session) return;
    this.#remember();
    this.#session.controller.abort();
    this.#session = null;
    this.#closeSource();
    this.#texts.clear();
    this.#storyboard?.close();
    this.#storyboard = null;
    this.#notices.clear();
    this.video.removeAttribute("poster");
    this.#changed();
  }

  /** @param {Session} session */
  async #begin(session) {
    const { signal } = session;
    try {
      await this.#readTitle(session);
      this.#chooseStart(session);
      await this.#advance(session);
    } catch (error) {
      if (!signal.aborted) this.#fail(session, error);
    }
  }

  async #readTitle(session) {
    const title = await readTitle(session.path, session.signal);
    session.signal.throwIfAborted();
    session.title = title;
    this.#changed();
    this.#showImages(session);
  }

  /** Takes one step after the other until the title plays, or cannot. */
  async #advance(session) {
    const { signal, attempts } = session;
    for (;;) {
      const step = await chooseStep(session.title, attempts);
      signal.throwIfAborted();
      if (step.step === "play") return this.#play(session, step);
      if (step.step === "refuse") return this.#refuse(session, step.text);
      this.#closeSource();
      if (step.step === "remux") await this.#remux(session);
      else await this.#transcode(session, step.track);
      signal.throwIfAborted();
      this.#say("preparing", null);
      await this.#readTitle(session);
    }
  }

  async #remux({ title, signal, attempts }) {
    const say = (percent) => this.#say("preparing", {
      text: "Browsers do not play this kind of file. The server is copying it into an MP4.", percent,
    });
    await prepareRemux(title, signal, ({ progress }) => say(progress.percent));
    attempts.made.add("remux");
  }

  async #transcode({ title, signal, attempts }, track) {
    const target = track.kind === "video" ? "H.264" : "AAC";
    const lack = `This browser has no decoder for ${nameOfCodec(track)}`;
    this.#say("preparing", { text: `${lack}. The server is converting it to ${target}.`, percent: 0 });
    attempts.made.add(track.kind);
    try {
      await prepareTranscode(title, track, signal, ({ progress: { percent } }) =>
        this.#say("preparing", { text: `${lack}. The server is converting it to ${target}.`, percent }));
    } catch (error) {
      if (signal.aborted) throw error;
      throw new Error(`${lack}, and the server cannot convert it: ${error.message}`);
    }
  }

  // ---- The source ----------------------------------------------------------

  /** @param {Session} session @param {{ by: string, url: string }} source */
  #play(session, source) {
    this.#closeSource();
    const { title, signal } = session;
    const attempt = session.attempt = new AbortController();
    session.source = source;
    this.#say("failure", null);
    const expected = {
      video: title.tracks.some(({ kind }) => kind === "video"), audio: title.tracks.some(({ kind }) => kind === "audio"),
    };
    watchDecoding(this.video, expected, AbortSignal.any([signal, attempt.signal]), (missing) => {
      session.attempts.missing.add(`${source.by} ${missing}`);
      this.#retry(session);
    });
    const at_s = session.at_s ?? 0;
    if (source.by === "hls") {
      const hls = this.#hls = new HlsSource(this.video, {
        onChange: () => this.#changed(),
        onFailure: (status, isNetwork) => this.#hls === hls && this.#recoverHls(session, status, isNetwork),
      });
      hls.open(source.url, { at_s, language: preference("audio-language") ?? null }).catch((error) => this.#fail(session, error));
    } else {
      this.video.src = source.url;
      if (at_s) this.video.currentTime = at_s;
    }
    this.#applyPreferences();
    this.#texts.show(title.texts, title.tracks.find(({ kind }) => kind === "audio")?.language ?? null);
    // The browser may refuse autoplay; a real failure raises "error".
    if (session.play) this.video.play().catch(() => {});
    this.#changed();
  }

  #closeSource() {
    this.#session?.attempt?.abort();
    this.#hls?.close();
    this.#hls = null;
    this.video.removeAttribute("src");
    this.video.load(); // closes the connection
  }

  /** Keeps the position and goes on with the next step. */
  async #retry(session) {
    this.#keepPlace(session);
    try {
      await this.#advance(session);
    } catch (error) {
      if (!session.signal.aborted) this.#fail(session, error);
    }
  }

  #keepPlace(session) {
    if (!session.source) return;
    if (this.video.readyState || this.video.currentTime) session.at_s = this.video.currentTime;
    session.play = !this.video.paused || (session.play && this.video.readyState === 0);
  }

  #recoverHls(session, status, isNetwork) {
    if (isNetwork) return this.#reconnect(session);
    if (status === 404) return this.#checkVersion(session, true);
    session.attempts.failed.add("hls");
    this.#retry(session);
  }

  async #recoverVideo(session) {
    const { code } = this.video.error;
    if (!await isReachable(session.title.href)) return this.#reconnect(session);
    if (session.signal.aborted || !this.video.error) return;
    if (await this.#checkVersion(session, false)) return;
    if (code === MediaError.MEDIA_ERR_NETWORK) return this.#retry(session);
    session.attempts.failed.add(session.source.by);
    this.#retry(session);
  }

  // ---- The server is away ----------------------------------------------------

  /** Waits until the server is back, and goes on at the same time. */
  async #reconnect(session) {
    if (session.isReconnecting) return;
    session.isReconnecting = true;
    try {
      this.#keepPlace(session);
      this.#say("connection", { text: "The server does not respond. Reconnecting…" });
      await whenReachable(session.title?.href ?? `/api/titles/${session.path}`, session.signal);
      session.isReconnecting = false;
      this.#say("connection", null);
      if (!session.source) return this.#begin(session);
      const { version } = session.title;
      await this.#readTitle(session);
      if (this.#hls && session.title.version === version) this.#hls.resume();
      else await this.#advance(session);
    } catch (error) {
      session.isReconnecting = false;
      if (!session.signal.aborted) this.#fail(session, error);
    }
  }

  /** A stall may have many reasons; only a server that does not respond is said. */
  async #checkConnection(session) {
    if (session.isReconnecting || !session.title || await isReachable(session.title.href)) return;
    if (!session.signal.aborted) this.#reconnect(session);
  }

  // ---- The file changes ------------------------------------------------------

  /**
   * Compares the file with what plays. A replaced file plays from the same time on.
   *
   * @returns {Promise<boolean>} whether the file was replaced or removed
   */
  async #checkVersion(session, isBroken) {
    try {
      const before = session.title.version;
      const title = await readTitle(session.path, session.signal);
      session.signal.throwIfAborted();
      this.#say("removed", null);
      if (title.version === before && !isBroken) return false;
      this.#keepPlace(session);
      if (title.duration_s && session.at_s >= title.duration_s) session.at_s = 0;
      session.attempts = noAttempts();
      await this.#readTitle(session);
      if (title.version !== before) this.#sayBriefly("replaced", { text: "The file was replaced. This is the new one." });
      await this.#advance(session);
      return true;
    } catch (error) {
      if (session.signal.aborted) return true;
      if (error.status === 404) this.#say("removed", { text: "This title was moved or deleted." });
      else if (error.status === 0) this.#reconnect(session);
      else this.#fail(session, error);
      return true;
    }
  }

  // ---- Notices ---------------------------------------------------------------

  /** The sentence to show over the video. @returns {Notice | null} */
  get notice() {
    const kind = NOTICES.find((kind) => this.#notices.has(kind));
    return kind ? this.#notices.get(kind) : null;
  }

  /** @param {typeof NOTICES[number]} kind @param {Notice | null} notice */
  #say(kind, notice) {
    if (!notice && !this.#notices.has(kind)) return;
    if (notice) this.#notices.set(kind, notice);
    else this.#notices.delete(kind);
    this.#changed();
  }

  #sayBriefly(kind, notice) {
    this.#say(kind, notice);
    setTimeout(() => this.#notices.get(kind) === notice && this.#say(kind, null), RESUME_NOTICE_MS);
  }

  #refuse(session, text) {
    this.#closeSource();
    session.source = null;
    this.#say("preparing", null);
    this.#say("resume", null);
    this.#say("failure", { text, action: { label: "Try again", run: () => this.load(session.path, { at_s: session.at_s, play: true }) } });
  }

  #fail(session, error) {
    if (error instanceof RequestError && error.status === 0) return this.#reconnect(session);
    const isGone = error instanceof RequestError && error.status === 404;
    this.#refuse(session, isGone ? "This title is not in the library, or no longer." : sentence(error.message));
  }

  // ---- Position ----------------------------------------------------------------

  #chooseStart(session) {
    if (session.at_s !== null) return;
    const position = positionOf(session.title.path);
    session.at_s = position?.at_s ?? 0;
    if (!position) return;
    const fromTheStart = () => {
      forgetPosition(session.title.path);
      session.at_s = 0;
      this.video.currentTime = 0;
      this.#say("resume", null);
    };
    this.#say("resume", { text: `Resumes at ${clock(position.at_s)}.`, action: { label: "From the start", run: fromTheStart } });
  }

  #remember() {
    const { title, source } = this.#session ?? {};
    if (title && source && this.video.readyState > 0 && this.video.currentTime > 0) {
      rememberPosition(title.path, this.video.currentTime, this.video.duration);
    }
  }

  // ---- Preferences ---------------------------------------------------------------

  #applyPreferences() {
    const { video } = this;
    const volume = preference("volume");
    if (volume >= 0 && volume <= 1) video.volume = volume;
    if (preference("muted") !== undefined) video.muted = preference("muted") === true;
    const speed = preference("speed");
    if (speed >= 0.25 && speed <= 4) video.defaultPlaybackRate = video.playbackRate = speed;
  }

  // ---- Images ----------------------------------------------------------------------

  /** Shows the poster until the first frame, and loads the storyboard. */
  #showImages(session) {
    const { title, signal } = session;
    if (!title.tracks.some(({ kind }) => kind === "video")) return;
    const poster = `${title.views}poster.jpg?wait=0`;
    whenRendered(poster, title.path, signal).then(() => { this.video.poster = poster; }).catch(() => {});
    Storyboard.load(`${title.views}storyboard.vtt`, title.path, signal).then((storyboard) => {
      if (signal.aborted) return storyboard.close();
      this.#storyboard?.close();
      this.#storyboard = storyboard;
      this.#changed();
    }).catch(() => {}); // the seek bar shows times only
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

  get chapters() {
    return this.title?.chapters ?? [];
  }

  get storyboard() {
    return this.#storyboard;
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

  /** Figures for people who want to know. Members are null where they are unknown. */
  stats() {
    const { video } = this;
    const quality = video.getVideoPlaybackQuality?.();
    const ahead = [...Array(video.buffered.length).keys()]
      .map((index) => [video.buffered.start(index), video.buffered.end(index)])
      .find(([start, end]) => start <= video.currentTime + 0.1 && video.currentTime <= end);
    const { source = null, title = null } = this.#session ?? {};
    const tracks = title?.tracks.filter(({ kind }) => kind === "video" || kind === "audio") ?? [];
    const playing = this.#hls?.playing ?? null;
    return {
      source: source && { file: "file", mp4: "play.mp4", hls: "HLS (hls.js)", "native-hls": "HLS (browser)" }[source.by],
      url: source?.url ?? null,
      codecs: playing?.codecs ?? (tracks.map(({ codecs }) => codecs).filter(Boolean).join(", ") || null),
      width: video.videoWidth || null,
      height: video.videoHeight || null,
      bitrate_bits_s: playing?.bitrate ?? (title?.duration_s ? Math.round(8 * title.size_bytes / title.duration_s) : null),
      bandwidth_bits_s: this.#hls ? Math.round(this.#hls.bandwidth_bits_s) : null,
      buffer_s: ahead ? ahead[1] - video.currentTime : 0,
      decoded_frames: quality?.totalVideoFrames ?? null,
      dropped_frames: quality?.droppedVideoFrames ?? null,
      server_timing: this.#hls?.last.server_timing || null,
    };
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
    on("error", (session) => video.getAttribute("src") && this.#recoverVideo(session));
    on("durationchange", () => this.#changed());
    on("ended", () => {
      this.#remember();
      this.dispatchEvent(new Event("ended"));
    });
    on("pause", () => this.#remember());
    on("volumechange", () => {
      setPreference("volume", video.volume);
      setPreference("muted", video.muted);
    });
    on("ratechange", () => video.readyState && setPreference("speed", video.playbackRate));

    let stallTimer;
    for (const name of ["waiting", "stalled"]) {
      on(name, (session) => {
        clearTimeout(stallTimer);
        stallTimer = setTimeout(() => session === this.#session && this.#checkConnection(session), STALL_MS);
      });
    }
    for (const name of ["playing", "timeupdate"]) {
      on(name, () => { if (video.readyState > video.HAVE_CURRENT_DATA) clearTimeout(stallTimer); });
    }

    let resumeTimer;
    on("playing", () => {
      const resume = this.#notices.get("resume");
      clearTimeout(resumeTimer);
      if (resume) resumeTimer = setTimeout(() => this.#notices.get("resume") === resume && this.#say("resume", null), RESUME_NOTICE_MS);
    });
    video.textTracks.addEventListener("change", () => this.#changed());
    video.textTracks.addEventListener("addtrack", () => this.#changed());

    setInterval(() => video.paused || this.#remember(), REMEMBER_MS);
    window.addEventListener("pagehide", () => this.#remember());

    let changeTimer;
    const check = () => {
      const session = this.#session;
      if (session?.title && session.source && !session.isReconnecting) this.#checkVersion(session, false);
    };
    onTitles(({ all, changed = [], removed = [] }) => {
      const path = this.title?.path;
      const isMeant = all || removed.includes(path) || changed.some((title) => title.path === path);
      if (!isMeant) return;
      clearTimeout(changeTimer);
      changeTimer = setTimeout(check, CHANGE_PAUSE_MS);
    });
    document.addEventListener("visibilitychange", () => document.hidden || check()); // events were missed
  }
}
