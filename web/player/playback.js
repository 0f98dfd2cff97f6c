// Playback: plays a title in a <video>, by whatever way this browser can, and says in one sentence what is in the way.

import { forgetPosition, positionOf, preference, rememberPosition, setPreference } from "../memory.js";
import { onTitles, RequestError, subscribe, whenRendered } from "../server.js";
import { Storyboard } from "../storyboard.js";
import { clock } from "../words.js";
import { forgetCached, isReachable, whenReachable } from "./connection.js";
import { watchDecoding } from "./decoded.js";
import { figures } from "./figures.js";
import { HlsSource } from "./hls.js";
import { Notices } from "./notices.js";
import { applyPreferences, rememberPreferences } from "./preferences.js";
import { prepareRemux, prepareTranscode } from "./preparing.js";
import { chooseStep, nameOfCodec, noAttempts, sentence } from "./source.js";
import { Texts } from "./texts.js";
import { leadingTracks, readTitle } from "./title.js";

const REMEMBER_MS = 5000;
/** How long a notice about something that is over stays. */
const NOTICE_MS = 10_000;
/** How long playback may stall before a request checks whether the server responds. */
const STALL_MS = 2000;
/** Changes of a file come in groups. */
const CHANGE_PAUSE_MS = 300;

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
 * @property {boolean} isBroken whether the current source has failed
 * @property {boolean} isReloaded whether segments of the current version have failed once
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
  #notices = new Notices(() => this.#changed());
  /** @type {Storyboard | null} */
  #storyboard = null;
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
      attempt: null, isBroken: false, isReloaded: false, isReconnecting: false,
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
    this.#notices.say("failure", null);
    for (;;) {
      const step = await chooseStep(session.title, attempts);
      signal.throwIfAborted();
      if (step.step === "play") return this.#play(session, step);
      if (step.step === "refuse") return this.#refuse(session, step.text);
      this.#closeSource();
      if (step.step === "remux") await this.#remux(session);
      else await this.#transcode(session, step.track);
      signal.throwIfAborted();
      this.#notices.say("preparing", null);
      await this.#readTitle(session);
    }
  }

  async #remux({ title, signal, attempts }) {
    const text = "Browsers do not play this kind of file. The server is making an MP4 of it.";
    this.#notices.say("preparing", { text, percent: 0 });
    await prepareRemux(title, signal, ({ progress: { percent } }) => this.#notices.say("preparing", { text, percent }));
    attempts.made.add("remux");
  }

  /** Waits for a rendition that this browser decodes. Without audio the viewer may begin at once. */
  async #transcode({ title, signal, attempts }, track) {
    const lack = `This browser has no decoder for ${nameOfCodec(track)}`;
    const text = `${lack}. The server is converting it to ${track.kind === "video" ? "H.264" : "AAC"}.`;
    const skip = new AbortController();
    const canSkip = track.kind === "audio" && leadingTracks(title).video;
    const action = canSkip ? { label: "Play without sound", run: () => skip.abort() } : undefined;
    const say = (percent) => skip.signal.aborted || this.#notices.say("preparing", { text, percent, action });
    say(0);
    attempts.made.add(track.kind);
    try {
      await prepareTranscode(title, track, AbortSignal.any([signal, skip.signal]), ({ progress: { percent } }) => say(percent));
    } catch (error) {
      if (signal.aborted) throw error;
      if (!skip.signal.aborted) throw new Error(`${lack}, and the server cannot convert it: ${error.message}`);
      attempts.made.delete(track.kind);
      attempts.isSilent = true;
    }
  }

  // ---- The source ----------------------------------------------------------

  /** @param {Session} session @param {{ by: string, url: string }} source */
  #play(session, source) {
    this.#closeSource();
    const { title, signal } = session;
    const attempt = session.attempt = new AbortController();
    Object.assign(session, { source, isBroken: false });
    const { video, audio } = leadingTracks(title);
    const expected = { video: Boolean(video), audio: Boolean(audio) && !session.attempts.isSilent };
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
      hls.open(source.url, { at_s, language: preference("audio-language") ?? null }).catch((error) => {
        if (!signal.aborted) this.#fail(session, error);
      });
    } else {
      // Of a replaced file the fragment makes another address, which the browser has no media of.
      this.video.src = session.attempts.isReplaced ? `${source.url}#${title.version}` : source.url;
      if (at_s) this.video.currentTime = at_s;
    }
    applyPreferences(this.video);
    this.#texts.show(title.texts, audio?.language ?? null);
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
    session.isBroken = true;
    if (isNetwork) return this.#reconnect(session);
    if (status === 404 && !session.isReloaded) return this.#checkVersion(session);
    session.attempts.failed.add("hls");
    this.#retry(session);
  }

  async #recoverVideo(session) {
    const { source } = session;
    const isLost = this.video.error.code === MediaError.MEDIA_ERR_NETWORK;
    session.isBroken = true;
    const isAway = !await isReachable(session.title.href);
    if (session.signal.aborted || session.source !== source) return;
    if (isAway) return this.#reconnect(session);
    if (isLost) return this.#checkVersion(session);
    session.attempts.failed.add(source.by);
    this.#retry(session);
  }

  // ---- The server is away ----------------------------------------------------

  /** Waits until the server is back, and goes on at the same time. */
  async #reconnect(session) {
    if (session.isReconnecting) return;
    session.isReconnecting = true;
    try {
      this.#notices.say("connection", { text: "The server does not respond. Reconnecting…" });
      await whenReachable(session.title?.href ?? `/api/titles/${session.path}`, session.signal);
      session.isReconnecting = false;
      this.#notices.say("connection", null);
      if (!session.source) return this.#begin(session);
      const { version } = session.title;
      this.#keepPlace(session);
      await this.#readTitle(session);
      if (this.#hls?.levels.length && session.title.version === version) this.#hls.resume();
      else await this.#advance(session);
    } catch (error) {
      session.isReconnecting = false;
      if (!session.signal.aborted) this.#fail(session, error);
    }
  }

  /** A stall may have many reasons; only a server that does not respond has a notice. */
  async #checkConnection(session) {
    if (session.isReconnecting || !session.title || await isReachable(session.title.href)) return;
    if (!session.signal.aborted) this.#reconnect(session);
  }

  // ---- The file changes ------------------------------------------------------

  /** Compares the file with what plays. A replaced file plays from the same time on, and so does a broken source. */
  async #checkVersion(session) {
    try {
      const before = session.title.version;
      const { version, duration_s } = await readTitle(session.path, session.signal);
      session.signal.throwIfAborted();
      this.#notices.say("removed", null);
      if (version === before && !session.isBroken) return;
      session.isReloaded = version === before;
      this.#keepPlace(session);
      if (version !== before) {
        if (duration_s && session.at_s >= duration_s) session.at_s = 0;
        session.attempts = { ...noAttempts(), isReplaced: true };
        this.#notices.say("replaced", { text: "The file was replaced. This is the new one." });
        this.#notices.endAfter("replaced", NOTICE_MS);
      }
      await this.#readTitle(session);
      if (session.attempts.isReplaced && session.source) await forgetCached(session.source.url, session.signal);
      await this.#advance(session);
    } catch (error) {
      if (session.signal.aborted) return;
      if (error.status === 404) this.#notices.say("removed", { text: "This title was moved or deleted." });
      else this.#fail(session, error);
    }
  }

  // ---- Failures --------------------------------------------------------------

  /** Says why a title does not play. To try again helps only against what may pass. */
  #refuse(session, text, mayPass = false) {
    this.#closeSource();
    session.source = null;
    for (const kind of /** @type {const} */ (["preparing", "resume", "replaced"])) this.#notices.say(kind, null);
    const run = () => this.load(session.path, { at_s: session.at_s, play: true });
    this.#notices.say("failure", { text, action: mayPass ? { label: "Try again", run } : undefined });
  }

  #fail(session, error) {
    if (error instanceof RequestError && error.status === 0) return this.#reconnect(session);
    const isGone = error instanceof RequestError && error.status === 404;
    this.#refuse(session, isGone ? "This title is not in the library, or no longer." : sentence(error.message), true);
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
      this.#notices.say("resume", null);
    };
    this.#notices.say("resume", { text: `Resumes at ${clock(position.at_s)}.`, action: { label: "From the start", run: fromTheStart } });
  }

  #remember() {
    const { title, source } = this.#session ?? {};
    if (title && source && this.video.readyState > 0 && this.video.currentTime > 0) {
      rememberPosition(title.path, this.video.currentTime, this.video.duration);
    }
  }

  // ---- Images ----------------------------------------------------------------------

  /** Shows the poster until the first frame, and loads the storyboard. */
  #showImages({ title, signal }) {
    const poster = title.poster && `${title.poster}?wait=0`;
    const show = () => { this.video.poster = poster; };
    if (poster) whenRendered(poster, title.path, signal).then(show).catch(() => {}); // the first frame serves, too
    if (!title.storyboard) return;
    Storyboard.load(title.storyboard, title.path, signal).then((storyboard) => {
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
    on("error", (session) => video.getAttribute("src") && this.#recoverVideo(session));
    on("durationchange", () => this.#changed());
    on("ended", () => {
      this.#remember();
      this.dispatchEvent(new Event("ended"));
    });
    on("pause", () => this.#remember());
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

    on("playing", () => this.#notices.endAfter("resume", NOTICE_MS));
    video.textTracks.addEventListener("change", () => this.#changed());
    video.textTracks.addEventListener("addtrack", () => this.#changed());

    setInterval(() => video.paused || this.#remember(), REMEMBER_MS);
    window.addEventListener("pagehide", () => this.#remember());

    let changeTimer;
    const check = () => {
      const session = this.#session;
      const isSettled = session?.source || this.#notices.has("failure");
      if (session?.title && isSettled && !session.isReconnecting) this.#checkVersion(session);
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
