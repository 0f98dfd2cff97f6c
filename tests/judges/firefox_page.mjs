// The page's own player in Firefox ESR: it plays, and its keys and menus work. tests/browser/player.mjs does the
// same, and more, in Chromium.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { fileOf, LONG, LONG_SMALLER, makeClips, SLOW } from "../browser/clips.mjs";
import { freePort, OUTPUT, ROOT, Site } from "../browser/site.mjs";
import { assertOnly } from "../browser/viewer.mjs";
import { inWindow, launchFirefox } from "./launch.mjs";

/** Not by animation frames, which a window without focus may not get. */
const POLL = { polling: 50 };

/** Longer than any buffer: by play.mp4, and by HLS because it is a ladder. */
const LONG_TITLES = ["Single.mp4", "Ladder.mp4"];

let listen;

const site = new Site("firefox-page", async ({ library }) => {
  for (const name of ["Clock.mp4", "Clock.en.srt", "Clock.webm"]) fs.copyFileSync(path.join(ROOT, "media", name), path.join(library, name));
  await makeClips([LONG, LONG_SMALLER]);
  for (const title of LONG_TITLES) fs.copyFileSync(fileOf(LONG), path.join(library, title));
  fs.copyFileSync(fileOf(LONG_SMALLER), path.join(library, "Ladder.100p.mp4"));
  listen = `127.0.0.1:${await freePort()}`;
  await start();
}, launchFirefox);

/** The same address each time: the page comes back to the server that it knows. */
async function start() {
  site.server = await site.serve({ listen, settings: SLOW });
}

/** Defines a test with the page of a title, which fails if the browser reports an error. */
function inFirefox(name, title, body) {
  test(name, { timeout: 90_000 }, () => inWindow(site.browser, async (page, errors) => {
    await page.goto(`${site.server.url}watch/${title}`);
    await until(page, () => document.querySelector("video").readyState >= 2);
    await body(page, errors);
  }));
}

const until = (page, condition, value) => page.waitForFunction(condition, POLL, value);
const video = (page, name) => page.evaluate((name) => document.querySelector("video")[name], name);
const untilTime = (page, seconds) =>
  until(page, (seconds) => Math.abs(document.querySelector("video").currentTime - seconds) < 0.05, seconds);

async function plays(page) {
  const start = await video(page, "currentTime");
  await until(page, (then) => document.querySelector("video").currentTime >= then, start + 0.5);
  assert.ok((await page.evaluate(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames)) > 0);
}

for (const title of ["Clock.mp4", "Clock.webm"]) {
  inFirefox(`${title} plays and obeys its keys`, title, async (page) => {
    const press = (key) => page.keyboard.press(key);
    await page.click(".big");
    await plays(page);
    await press("k");
    assert.equal(await video(page, "paused"), true);
    for (const [key, seconds] of [["Home", 0], ["l", 10], ["ArrowRight", 15], ["ArrowLeft", 10], ["j", 0], ["5", 10]]) {
      await press(key);
      await untilTime(page, seconds);
    }
    await press(">");
    assert.equal(await video(page, "playbackRate"), 1.25);
    await press("m");
    assert.equal(await video(page, "muted"), true);
    await press("f");
    await until(page, () => document.fullscreenElement === document.querySelector(".stage"));
    await press("f");
    await until(page, () => document.fullscreenElement === null);
    await press("?");
    await until(page, () => document.querySelector(".player-keys").open);
    await press("Escape");
    await until(page, () => !document.querySelector(".player-keys").open);
    await press(" ");
    await plays(page);
  });
}

inFirefox("captions stand above the bar while it is there", "Clock.mp4", async (page) => {
  await page.keyboard.press("c");
  await page.keyboard.press("k");
  await until(page, () => {
    const shown = [...document.querySelector("video").textTracks].find(({ mode }) => mode === "showing");
    return /^Second \d/.test(shown?.activeCues?.[0]?.text) && shown.activeCues[0].line < -1;
  });
  await page.screenshot({ path: path.join(OUTPUT, "firefox-captions.png") });
  await until(page, () => document.querySelector(".stage.resting") &&
    [...document.querySelector("video").textTracks].find(({ mode }) => mode === "showing").activeCues[0]?.line === "auto");
});

for (const title of LONG_TITLES) {
  for (const isPaused of [false, true]) {
    inFirefox(`${title} ${isPaused ? "stays paused" : "goes on"} where it was when the server is back`, title, async (page, errors) => {
      await page.click(".big");
      await plays(page);
      if (isPaused) await page.keyboard.press("k");
      await site.server.kill();
      await page.evaluate(() => { document.querySelector("video").currentTime = 100; });
      await until(page, () => /Reconnecting/.test(document.querySelector(".player-notice:not([hidden]) p")?.textContent)).finally(start);
      await until(page, () => document.querySelector(".player-notice").hidden);
      await until(page, (seconds) => {
        const { currentTime, readyState, seeking } = document.querySelector("video");
        return currentTime >= seconds && readyState >= 2 && !seeking;
      }, isPaused ? 100 : 101);
      assert.equal(await video(page, "paused"), isPaused);
      assertOnly(errors, /^(?!uncaught)/); // of requests to the absent server
    });
  }
}
