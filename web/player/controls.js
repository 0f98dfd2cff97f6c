// The controls of the player: one bar over the video, and all that belongs to it. Everything is within the
// stage, so that full screen has it too.

import { decoded, element, isAudioPath, nameOf } from "../words.js";
import { togglePlay } from "./actions.js";
import { bindings, seekBy } from "./bindings.js";
import { CaptionsLift } from "./captions.js";
import { Flash } from "./flash.js";
import { listenToGestures } from "./gestures.js";
import { icon, iconButton, setIcon } from "./icons.js";
import { listenToKeys } from "./keys.js";
import { keysDialog } from "./keys_dialog.js";
import { SystemControls } from "./media_session.js";
import { Menu } from "./menus.js";
import { Notice } from "./notice.js";
import { Rest } from "./rest.js";
import * as screens from "./screen.js";
import { SeekBar } from "./seekbar.js";
import { captionsPage, settingsPage } from "./settings.js";
import { Stats } from "./stats.js";
import { Volume } from "./volume.js";

/**
 * What the parts of the controls share. The signal ends with the controls, and removes all listeners.
 * @typedef {object} Surface
 * @property {HTMLElement} stage
 * @property {HTMLVideoElement} video
 * @property {import("./playback.js").Playback} playback
 * @property {AbortSignal} signal
 */

const NARROW = "(max-width: 40rem)"; // as in player.css
const STATES = ["play", "playing", "pause", "ended", "waiting", "seeking", "seeked", "canplay", "error", "emptied", "loadeddata"];
const CLASSES = ["audio", "theatre", "resting", "waiting", "startable", "empty", "full"];

/**
 * Events: "next" (the person wants the next title) and "theatre" (the stage became wide, or no longer).
 */
export class Controls extends EventTarget {
  #abort = new AbortController();
  #stage;
  #video;
  #playback;
  #keys;
  #hasBegun = false; // whether the current title has played

  #seekbar;
  #notice = new Notice();
  #stats;
  #flash;
  #system;
  #lift;
  #rest;
  #keysDialog;
  #captionsMenu;
  #settingsMenu;

  #bar = element("div", "bar");
  #name = element("bdi", "player-name");
  #artwork = element("div", "artwork", icon("note"));
  #big;
  #playButton;
  #nextButton;
  #captionsButton;
  #castButton;
  #pipButton;
  #theatreButton;
  #fullButton;
  /** @type {HTMLElement[]} */
  #added;

  /**
   * Builds the controls in a stage: a box with a video.
   * @param {HTMLElement} stage
   * @param {import("./playback.js").Playback} playback
   * @param {{ keys?: "page" | "stage" }} [options]  `keys` is where keys work.
   */
  constructor(stage, playback, { keys = "stage" } = {}) {
    super();
    const video = stage.querySelector("video");
    this.#stage = stage;
    this.#video = video;
    this.#playback = playback;
    this.#keys = keys;
    const { signal } = this.#abort;
    /** @type {Surface} */
    const surface = { stage, video, playback, signal };
    const keyBindings = bindings(surface, {
      say: (text) => this.#flash.say(text),
      toggleFull: () => this.#toggleFull(),
      toggleTheatre: () => this.#toggleTheatre(),
      hasVideo: () => !this.#pipButton.hidden,
      next: () => this.#next(),
      showKeys: () => this.#keysDialog.showModal(),
      escape: () => this.#escape(),
    });

    this.#seekbar = new SeekBar(surface);
    this.#stats = new Stats(surface);
    this.#flash = new Flash(signal);
    this.#system = new SystemControls(surface, () => this.#next());
    this.#lift = new CaptionsLift(surface);
    this.#keysDialog = keysDialog(keyBindings);

    const play = () => togglePlay(video);
    this.#big = iconButton("play", "Play", play);
    this.#big.classList.add("big");
    this.#playButton = iconButton("play", "Play", play, "k");
    this.#nextButton = iconButton("next", "Next", () => this.#next(), "n");
    this.#captionsButton = iconButton("captions", "Captions", () => {}, "c");
    const settingsButton = iconButton("settings", "Settings", () => {});
    this.#castButton = iconButton("cast", "Play on a device", () => screens.chooseDevice(video));
    this.#pipButton = iconButton("pip", "Picture in picture", () => screens.togglePictureInPicture(video), "i");
    this.#theatreButton = iconButton("theatre", "Theatre", () => this.#toggleTheatre(), "t");
    this.#fullButton = iconButton("full", "Full screen", () => this.#toggleFull(), "f");
    this.#nextButton.hidden = true;
    this.#castButton.hidden = true;
    this.#captionsMenu = new Menu(surface, this.#captionsButton, () => captionsPage(playback));
    this.#settingsMenu = new Menu(surface, settingsButton, () => settingsPage(video, playback, this.#tools()));

    this.#bar.append(this.#seekbar.element, element("div", "row",
      this.#playButton, this.#nextButton, new Volume(surface).element, this.#seekbar.times,
      this.#captionsButton, this.#captionsMenu.element, settingsButton, this.#settingsMenu.element,
      this.#castButton, this.#pipButton, this.#theatreButton, this.#fullButton));
    this.#bar.setAttribute("role", "group");
    this.#bar.setAttribute("aria-label", "Player");
    this.#artwork.setAttribute("aria-hidden", "true");
    this.#added = [
      this.#artwork, element("div", "shade"), element("div", "spinner"), this.#big, this.#flash.element, this.#name,
      this.#notice.element, this.#stats.element, this.#bar, this.#keysDialog,
    ];
    stage.append(...this.#added);
    video.controls = false;
    this.#rest = new Rest(surface, this.#bar, () => this.#isMenuOpen, () => this.#liftCaptions());
    this.#listen(surface, keyBindings);
    this.#update();
  }

  /** Whether there is a next title: shows a button. */
  set hasNext(/** @type {boolean} */ hasNext) {
    this.#nextButton.hidden = !hasNext;
  }

  /** Whether the stage is wide. */
  get isTheatre() {
    return this.#stage.classList.contains("theatre");
  }

  /** Removes the controls, and gives the video its own. */
  destroy() {
    this.#abort.abort();
    this.#lift.lift(0);
    this.#stage.style.removeProperty("--lift");
    for (const node of this.#added) node.remove();
    this.#stage.classList.remove(...CLASSES);
    this.#video.controls = true;
  }

  get #isMenuOpen() {
    return this.#captionsMenu.isOpen || this.#settingsMenu.isOpen;
  }

  /** What the settings menu offers besides choices. */
  #tools() {
    const tools = [
      { label: "Stats", detail: this.#stats.isOpen ? "Shown" : "", choose: () => this.#stats.toggle() },
      { label: "Keys", detail: "?", choose: () => this.#keysDialog.showModal() },
    ];
    if (this.#pipButton.hidden || !matchMedia(NARROW).matches) return tools;
    return [{ label: "Picture in picture", choose: () => screens.togglePictureInPicture(this.#video) }, ...tools];
  }

  // ---- Listening -----------------------------------------------------------

  /**
   * @param {Surface} surface
   * @param {import("./keys.js").Binding[]} keyBindings
   */
  #listen(surface, keyBindings) {
    const { stage, video, playback, signal } = surface;
    playback.addEventListener("change", () => this.#update(), { signal });
    for (const event of STATES) video.addEventListener(event, () => this.#updateState(event), { signal });
    for (const event of ["ratechange", "resize"]) video.addEventListener(event, () => this.#settingsMenu.update(), { signal });
    for (const event of ["fullscreenchange", "webkitfullscreenchange"]) {
      document.addEventListener(event, () => this.#updateFull(), { signal });
    }
    const resizes = new ResizeObserver(() => this.#liftCaptions());
    resizes.observe(stage);
    signal.addEventListener("abort", () => resizes.disconnect());
    listenToGestures(surface, {
      click: () => togglePlay(video),
      doubleClick: () => this.#toggleFull(),
      tap: () => this.#rest.toggle(),
      sideTap: (seconds) => seekBy(surface, (text) => this.#flash.say(text), seconds),
    });
    screens.watchDevices(video, (isAvailable) => { this.#castButton.hidden = !isAvailable; }, signal);
    if (this.#keys === "stage") {
      stage.tabIndex = -1; // so that keys work after a click on the video
      video.addEventListener("pointerdown", () => stage.focus({ preventScroll: true }), { signal });
    }
    listenToKeys(this.#keys === "page" ? document : stage, keyBindings, (run) => {
      if (!playback.path) return false;
      run();
      this.#rest.wake();
      return true;
    }, signal);
  }

  // ---- State ---------------------------------------------------------------

  /** Shows what the playback says. */
  #update() {
    const { title, path, texts, notice } = this.#playback;
    const isAudio = this.#isAudio;
    this.#stage.classList.toggle("audio", isAudio);
    // The stage has its shape before the first byte of video.
    const track = title?.width ? title : title?.tracks?.find(({ kind }) => kind === "video");
    if (track?.width && track.height) {
      this.#video.width = track.width;
      this.#video.height = track.height;
    }
    const name = nameOf(title ?? { path: decoded(path ?? "") });
    this.#name.textContent = name;
    this.#artwork.style.setProperty("background-image", isAudio && title?.poster ? `url(${JSON.stringify(title.poster)})` : "none");
    this.#artwork.classList.toggle("filled", Boolean(isAudio && title?.poster));
    this.#system.update(name);
    this.#seekbar.update();
    this.#notice.show(notice);
    this.#captionsButton.hidden = !texts.length;
    this.#captionsButton.classList.toggle("on", this.#playback.text !== null);
    this.#pipButton.hidden = isAudio || !screens.canBeSmall(this.#video);
    this.#theatreButton.hidden = isAudio || this.#keys === "stage"; // a frame has its size from the page around it
    this.#fullButton.hidden = isAudio || !screens.canBeFull(this.#video);
    if (!texts.length) this.#captionsMenu.close();
    this.#captionsMenu.update();
    this.#settingsMenu.update();
    this.#updateState("change");
  }

  get #isAudio() {
    const { title, path } = this.#playback;
    if (title?.kind) return title.kind === "audio";
    if (title?.tracks.length) return !title.tracks.some(({ kind }) => kind === "video");
    return isAudioPath(decoded(path ?? ""));
  }

  /**
   * Shows whether the video plays, waits or has ended.
   * @param {string} event
   */
  #updateState(event) {
    const { paused, ended, readyState, seeking, error } = this.#video;
    if (event === "playing") this.#hasBegun = true;
    if (event === "emptied") this.#hasBegun = false;
    const isWaiting = !this.#playback.notice && !error && Boolean(this.#playback.path) &&
      (readyState < HTMLMediaElement.HAVE_FUTURE_DATA || seeking) && !paused && !ended;
    const [name, label] = ended ? ["replay", "Play again"] : paused ? ["play", "Play"] : ["pause", "Pause"];
    setIcon(this.#playButton, name, label);
    setIcon(this.#big, name, label);
    const isEmpty = readyState < HTMLMediaElement.HAVE_CURRENT_DATA;
    const isAtRest = paused && (!this.#hasBegun || ended);
    this.#stage.classList.toggle("waiting", isWaiting);
    this.#stage.classList.toggle("empty", isEmpty);
    this.#stage.classList.toggle("startable", isAtRest && this.#playback.title !== null && !(isEmpty && this.#playback.notice));
  }

  #updateFull() {
    const isFull = screens.isFull(this.#stage);
    this.#stage.classList.toggle("full", isFull);
    setIcon(this.#fullButton, isFull ? "window" : "full", isFull ? "Leave full screen" : "Full screen");
  }

  #liftCaptions() {
    this.#lift.lift(this.#rest?.isResting || this.#stage.classList.contains("audio") ? 0 : this.#bar.offsetHeight);
  }

  // ---- What keys and buttons do --------------------------------------------

  #toggleFull() {
    if (!this.#fullButton.hidden) screens.toggleFull(this.#stage, this.#video);
  }

  #toggleTheatre() {
    if (this.#theatreButton.hidden) return;
    const isTheatre = this.#stage.classList.toggle("theatre");
    setIcon(this.#theatreButton, isTheatre ? "column" : "theatre", isTheatre ? "Leave theatre" : "Theatre");
    this.dispatchEvent(new Event("theatre"));
  }

  #next() {
    this.dispatchEvent(new Event("next"));
  }

  /** Closes what is open. Dialogs close themselves, and the browser ends full screen. */
  #escape() {
    if (this.#isMenuOpen) {
      this.#captionsMenu.close();
      this.#settingsMenu.close();
    } else if (this.#stats.isOpen) {
      this.#stats.toggle();
    } else if (this.isTheatre) {
      this.#toggleTheatre();
    }
  }
}
