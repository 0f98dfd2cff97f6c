// A page with one video, which it gives to one of the players. The tests drive it by `stage`, and read
// what is wrong from the console.

const video = document.querySelector("video");
const complain = (who, what) => console.error(`${who}: ${what}`);
const happens = (event) => new Promise((resolve) => video.addEventListener(event, resolve, { once: true }));

video.addEventListener("error", () => complain("video", `${video.error.code} ${video.error.message}`));

// ---- What is watched -------------------------------------------------------

// A player that seeks by itself jumps over a gap, or tries to get out of a stall. Until it has begun to
// play it may: some look for the start in this way. To the end it may, too: dash.js 5.2 does so, and
// pauses, when it finds the time to be over before the browser says that the video has ended.
let seeksAllowed = Infinity;
video.addEventListener("seeking", () => {
  if (video.currentTime === video.duration) return;
  if (seeksAllowed === 0) complain("video", `the player went to ${video.currentTime} s by itself`);
  else seeksAllowed -= 1;
});

const sourceBuffers = [];
const addSourceBuffer = MediaSource.prototype.addSourceBuffer;
MediaSource.prototype.addSourceBuffer = function (type) {
  const buffer = addSourceBuffer.call(this, type);
  sourceBuffers.push({ type, buffer });
  buffer.addEventListener("error", () => complain("SourceBuffer", `refuses a piece of ${type}`));
  return buffer;
};

// ---- What is on the screen --------------------------------------------------

const canvas = Object.assign(document.createElement("canvas"), { width: 10, height: 1 });
const context = canvas.getContext("2d", { willReadFrequently: true });

/** The number that the picture carries; clips.mjs says how. */
function numberOnScreen() {
  const squares = video.videoWidth / 10;
  context.drawImage(video, 0, 0, video.videoWidth, squares, 0, 0, 10, 1);
  const { data } = context.getImageData(0, 0, 10, 1);
  return Array.from({ length: 10 }, (_, bit) => (data[4 * bit] > 127 ? 2 ** bit : 0)).reduce((a, b) => a + b);
}

/** The pictures shown since the last seek: their numbers, and the times they were shown for. */
let shown = [];
video.addEventListener("seeked", () => { shown = []; });

function readPictures() {
  video.requestVideoFrameCallback((_, { mediaTime }) => {
    shown.push({ number: numberOnScreen(), time: mediaTime });
    readPictures();
  });
}

// ---- The players -----------------------------------------------------------

// Seconds that a player loads ahead. Little, so that there is something left to load after a seek.
const AHEAD = 4;

/** How each player is told to play a URL on the video. */
const PLAYERS = {
  async "native"(url, { crossOrigin = null }) {
    video.crossOrigin = crossOrigin;
    video.src = url;
  },

  async "hls.js"(url, options) {
    const hls = new Hls({ maxBufferLength: AHEAD, maxMaxBufferLength: AHEAD, ...options });
    hls.on(Hls.Events.ERROR, (_, { details, fatal, error, response }) =>
      complain("hls.js", `${details}, ${fatal ? "" : "not "}fatal, ${response?.code ?? ""} ${error?.message ?? ""}`));
    hls.loadSource(url);
    hls.attachMedia(video);
  },

  async "shaka-player"(url) {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    player.configure({ streaming: { bufferingGoal: AHEAD } });
    player.addEventListener("error", ({ detail }) => complain("shaka-player", `${detail.code} ${detail.message}`));
    player.addEventListener("gapjumped", () => complain("shaka-player", "jumped a gap"));
    player.addEventListener("stalldetected", () => complain("shaka-player", "stalled"));
    await player.attach(video);
    await player.load(url);
  },

  async "dash.js"(url) {
    const player = dashjs.MediaPlayer().create();
    player.updateSettings({
      streaming: { buffer: { bufferTimeDefault: AHEAD, bufferTimeAtTopQuality: AHEAD } },
    });
    const { ERROR, PLAYBACK_ERROR } = dashjs.MediaPlayer.events;
    player.on(ERROR, ({ error }) => complain("dash.js", `${error.code} ${error.message}`));
    player.on(PLAYBACK_ERROR, ({ error }) => complain("dash.js", String(error)));
    player.initialize(video, url, false);
  },
};

// ---- What the tests do with it ---------------------------------------------

globalThis.stage = {
  /** `mayRead`: not what comes from elsewhere without CORS. */
  async play(player, url, options, mayRead, caption) {
    document.querySelector("p").textContent = caption;
    if (mayRead) readPictures();
    await PLAYERS[player](url, options);
    await video.play();
  },

  /** From here on the player has begun, and stays where it is put. */
  hasBegun() {
    seeksAllowed = 0;
  },

  /** Goes there while playing, and plays on if the end had been reached. */
  async seek(time) {
    seeksAllowed += 1;
    const sought = happens("seeked");
    video.currentTime = time;
    await sought;
    if (video.paused) await video.play();
  },

  /** How many bytes of the video's tracks have been decoded. */
  decoded: () => ({ video: video.webkitVideoDecodedByteCount, audio: video.webkitAudioDecodedByteCount }),

  /** The buffered ranges in seconds: the video's, and each SourceBuffer's. */
  buffered() {
    const ranges = ({ buffered }) =>
      Array.from({ length: buffered.length }, (_, index) => [buffered.start(index), buffered.end(index)]);
    return {
      video: ranges(video),
      sourceBuffers: sourceBuffers.map(({ type, buffer }) => ({ type, ranges: ranges(buffer) })),
    };
  },

  /** Where the video is, for the report of a test that fails. */
  describe() {
    const { currentTime, duration, paused, ended, seeking, readyState } = video;
    return JSON.stringify({ currentTime, duration, paused, ended, seeking, readyState, ...stage.buffered() });
  },

  /**
   * The number that a picture carries minus the one that belongs to its time: the median since the last
   * seek, for a page that is late reads a later picture now and then. Null if there was no picture.
   */
  numbersAhead: (framesPerSecond) => {
    const found = shown.map(({ number, time }) => number - Math.round(time * framesPerSecond));
    return found.sort((a, b) => a - b)[found.length >> 1] ?? null;
  },
};
