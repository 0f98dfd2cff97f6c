// A session: one title in the video, from the first request to the last. It takes one step after the other until the
// title plays, or cannot, and goes on when the server is back or the file is replaced.

import { forgetPosition, positionOf, preference } from "../memory.js";
import { RequestError, whenRendered } from "../server.js";
import { Storyboard } from "../storyboard.js";
import { clock } from "../words.js";
import { bucketTrouble, forgetCached, isReachable, whenReachable } from "./connection.js";
import { watchDecoding } from "./decoded.js";
import { HlsSource } from "./hls.js";
import { applyPreferences } from "./preferences.js";
import { prepareRemux, prepareTranscode } from "./preparing.js";
import { chooseStep, nameOfCodec, noAttempts, sentence } from "./source.js";
import { leadingTracks, readTitle } from "./title.js";

/** How long a notice about something that is over stays. */
export const NOTICE_MS = 10_000;

/** The pauses between attempts while the storage of a title does not respond. */
const STORAGE_PAUSE_MIN_MS = 2000;
const STORAGE_PAUSE_MAX_MS = 16_000;
const STORAGE_UNAVAILABLE = "/errors/storage-unavailable";

/**
 * What a session shares with the sessions before and after it.
 *
 * @typedef {object} Shared
 * @property {HTMLVideoElement} video
 * @property {import("./texts.js").Texts} texts
 * @property {import("./notices.js").Notices} notices
 * @property {() => void} onChange
 * @property {(at_s: number | null) => void} tryAgain loads the title in another session
 */

export class Session {
  /** @type {import("./title.js").Title | null} */
  title = null;
  /** @type {{ by: string, url: string } | null} */
  source = null;
  /** @type {HlsSource | null} */
  hls = null;
  /** @type {Storyboard | null} */
  storyboard = null;
  isReconnecting = false;

  #shared;
  #at_s; // where to begin; null for where the viewer stopped
  #plays; // whether to play, also after a wait
  #controller = new AbortController();
  #steps = new AbortController(); // aborts the steps that are on their way
  #attempts = noAttempts();
  /** @type {AbortController | null} aborts what belongs to the current source */
  #attempt = null;
  #isBroken = false; // whether the current source has failed
  #isReloaded = false; // whether segments of the current version have failed once
  #storagePauseMs = STORAGE_PAUSE_MIN_MS; // the next pause of an attempt

  /**
   * @param {string} path percent-encoded
   * @param {{ at_s: number | null, play: boolean }} options
   * @param {Shared} shared
   */
  constructor(path, { at_s, play }, shared) {
    this.path = path;
    this.#at_s = at_s;
    this.#plays = play;
    this.#shared = shared;
  }

  get #signal() {
    return this.#controller.signal;
  }

  get #video() {
    return this.#shared.video;
  }

  get #notices() {
    return this.#shared.notices;
  }

  // ---- Loading -------------------------------------------------------------

  async begin() {
    try {
      await this.#readTitle();
      this.#chooseStart();
      await this.#advance();
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(error);
    }
  }

  /** Closes all connections of the title. */
  close() {
    this.#controller.abort();
    this.#closeSource();
    this.storyboard?.close();
  }

  async #readTitle() {
    const title = await readTitle(this.path, this.#signal);
    this.#signal.throwIfAborted();
    this.title = title;
    this.#shared.onChange();
    this.#showImages();
  }

  /** Begins where the address says, or where the viewer stopped. */
  #chooseStart() {
    if (this.#at_s !== null) return;
    const { path } = this.title;
    const position = positionOf(path);
    this.#at_s = position?.at_s ?? 0;
    if (!position) return;
    const fromTheStart = () => {
      forgetPosition(path);
      this.#at_s = 0;
      this.#video.currentTime = 0;
      this.#notices.say("resume", null);
    };
    this.#notices.say("resume", { text: `Resumes at ${clock(position.at_s)}.`, action: { label: "From the start", run: fromTheStart } });
  }

  /** Shows the poster until the first frame, and loads the storyboard. */
  #showImages() {
    const { title } = this;
    const signal = this.#signal;
    const poster = title.poster && `${title.poster}?wait=0`;
    const show = () => { this.#video.poster = poster; };
    if (poster) whenRendered(poster, title.path, signal).then(show).catch(() => {}); // the first frame serves, too
    if (!title.storyboard) return;
    Storyboard.load(title.storyboard, title.path, signal).then((storyboard) => {
      if (signal.aborted) return storyboard.close();
      this.storyboard?.close();
      this.storyboard = storyboard;
      this.#shared.onChange();
    }).catch(() => {}); // the seek bar shows times only
  }

  /**
   * Takes one step after the other until the title plays, or cannot. Steps before end: while they waited for a job,
   * the file may have been replaced.
   */
  async #advance() {
    this.#steps.abort();
    this.#steps = new AbortController();
    const signal = AbortSignal.any([this.#signal, this.#steps.signal]);
    for (const kind of /** @type {const} */ (["failure", "preparing"])) this.#notices.say(kind, null);
    for (;;) {
      const step = await chooseStep(this.title, this.#attempts);
      signal.throwIfAborted();
      if (step.step === "play") return this.#play(step);
      if (step.step === "refuse") return this.#refuse(step.text);
      this.#closeSource();
      if (step.step === "remux") await this.#remux(signal);
      else await this.#transcode(step.track, signal);
      signal.throwIfAborted();
      this.#notices.say("preparing", null);
      await this.#readTitle();
    }
  }

  /** @param {AbortSignal} signal */
  async #remux(signal) {
    const text = "Browsers do not play this kind of file. The server is making an MP4 of it.";
    const say = (percent) => this.#notices.say("preparing", { text, percent, job: "remux" });
    say(0);
    await prepareRemux(this.title, signal, ({ progress: { percent } }) => say(percent));
    this.#attempts.made.add("remux");
  }

  /** Waits for a rendition that this browser decodes. Without audio the viewer may begin at once. */
  async #transcode(track, signal) {
    const attempts = this.#attempts;
    const lack = `This browser has no decoder for ${nameOfCodec(track)}`;
    const text = `${lack}. The server is converting it to ${track.kind === "video" ? "H.264" : "AAC"}.`;
    const skip = new AbortController();
    const canSkip = track.kind === "audio" && leadingTracks(this.title).video;
    const action = canSkip ? { label: "Play without sound", run: () => skip.abort() } : undefined;
    const job = track.kind === "video" ? "rendition" : "audio";
    const say = (percent) => skip.signal.aborted || this.#notices.say("preparing", { text, percent, job, action });
    say(0);
    attempts.made.add(track.kind);
    try {
      await prepareTranscode(this.title, track, AbortSignal.any([signal, skip.signal]), ({ progress: { percent } }) => say(percent));
    } catch (error) {
      if (signal.aborted) throw error;
      if (!skip.signal.aborted) throw new Error(`${lack}, and the server cannot convert it: ${error.message}`);
      attempts.made.delete(track.kind);
      attempts.isSilent = true;
    }
  }

  // ---- The source ----------------------------------------------------------

  /** @param {{ by: string, url: string }} source */
  #play(source) {
    this.#closeSource();
    const { title } = this;
    const video = this.#video;
    const attempt = this.#attempt = new AbortController();
    this.source = source;
    this.#isBroken = false;
    const tracks = leadingTracks(title);
    const expected = { video: Boolean(tracks.video), audio: Boolean(tracks.audio) && !this.#attempts.isSilent };
    watchDecoding(video, expected, AbortSignal.any([this.#signal, attempt.signal]), (missing) => {
      this.#attempts.missing.add(`${source.by} ${missing}`);
      this.#retry();
    });
    video.addEventListener("canplay", () => this.#storageResponds(), { signal: attempt.signal });
    const at_s = this.#at_s ?? 0;
    if (source.by === "hls") {
      const hls = this.hls = new HlsSource(video, {
        onChange: () => this.#shared.onChange(),
        onFailure: (status, isNetwork) => this.hls === hls && this.#recoverHls(status, isNetwork),
      });
      hls.open(source.url, { at_s, language: preference("audio-language") ?? null }).catch((error) => {
        if (!this.#signal.aborted) this.#fail(error);
      });
    } else {
      // Of a replaced file the fragment makes another address, which the browser has no media of.
      video.src = this.#attempts.isReplaced ? `${source.url}#${title.version}` : source.url;
      if (at_s) video.currentTime = at_s;
    }
    applyPreferences(video);
    this.#shared.texts.show(title.texts, tracks.audio?.language ?? null);
    // The browser may refuse autoplay; a real failure raises "error".
    if (this.#plays) video.play().catch(() => {});
    this.#shared.onChange();
  }

  #closeSource() {
    this.#attempt?.abort();
    this.hls?.close();
    this.hls = null;
    this.#video.removeAttribute("src");
    this.#video.load(); // closes the connection
  }

  /** Keeps the position and goes on with the next step. */
  async #retry() {
    this.#keepPlace();
    try {
      await this.#advance();
    } catch (error) {
      if (!this.#signal.aborted) this.#fail(error);
    }
  }

  #keepPlace() {
    if (!this.source) return;
    const video = this.#video;
    if (video.readyState || video.currentTime) this.#at_s = video.currentTime;
    this.#plays = !video.paused || (this.#plays && video.readyState === 0);
  }

  #recoverHls(status, isNetwork) {
    this.#isBroken = true;
    if (isNetwork) return this.#reconnect();
    if (status === 404 && !this.#isReloaded) return this.checkVersion();
    if (status === 503) return this.#waitForStorage(null);
    this.#attempts.failed.add("hls");
    this.#retry();
  }

  /** After an error of the video: goes on when the server is back, or in another way. */
  async recoverVideo() {
    const { source } = this;
    const isLost = this.#video.error.code === MediaError.MEDIA_ERR_NETWORK;
    this.#isBroken = true;
    const isAway = !await isReachable();
    if (this.#signal.aborted || this.source !== source) return;
    if (isAway) return this.#reconnect();
    const trouble = await bucketTrouble(this.title.path);
    if (this.#signal.aborted || this.source !== source) return;
    if (trouble) return this.#waitForStorage(trouble);
    if (isLost) return this.checkVersion();
    this.#attempts.failed.add(source.by);
    this.#retry();
  }

  // ---- The server is away ----------------------------------------------------

  /** Waits until the server is back, and goes on at the same time. */
  async #reconnect() {
    if (this.isReconnecting) return;
    this.isReconnecting = true;
    try {
      this.#notices.say("connection", { text: "The server does not respond. Reconnecting…" });
      await whenReachable(this.#signal);
      this.isReconnecting = false;
      this.#notices.say("connection", null);
      if (!this.source) return this.begin();
      const { version } = this.title;
      this.#keepPlace();
      await this.#readTitle();
      if (this.hls?.levels.length && this.title.version === version) this.hls.resume();
      else await this.#advance();
    } catch (error) {
      this.isReconnecting = false;
      if (!this.#signal.aborted) this.#fail(error);
    }
  }

  /** A stall may have many reasons; a server or a bucket that does not respond has a notice. */
  async checkConnection() {
    if (this.isReconnecting || !this.title) return;
    const { source } = this;
    const isAway = !await isReachable();
    if (this.#signal.aborted) return;
    if (isAway) return this.#reconnect();
    const trouble = await bucketTrouble(this.title.path);
    const isStalled = this.#video.readyState <= HTMLMediaElement.HAVE_CURRENT_DATA;
    if (trouble && isStalled && source && this.source === source) this.#sayTrouble(trouble); // the browser retries
  }

  // ---- The storage is away ---------------------------------------------------

  /** Says why the server does not send the title, and tries again. @param {string | null} why null if it is not known */
  async #waitForStorage(why) {
    this.#keepPlace();
    this.#closeSource();
    this.source = null;
    const trouble = why ?? await bucketTrouble(this.title.path) ?? "the server cannot send this title at the moment";
    if (this.#signal.aborted) return;
    this.#sayTrouble(trouble);
    await new Promise((resolve) => setTimeout(resolve, this.#storagePauseMs));
    if (this.#signal.aborted) return;
    this.#storagePauseMs = Math.min(2 * this.#storagePauseMs, STORAGE_PAUSE_MAX_MS);
    if (this.title) this.#retry();
    else this.begin();
  }

  #sayTrouble(trouble) {
    this.#notices.say("connection", { text: `${sentence(trouble)} Trying again…` });
  }

  #storageResponds() {
    this.#storagePauseMs = STORAGE_PAUSE_MIN_MS;
    this.#notices.say("connection", null);
  }

  // ---- The file changes ------------------------------------------------------

  /** Compares the file with what plays. A replaced file plays from the same time on, and so does a broken source. */
  async checkVersion() {
    try {
      const before = this.title.version;
      const { version, duration_s } = await readTitle(this.path, this.#signal);
      this.#signal.throwIfAborted();
      this.#notices.say("removed", null);
      if (version === before && !this.#isBroken) return;
      this.#isReloaded = version === before;
      this.#keepPlace();
      if (version !== before) {
        if (duration_s && this.#at_s >= duration_s) this.#at_s = 0;
        this.#attempts = { ...noAttempts(), isReplaced: true };
        this.#notices.say("replaced", { text: "The file was replaced. This is the new one." });
        this.#notices.endAfter("replaced", NOTICE_MS);
      }
      await this.#readTitle();
      if (this.#attempts.isReplaced && this.source) await forgetCached(this.source.url, this.#signal);
      await this.#advance();
    } catch (error) {
      if (this.#signal.aborted) return;
      if (error.type === STORAGE_UNAVAILABLE && !this.#isBroken) return; // what plays goes on
      if (error.status === 404) this.#notices.say("removed", { text: "This title was moved or deleted." });
      else this.#fail(error);
    }
  }

  // ---- Failures --------------------------------------------------------------

  /** Says why a title does not play. To try again helps only against what may pass. */
  #refuse(text, mayPass = false) {
    this.#closeSource();
    this.source = null;
    for (const kind of /** @type {const} */ (["preparing", "resume", "replaced"])) this.#notices.say(kind, null);
    const run = () => this.#shared.tryAgain(this.#at_s);
    this.#notices.say("failure", { text, action: mayPass ? { label: "Try again", run } : undefined });
  }

  #fail(error) {
    if (error.name === "AbortError") return; // newer steps are on their way
    if (error instanceof RequestError && error.status === 0) return this.#reconnect();
    if (error instanceof RequestError && error.type === STORAGE_UNAVAILABLE) {
      return this.#waitForStorage(error.message.replace(/, retry later$/, ""));
    }
    const isGone = error instanceof RequestError && error.status === 404;
    this.#refuse(isGone ? "This title is not in the library. It may have been moved or deleted." : sentence(error.message), true);
  }
}
