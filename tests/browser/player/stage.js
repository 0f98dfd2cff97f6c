// A page with one video and one of the players. The tests drive it by `stage`, and read errors from the
// console.

const video = document.querySelector("video");
const report = (source, error) => console.error(`${source}: ${error}`);
const happens = (event) => new Promise((resolve) => video.addEventListener(event, resolve, { once: true }));

video.addEventListener("error", () => report("video", `${video.error.code} ${video.error.message}`));

// ---- Monitoring -------------------------------------------------------

// A player that seeks without a request jumps a gap or tries to leave a stall. It may do so before playback
// begins: some players find the start this way. It may also seek to the end: dash.js 5.2 does so, and
// pauses, when the time is over before the browser reports the end of the video.
let seeksAllowed = Infinity;
video.addEventListener("seeking", () => {
  if (video.currentTime === video.duration) return;
  if (seeksAllowed === 0) report("video", `the player seeked to ${video.currentTime} s without a request`);
  else seeksAllowed -= 1;
});

const sourceBuffers = [];
const addSourceBuffer = MediaSource.prototype.addSourceBuffer;
MediaSource.prototype.addSourceBuffer = function (type) {
  const buffer = addSourceBuffer.call(this, type);
  sourceBuffers.push({ type, buffer });
  buffer.addEventListener("error", () => report("SourceBuffer", `refuses data of ${type}`));
  return buffer;
};

// ---- Frames on the screen --------------------------------------------------

const canvas = Object.assign(document.createElement("canvas"), { width: 10, height: 1 });
const context = canvas.getContext("2d", { willReadFrequently: true });

/** The number of the frame on the screen; clips.mjs explains the format. */
function numberOnScreen() {
  const squares = video.videoWidth / 10;
  context.drawImage(video, 0, 0, video.videoWidth, squares, 0, 0, 10, 1);
  const { data } = context.getImageData(0, 0, 10, 1);
  return Array.from({ length: 10 }, (_, bit) => (data[4 * bit] > 127 ? 2 ** bit : 0)).reduce((a, b) => a + b);
}

/** The frames shown since the last seek: number and time. */
let shown = [];
video.addEventListener("seeked", () => { shown = []; });

function readFrames() {
  video.requestVideoFrameCallback((_, { mediaTime }) => {
    shown.push({ number: numberOnScreen(), time: mediaTime });
    readFrames();
  });
}

// ---- The players -----------------------------------------------------------

// The buffer goal: short, so that a seek has something left to load.
const BUFFER_S = 4;

/** Plays a URL on the video, by each player. */
const PLAYERS = {
  async "native"(url, { crossOrigin = null }) {
    video.crossOrigin = crossOrigin;
    video.src = url;
  },

  async "hls.js"(url, options) {
    const hls = new Hls({ maxBufferLength: BUFFER_S, maxMaxBufferLength: BUFFER_S, ...options });
    hls.on(Hls.Events.ERROR, (_, { details, fatal, error, response }) =>
      report("hls.js", `${details}, ${fatal ? "" : "not "}fatal, ${response?.code ?? ""} ${error?.message ?? ""}`));
    hls.loadSource(url);
    hls.attachMedia(video);
  },

  async "shaka-player"(url) {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    player.configure({ streaming: { bufferingGoal: BUFFER_S } });
    player.addEventListener("error", ({ detail }) => report("shaka-player", `${detail.code} ${detail.message}`));
    player.addEventListener("gapjumped", () => report("shaka-player", "jumped a gap"));
    player.addEventListener("stalldetected", () => report("shaka-player", "stalled"));
    await player.attach(video);
    await player.load(url);
  },

  async "dash.js"(url) {
    const player = dashjs.MediaPlayer().create();
    player.updateSettings({
      streaming: { buffer: { bufferTimeDefault: BUFFER_S, bufferTimeAtTopQuality: BUFFER_S } },
    });
    const { ERROR, PLAYBACK_ERROR } = dashjs.MediaPlayer.events;
    player.on(ERROR, ({ error }) => report("dash.js", `${error.code} ${error.message}`));
    player.on(PLAYBACK_ERROR, ({ error }) => report("dash.js", String(error)));
    player.initialize(video, url, false);
  },
};

// ---- The interface of the tests ---------------------------------------------

globalThis.stage = {
  /** `mayRead`: false for a cross-origin video without CORS, whose pixels a page must not read. */
  async play(player, url, options, mayRead, caption) {
    document.querySelector("p").textContent = caption;
    if (mayRead) readFrames();
    await PLAYERS[player](url, options);
    await video.play();
  },

  /** Playback has begun: from here on the player must not seek on its own. */
  hasBegun() {
    seeksAllowed = 0;
  },

  /** Seeks during playback; resumes if the end had been reached. */
  async seek(time) {
    seeksAllowed += 1;
    const seeked = happens("seeked");
    video.currentTime = time;
    await seeked;
    if (video.paused) await video.play();
  },

  /**
   * Pauses, seeks to the middle of the current frame, and returns the number of the frame on the screen and
   * the time. For browsers whose canvas may draw an earlier frame than requestVideoFrameCallback announces.
   */
  async still(framesPerSecond) {
    const paused = happens("pause");
    video.pause();
    await paused;
    const time = (Math.floor(video.currentTime * framesPerSecond) + 0.5) / framesPerSecond;
    seeksAllowed += 1;
    const seeked = happens("seeked");
    video.currentTime = time;
    await seeked;
    await new Promise((resolve) => setTimeout(resolve, 50)); // the compositor shows the frame
    const still = { number: numberOnScreen(), time };
    await video.play();
    return still;
  },

  /** The decoded bytes of video and audio. */
  decoded: () => ({ video: video.webkitVideoDecodedByteCount, audio: video.webkitAudioDecodedByteCount }),

  /** The buffered ranges in seconds, of the video and of each SourceBuffer. */
  buffered() {
    const ranges = ({ buffered }) =>
      Array.from({ length: buffered.length }, (_, index) => [buffered.start(index), buffered.end(index)]);
    return {
      video: ranges(video),
      sourceBuffers: sourceBuffers.map(({ type, buffer }) => ({ type, ranges: ranges(buffer) })),
    };
  },

  /** The state of the video, for the report of a failed test. */
  describe() {
    const { currentTime, duration, paused, ended, seeking, readyState } = video;
    return JSON.stringify({ currentTime, duration, paused, ended, seeking, readyState, ...stage.buffered() });
  },

  /**
   * The number of a frame minus the number for its time: the median since the last seek, because a slow page
   * sometimes reads a later frame. Null without a frame.
   */
  numbersAhead: (framesPerSecond) => {
    const found = shown.map(({ number, time }) => number - Math.round(time * framesPerSecond));
    return found.sort((a, b) => a - b)[found.length >> 1] ?? null;
  },
};
