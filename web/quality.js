// Qualities: a title of several renditions plays by hls.js, which changes between them, with a menu.

import { ask } from "./server.js";
import { byId, element } from "./words.js";

const menu = byId("quality");
let hls = null;

/**
 * What a multivariant playlist offers: the heights of the title's renditions in lines, and whether there is
 * more to play than is in the file. Sound that was made so that browsers play it is in a folder of its own.
 */
export async function offered(playlist, signal) {
  const text = await (await ask(playlist, { signal })).text();
  const sizes = [...text.matchAll(/^#EXT-X-STREAM-INF:.*?RESOLUTION=(\d+x\d+)/gm)].map(([, size]) => size);
  const heights = [...new Set(sizes)].map((size) => Number(size.split("x")[1]));
  return { heights, more: heights.length > 1 || /^#EXT-X-MEDIA:TYPE=AUDIO.*\/aac-\d/m.test(text) };
}

/** Whether the browser has what hls.js needs. Where it has not, it plays HLS by itself if at all. */
export const canChange = () => Boolean(window.ManagedMediaSource ?? window.MediaSource);

/** Plays a multivariant playlist; calls `failed` with the status of what broke it, or 0, if it cannot go on. */
export async function play(video, playlist, at, signal, failed) {
  const { default: Hls, Events, ErrorTypes } = await import("./hls.min.mjs");
  if (signal.aborted) return;
  // No worker: segments come as MP4, so that there is nothing for it to do.
  hls = new Hls({ enableWorker: false, startPosition: at || -1, backBufferLength: 90 });
  let recovered = false;
  hls.on(Events.MANIFEST_PARSED, () => showMenu(hls.levels));
  hls.on(Events.LEVEL_SWITCHED, (_, { level }) => nameAuto(hls.levels[level]));
  hls.on(Events.ERROR, (_, error) => {
    if (!error.fatal) return;
    if (error.type === ErrorTypes.MEDIA_ERROR && !recovered) {
      recovered = true;
      hls.recoverMediaError();
    } else {
      stop();
      failed(error.response?.code ?? 0);
    }
  });
  hls.loadSource(playlist);
  hls.attachMedia(video);
}

/** Lets go of the video. */
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
  const choices = levels.map((level, place) => [level, option(name(level), place)]);
  choices.sort(([one], [other]) => other.height - one.height || other.bitrate - one.bitrate);
  menu.replaceChildren(option("Auto", -1), ...choices.map(([, choice]) => choice));
  menu.value = "-1";
  byId("quality-choice").hidden = levels.length < 2;
}

/** Says which quality was chosen by itself. */
function nameAuto(level) {
  menu.options[0].textContent = level && hls.autoLevelEnabled ? `Auto (${level.height}p)` : "Auto";
}

menu.addEventListener("change", () => {
  // From the next segment on: what is on the screen plays on.
  hls.nextLevel = Number(menu.value);
  nameAuto(hls.levels[hls.currentLevel]);
});
