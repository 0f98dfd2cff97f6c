// Firefox ESR plays and seeks with hls.js, shaka-player and dash.js. tests/browser/ does the same in Chromium.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { FRAMES_PER_SECOND } from "../browser/clips.mjs";
import { startPages } from "../browser/pages.mjs";
import { inWindow, launchFirefox } from "./launch.mjs";
import { startLibrary, STREAMS } from "./library.mjs";

const WAYS = [
  { name: "hls.js", player: "hls.js", view: "index.m3u8" },
  { name: "shaka-player with HLS", player: "shaka-player", view: "index.m3u8" },
  { name: "shaka-player with DASH", player: "shaka-player", view: "manifest.mpd" },
  { name: "dash.js", player: "dash.js", view: "manifest.mpd" },
];

let library, pages, browser;

before(async () => {
  library = await startLibrary("judges-firefox.log");
  pages = await startPages();
  browser = await launchFirefox();
});

after(async () => {
  await browser?.close();
  pages?.server.close();
  await library?.stop();
});

/** Defines a test with its own page, which fails if the player or the browser reports an error. */
function inPlayer(name, body) {
  test(name, { timeout: 90_000 }, () => inWindow(browser, (page, errors) =>
    body(page).catch(async (error) => {
      const state = await page.evaluate(() => stage.describe()).catch(() => "no player");
      throw new Error([error.message, state, ...errors].join("\n"), { cause: error });
    })));
}

async function open(page, title, { player, view }) {
  await page.goto(pages.url);
  await page.addScriptTag({ url: `/players/${player}` });
  const parameters = [player, library.urlOf(title, view), {}, true, title.name];
  await page.evaluate((parameters) => stage.play(...parameters), parameters);
}

const frames = (page) => page.evaluate(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames);
const seek = (page, time) => page.evaluate((time) => stage.seek(time), time);

/** Not by animation frames, which a window without focus may not get. */
const POLL = { polling: 50 };

/** Playback continues for some seconds, frames are decoded, and each frame belongs to its time. */
async function playsOn(page, title, seconds) {
  const before = await frames(page);
  const start = await page.evaluate(() => document.querySelector("video").currentTime);
  await page.waitForFunction((then) => document.querySelector("video").currentTime >= then, POLL, start + seconds);
  const hasAudio = await page.evaluate(() => document.querySelector("video").mozHasAudio);
  assert.equal(hasAudio, title.from.audio !== null, "the title has audio");
  assert.ok(await frames(page) > before, "video is decoded");
  const { number, time } = await page.evaluate((rate) => stage.still(rate), FRAMES_PER_SECOND);
  const ahead = number - title.from.first - Math.floor(time * FRAMES_PER_SECOND);
  assert.ok(Math.abs(ahead) <= 1, `at ${time} s the frame on the screen is ${ahead} frames off its time`);
}

async function ends(page) {
  await page.waitForFunction(() => {
    const video = document.querySelector("video");
    return video.ended || (video.paused && !video.seeking && video.currentTime >= video.duration - 0.05);
  }, POLL);
}

describe("Firefox ESR", { concurrency: 2 }, () => {
  // Without an audio device Firefox plays video, and its audio track silently, but not audio alone.
  for (const title of STREAMS.filter(({ isAudioOnly }) => !isAudioOnly)) {
    for (const way of WAYS) {
      inPlayer(`${title.name} plays and seeks in ${way.name}`, async (page) => {
        await open(page, title, way);
        await playsOn(page, title, 0.4);
        await page.evaluate(() => stage.hasBegun());
        const duration = await page.evaluate(() => document.querySelector("video").duration);
        assert.ok(Math.abs(duration - title.seconds) < 0.1, `the duration is ${duration} s, not ${title.seconds} s`);
        await seek(page, 11.7);
        await playsOn(page, title, 0.6);
        await seek(page, title.seconds - 1);
        await playsOn(page, title, 0.2);
        await ends(page);
        await seek(page, 0);
        await playsOn(page, title, 0.3);
      });
    }
  }
});
