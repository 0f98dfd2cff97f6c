// HLS by hls.js: renditions and audio of a title, and which of them plays.

import { reload } from "./reload.js";

const BACK_BUFFER_S = 90;

/** @typedef {{ id: number, label: string, height: number }} Level */
/** @typedef {{ id: number, label: string, language: string | null }} Audio */

export class HlsSource {
  #hls = null;
  #isClosed = false;
  #hasRecovered = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {{ onChange: () => void, onFailure: (status: number, isNetwork: boolean) => void }} calls `onChange` when
   *   levels or audios change; `onFailure` when playback cannot go on, with the HTTP status or 0
   */
  constructor(video, { onChange, onFailure }) {
    this.video = video;
    this.onChange = onChange;
    this.onFailure = onFailure;
  }

  /**
   * @param {string} playlist
   * @param {string | null} language of the audio to begin with
   */
  async open(playlist, language) {
    const { default: Hls, Events, ErrorTypes } = await import("../hls.min.mjs");
    if (this.#isClosed) return;
    const hls = this.#hls = new Hls({
      enableWorker: false, // the segments are MP4, so there is nothing to transmux
      startPosition: this.video.currentTime || -1, backBufferLength: BACK_BUFFER_S,
      // Texts are <track> elements, for every way to play.
      enableWebVTT: false, enableIMSC1: false, subtitleTrackController: undefined, subtitleStreamController: undefined,
      ...(language ? { audioPreference: { lang: language } } : {}),
    });
    for (const event of [Events.MANIFEST_PARSED, Events.LEVEL_SWITCHED, Events.AUDIO_TRACKS_UPDATED, Events.AUDIO_TRACK_SWITCHED]) {
      hls.on(event, () => this.onChange());
    }
    hls.on(Events.ERROR, (_, error) => {
      if (!error.fatal) return;
      if (error.type === ErrorTypes.MEDIA_ERROR && this.recover()) return;
      const status = error.response?.code ?? 0;
      this.onFailure(status, error.type === ErrorTypes.NETWORK_ERROR && status === 0);
    });
    hls.loadSource(playlist);
    reload(this.video, () => hls.attachMedia(this.video));
  }

  /** Decodes again from the current place, once; returns whether it does. */
  recover() {
    if (!this.#hls || this.#hasRecovered) return false;
    this.#hasRecovered = true;
    reload(this.video, () => this.#hls.recoverMediaError());
    return true;
  }

  close() {
    this.#isClosed = true;
    this.#hls?.destroy();
    this.#hls = null;
  }

  // ---- Quality -------------------------------------------------------------

  /** @returns {Level[]} the highest first */
  get levels() {
    const levels = this.#hls?.levels ?? [];
    const label = ({ height, bitrate }) => {
      const isOnly = levels.filter((other) => other.height === height).length === 1;
      return isOnly ? `${height}p` : `${height}p, ${(bitrate / 1e6).toFixed(1)} Mbit/s`;
    };
    return levels.map((level, id) => ({ id, label: label(level), height: level.height, bitrate: level.bitrate }))
      .sort((one, other) => other.height - one.height || other.bitrate - one.bitrate);
  }

  /** The chosen level, -1 for the automatic choice. */
  get level() {
    return this.#hls?.autoLevelEnabled === false ? this.#hls.nextLevel : -1;
  }

  /** From the next segment on, so that playback does not stop. */
  set level(id) {
    if (this.#hls) this.#hls.nextLevel = id;
  }

  /** What plays at this moment, with codecs and bit rate; null before the first frame. */
  get playing() {
    const level = this.#hls?.levels[this.#hls.currentLevel];
    return level ? { height: level.height, bitrate: level.bitrate, codecs: level.codecs } : null;
  }

  get bandwidth_bits_s() {
    return this.#hls?.bandwidthEstimate ?? 0;
  }

  // ---- Audio ---------------------------------------------------------------

  /** @returns {Audio[]} */
  get audios() {
    return (this.#hls?.audioTracks ?? []).map(({ name, lang }, id) => ({ id, label: name, language: lang ?? null }));
  }

  get audio() {
    return this.#hls?.audioTrack ?? -1;
  }

  set audio(id) {
    if (this.#hls) this.#hls.audioTrack = id;
  }

  // ---- Connection ----------------------------------------------------------

  /** Requests segments again after an outage. */
  resume() {
    this.#hls?.startLoad(this.video.currentTime);
  }
}
