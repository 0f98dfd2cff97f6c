// A session: one title in the video, from the first request to the last. It takes one step after the other until the
// title plays, or cannot, and goes on when the server is back or the file is replaced.

import { forgetPosition, positionOf, preference } from "../memory.js";
import { RequestError, whenRendered } from "../server.js";
import { Storyboard } from "../storyboard.js";
import { clock } from "../words.js";
import { play } from "./actions.js";
import { checkMedia, forgetCached, outageText } from "./connection.js";
import { watchDecoding } from "./decoded.js";
import { HlsSource } from "./hls.js";
import { applyPreferences } from "./preferences.js";
import { prepareRemux, prepareTranscode } from "./preparing.js";
import { keepPlaying, reload } from "./reload.js";
import { chooseStep, nameOfCodec, noAttempts, sentence } from "./source.js";
import { Steps } from "./steps.js";
import { leadingTracks, readTitle } from "./title.js";

/** How long a notice about something that is over stays. */
export const NOTICE_MS = 10_000;

/** A failure this close to the last one is the same: nothing has played between them. */
const SAME_PLACE_S = 5;

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

  #shared;
  #start_s; // where to begin; null for where the viewer stopped
  #controller = new AbortController();
  #steps = new Steps(this.#controller.signal, {
    onOutage: () => this.#sayOutage(),
    onFailure: (error) => this.#fail(error),
  });
  #attempts = noAttempts();
  /** @type {AbortController | null} aborts what belongs to the current source */
  #attempt = null;
  #isBroken = false; // whether the current source has failed
  #isReloaded = false; // whether segments of the current version have failed once
  /** @type {string | null} the way to play that has loaded the current version */
  #loadedBy = null;
  #playsLater = false; // whether to play once a failure is over
  #lostAt_s = -Infinity; // where the server did not send the media, the last time

  /**
   * @param {string} path percent-encoded
   * @param {number | null} at_s
   * @param {Shared} shared
   */
  constructor(path, at_s, shared) {
    this.path = path;
    this.#start_s = at_s;
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

  /** @param {boolean} plays whether to play as soon as possible */
  begin(plays) {
    if (plays) play(this.#video);
    this.#load();
  }

  #load() {
    this.#steps.take(async (signal) => {
      const isFirst = !this.title;
      await this.#readTitle(signal);
      if (isFirst) this.#chooseStart(); // later the viewer may have sought
      await this.#advance(signal);
    });
  }

  /** Closes all connections of the title. */
  close() {
    this.#controller.abort();
    this.#video.pause();
    this.#closeSource();
    this.#video.currentTime = 0;
    this.storyboard?.close();
  }

  /** @param {AbortSignal} signal */
  async #readTitle(signal) {
    const title = await readTitle(this.path, signal);
    signal.throwIfAborted();
    this.title = title;
    this.#shared.onChange();
    this.#showImages();
  }

  /** Begins where the address says, or where the viewer stopped. */
  #chooseStart() {
    const { path } = this.title;
    const position = this.#start_s === null ? positionOf(path) : undefined;
    this.#video.currentTime = this.#start_s ?? position?.at_s ?? 0;
    if (!position) return;
    const fromTheStart = () => {
      forgetPosition(path);
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
    const show = () => { if (!this.#loadedBy) this.#video.poster = poster; };
    if (poster) whenRendered(poster, title.path, signal).then(show).catch(() => {}); // the first frame serves, too
    if (!title.storyboard) return;
    Storyboard.load(title.storyboard, title.path, signal).then((storyboard) => {
      if (signal.aborted) return storyboard.close();
      this.storyboard?.close();
      this.storyboard = storyboard;
      this.#shared.onChange();
    }).catch(() => {}); // the seek bar shows times only
  }

  /** Takes one step after the other until the title plays, or cannot. @param {AbortSignal} signal */
  async #advance(signal) {
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
      await this.#readTitle(signal);
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
    try {
      await prepareTranscode(this.title, track, AbortSignal.any([signal, skip.signal]), ({ progress: { percent } }) => say(percent));
      attempts.made.add(track.kind);
    } catch (error) {
      if (signal.aborted || outageText(error)) throw error;
      if (!skip.signal.aborted) throw new Error(`${lack}, and the server cannot convert it: ${error.message}`);
      attempts.isSilent = true;
    }
  }

  // ---- The source ----------------------------------------------------------

  /** @param {{ by: string, url: string }} source */
  #play(source) {
    if (this.#playsLater) play(this.#video);
    this.#playsLater = false;
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
      this.#steps.take((signal) => this.#advance(signal));
    });
    video.addEventListener("loadeddata", () => {
      this.#loadedBy = source.by;
      video.removeAttribute("poster"); // the next source begins in the middle
    }, { signal: attempt.signal });
    video.addEventListener("canplay", () => this.#notices.say("connection", null), { signal: attempt.signal });
    if (source.by === "hls") {
      const hls = this.hls = new HlsSource(video, {
        onChange: () => this.#shared.onChange(),
        onFailure: (status, isNetwork) => this.hls === hls && this.#recoverHls(status, isNetwork),
      });
      hls.open(source.url, preference("audio-language") ?? null).catch(() => {
        if (this.hls === hls) this.#recover("lost"); // hls.js itself was not sent
      });
    } else {
      // Of a replaced file the fragment makes another address, which the browser has no media of.
      reload(video, () => { video.src = this.#attempts.isReplaced ? `${source.url}#${title.version}` : source.url; });
    }
    applyPreferences(video);
    this.#shared.texts.show(title.texts, tracks.audio?.language ?? null);
    this.#shared.onChange();
  }

  #closeSource() {
    const video = this.#video;
    this.#attempt?.abort();
    reload(video, () => {
      this.hls?.close();
      video.removeAttribute("src");
      video.load(); // closes the connection
    });
    this.hls = null;
    this.source = null;
  }

  // ---- Outages -------------------------------------------------------------

  get #isStalled() {
    return Boolean(this.#video.error) || this.#video.readyState <= HTMLMediaElement.HAVE_CURRENT_DATA;
  }

  /** Says what playback waits for, unless it goes on from the buffer. */
  #sayOutage() {
    const { outage } = this.#steps;
    if (!outage) this.#notices.say("connection", null);
    else if (this.#isStalled) this.#notices.say("connection", { text: outage });
  }

  /** After a fatal error of hls.js. */
  #recoverHls(status, isNetwork) {
    if (status === 404 && !this.#isReloaded) {
      this.#isReloaded = true;
      this.#recover("outdated");
    } else {
      // An error of the media has no status either.
      const isOutage = isNetwork || (status > 0 && outageText(new RequestError(status, "an outage")) !== null);
      this.#recover(isOutage ? "lost" : "unplayable");
    }
  }

  /** After an error of the video. */
  recoverVideo() {
    keepPlaying(this.#video);
    const { code } = this.#video.error;
    // What has loaded once is supported: this time the server did not send it.
    const isSupported = code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && this.#loadedBy === this.source.by;
    this.#recover(code === MediaError.MEDIA_ERR_NETWORK || isSupported ? "lost" : "unplayable");
  }

  /**
   * Goes on from the same place as soon as the server sends it, or in another way.
   *
   * @param {"lost" | "outdated" | "unplayable"} cause
   */
  #recover(cause) {
    const { by } = this.source;
    const { currentTime } = this.#video;
    const isAgain = Math.abs(currentTime - this.#lostAt_s) < SAME_PLACE_S;
    this.#isBroken = true;
    this.#lostAt_s = currentTime;
    this.#steps.take(async (signal, attempt) => {
      const isFirst = attempt === 1;
      if (isFirst && isAgain && cause === "lost") throw new RequestError(503, "the connection was lost");
      await this.#checkMedia(signal);
      if (isFirst && cause === "unplayable" && !this.hls?.recover()) this.#attempts.failed.add(by);
      await this.#goOn(signal, cause !== "outdated");
    }, { isAgain });
  }

  /** A stall may have many reasons, and an outage has a notice. */
  checkConnection() {
    if (this.#steps.isTaking) return this.#sayOutage();
    this.#steps.take(async (signal, attempt) => {
      await this.#checkMedia(signal);
      if (attempt > 1 && this.#isStalled) await this.#goOn(signal, true);
    });
  }

  /** Throws if the server does not send what the viewer waits for. @param {AbortSignal} signal */
  async #checkMedia(signal) {
    const { href, views, size_bytes, duration_s } = this.title;
    const part = duration_s ? Math.min(this.#video.currentTime / duration_s, 1) : 0;
    const offset = Math.max(0, Math.floor(part * size_bytes) - 1);
    await checkMedia(this.source?.by === "file" ? href : `${views}play.mp4`, offset, signal);
  }

  /** Goes on with the title as it is now. @param {AbortSignal} signal @param {boolean} mayResume by the same source */
  async #goOn(signal, mayResume) {
    const { version } = this.title;
    await this.#readTitle(signal);
    if (this.title.version !== version) return this.#replace(signal);
    const hasFailed = this.#attempts.failed.has(this.source?.by);
    if (!mayResume || hasFailed || !this.hls?.levels.length) return this.#advance(signal);
    this.#isBroken = false;
    this.hls.resume();
  }

  // ---- The file changes ------------------------------------------------------

  /** Compares the file with what plays. */
  async checkVersion() {
    if (this.#steps.outage) return this.#steps.wake();
    if (!this.title) {
      if (!this.#steps.isTaking) this.#load(); // it was not in the library
      return;
    }
    const now = await readTitle(this.path, this.#signal).catch((error) => error);
    if (this.#signal.aborted) return;
    if (now.status === 404) return this.#sayRemoved();
    if (now instanceof Error) return; // what plays goes on
    this.#notices.say("removed", null);
    if (now.version !== this.title.version || (this.#isBroken && !this.#steps.isTaking)) {
      this.#steps.take((signal) => this.#goOn(signal, false));
    }
  }

  #sayRemoved() {
    this.#notices.say("removed", { text: "This title was moved or deleted." });
  }

  /** Plays the new file from the same time on. @param {AbortSignal} signal */
  async #replace(signal) {
    const { duration_s } = this.title;
    if (duration_s && this.#video.currentTime >= duration_s) this.#video.currentTime = 0;
    this.#attempts = { ...noAttempts(), isReplaced: true };
    this.#isReloaded = false;
    this.#loadedBy = null;
    this.#notices.say("replaced", { text: "The file was replaced. This is the new one." });
    this.#notices.endAfter("replaced", NOTICE_MS);
    if (this.source) await forgetCached(this.source.url, signal);
    await this.#advance(signal);
  }

  // ---- Failures --------------------------------------------------------------

  /** Says why a title does not play. To try again helps only against what may pass. */
  #refuse(text, mayPass = false) {
    this.#closeSource();
    this.#playsLater ||= !this.#video.paused;
    this.#video.pause();
    for (const kind of /** @type {const} */ (["connection", "preparing", "resume", "replaced"])) this.#notices.say(kind, null);
    const at_s = this.title ? this.#video.currentTime : this.#start_s;
    const run = () => this.#shared.tryAgain(at_s);
    this.#notices.say("failure", { text, action: mayPass ? { label: "Try again", run } : undefined });
  }

  /** @param {Error} error */
  #fail(error) {
    const isGone = error instanceof RequestError && error.status === 404;
    if (isGone && this.title) return this.#sayRemoved();
    this.#refuse(isGone ? "This title is not in the library. It may have been moved or deleted." : sentence(error.message), true);
  }
}
