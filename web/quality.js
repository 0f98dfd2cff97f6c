// Quality: hls.js plays a title with several renditions and switches between them; a menu selects one.

import { request } from "./server.js";
import { byId, element } from "./words.js";

const menu = byId("quality");
let hls = null;

/**
 * Reads a multivariant playlist: the heights of its renditions, and whether it has `more` than the file. AAC
 * audio that the server transcoded has a folder of its own.
 */
export async function readPlaylist(playlist, signal) {
  const text = await (await request(playlist, { signal })).text();
  const sizes = [...text.matchAll(/^#EXT-X-STREAM-INF:.*?RESOLUTION=(\d+x\d+)/gm)].map(([, size]) => size);
  const heights = [...new Set(sizes)].map((size) => Number(size.split("x")[1]));
  return { heights, more: heights.length > 1 || /^#EXT-X-MEDIA:TYPE=AUDIO.*\/aac-\d/m.test(text) };
}

/** Whether hls.js can run. A browser without these plays HLS natively or not at all. */
export const isSupported = () => Boolean(window.ManagedMediaSource ?? window.MediaSource);

/** Plays a multivariant playlist. After a fatal error calls `onFailure` with its HTTP status, or 0. */
export async function play(video, playlist, at, signal, onFailure) {
  const { default: Hls, Events, ErrorTypes } = await import("./hls.min.mjs");
  if (signal.aborted) return;
  // No web worker: the segments are MP4, so hls.js has nothing to transmux.
  hls = new Hls({ enableWorker: false, startPosition: at || -1, backBufferLength: 90 });
  let recovered = false;
  hls.on(Events.MANIFEST_PARSED, () => showMenu(hls.levels));
  hls.on(Events.LEVEL_SWITCHED, (_, { level }) => showAutoLevel(hls.levels[level]));
  hls.on(Events.ERROR, (_, error) => {
    if (!error.fatal) return;
    if (error.type === ErrorTypes.MEDIA_ERROR && !recovered) {
      recovered = true;
      hls.recoverMediaError();
    } else {
      stop();
      onFailure(error.response?.code ?? 0);
    }
  });
  hls.loadSource(playlist);
  hls.attachMedia(video);
}

/** Detaches hls.js from the video. */
export function stop() {
  hls?.destroy();
  hls = null;
  byId("quality-choice").hidden = true;
}

// ---- The menu --------------------------------------------------------------

function showMenu(levels) {
  const name = ({ height, bitrate }) => {
    const isOnly = levels.filter((other) => other.height === height).length === 1;
    return isOnly ? `${height}p` : `${height}p, ${(bitrate / 1e6).toFixed(1)} Mbit/s`;
  };
  const option = (text, value) => Object.assign(element("option", "", text), { value });
  const choices = levels.map((level, index) => [level, option(name(level), index)]);
  choices.sort(([one], [other]) => other.height - one.height || other.bitrate - one.bitrate);
  menu.replaceChildren(option("Auto", -1), ...choices.map(([, choice]) => choice));
  menu.value = "-1";
  byId("quality-choice").hidden = levels.length < 2;
}

/** Shows which level the automatic choice plays. */
function showAutoLevel(level) {
  menu.options[0].textContent = level && hls.autoLevelEnabled ? `Auto (${level.height}p)` : "Auto";
}

menu.addEventListener("change", () => {
  // From the next segment on, so that playback does not stop.
  hls.nextLevel = Number(menu.value);
  showAutoLevel(hls.levels[hls.currentLevel]);
});
