// What a viewer sees and hears of the page's player.

import assert from "node:assert/strict";
import { encodedPath } from "./site.mjs";

/** The sentence over the video, or "". */
export const notice = (page) => page.locator(".player-notice:not([hidden]) p").textContent({ timeout: 100 }).catch(() => "");

/** Waits for a sentence over the video. */
export const says = (page, sentence) => page.locator(".player-notice:not([hidden]) p").filter({ hasText: sentence }).waitFor();

/** Opens a title and plays it, as a click on its card does. */
export async function watch(page, title, hash = "") {
  await page.goto(`/watch/${encodedPath(title)}${hash}`);
  await play(page);
}

/** Plays as soon as there is something to play. */
export const play = (page) => page.evaluate(() => {
  const video = document.querySelector("video");
  const begin = () => void video.play().catch(() => {});
  if (video.readyState) begin();
  else video.addEventListener("loadedmetadata", begin, { once: true });
});

/** What the browser has decoded and how far it is. */
export const state = (page) => page.evaluate(() => {
  const video = document.querySelector("video");
  return {
    at: video.currentTime, duration: video.duration, isPaused: video.paused, width: video.videoWidth, source: video.currentSrc,
    frames: video.getVideoPlaybackQuality().totalVideoFrames, audioBytes: video.webkitAudioDecodedByteCount,
  };
});

/** Waits until video and audio of a title play, as far as it has them: "video audio". */
export async function playsAll(page, kinds, seconds = 1) {
  const wanted = { video: kinds.includes("video"), audio: kinds.includes("audio"), seconds };
  await page.waitForFunction(({ video: wantsVideo, audio, seconds }) => {
    const video = document.querySelector("video");
    return video.currentTime >= seconds && video.readyState > 2 &&
      (!wantsVideo || (video.videoWidth > 0 && video.getVideoPlaybackQuality().totalVideoFrames > 0)) &&
      (!audio || video.webkitAudioDecodedByteCount > 0);
  }, wanted);
}

/** Waits until the position is at least this. */
export const reaches = (page, seconds) =>
  page.waitForFunction((seconds) => document.querySelector("video").currentTime >= seconds, seconds);

/** Seeks, for example to where no buffer and no cache has anything. */
export const seek = (page, seconds) => page.evaluate((seconds) => { document.querySelector("video").currentTime = seconds; }, seconds);

/** Pauses as a viewer does. */
export async function pause(page) {
  await page.keyboard.press("k");
  await page.waitForFunction(() => document.querySelector("video").paused);
}

/** Waits until the notice is gone and the title goes on from a place, or stays paused there with its frame. */
export async function goesOn(page, seconds, { isPaused = false } = {}) {
  await page.locator(".player-notice").waitFor({ state: "hidden" });
  if (!isPaused) await reaches(page, seconds + 1);
  await page.waitForFunction(() => {
    const { readyState, seeking, error } = document.querySelector("video");
    return readyState >= 2 && !seeking && !error;
  });
  const { at, isPaused: isPausedNow } = await state(page);
  assert.equal(isPausedNow, isPaused);
  assert.ok(isPaused ? Math.abs(at - seconds) < 0.5 : at < seconds + 20, `it is at ${at} s`);
}

/** Asserts that nothing but requests to an absent server or for absent files has failed. */
export function assertOnly(errors, expected) {
  assert.deepEqual(errors.splice(0).filter((error) => !expected.test(error)), []);
}
