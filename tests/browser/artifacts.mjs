// Artifacts and jobs on the page: posters, seek bar previews, qualities, and the list of jobs.
//
// Writes screenshots and the servers' logs to target/browser/.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { after, before } from "node:test";
import { TITLE, fileOf, FRAMES_PER_SECOND, makeClips, SMALLER, SQUARE, SQUARES } from "./clips.mjs";
import { browserTest, DESKTOP, HOSTILE, launchBrowser, OUTPUT, PHONE, plays, ROOT, startServer } from "./site.mjs";

const MATROSKA = "Camera.mkv";
const LONE = "Lone.mp4";
/** Its audio codec is AC-3, which Chromium does not decode. */
const DOLBY = "Dolby.mp4";

/** A poster for routes that the tests fulfill. */
const IMAGE = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="9"/>`;

// ---- A server, a server without a worker, and a browser ---------------------

let scratch, server, idle, browser;

before(async () => {
  await makeClips([TITLE, SMALLER]);
  scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-artifacts-"));
  const library = path.join(scratch, "library");
  fs.cpSync(path.join(ROOT, "media"), library, { recursive: true });
  fs.copyFileSync(path.join(library, "Clock.mp4"), path.join(library, HOSTILE));
  fs.copyFileSync(fileOf(TITLE), path.join(library, LONE));
  fs.copyFileSync(fileOf(TITLE), path.join(library, "title.mp4"));
  fs.copyFileSync(fileOf(SMALLER), path.join(library, "title.100p.mp4"));
  for (const [options, name] of [[["-c", "copy"], MATROSKA], [["-c:v", "copy", "-c:a", "ac3"], DOLBY]]) {
    const ffmpeg = spawnSync("ffmpeg", ["-v", "error", "-i", fileOf(TITLE), ...options, path.join(library, name)], { stdio: "inherit" });
    assert.equal(ffmpeg.status, 0);
  }

  server = await startServer(library, path.join(scratch, "data"), "artifacts.log");
  idle = await startServer(library, path.join(scratch, "idle"), "idle.log", { HEADWATER_LOCAL_WORKER: "false" });
  browser = await launchBrowser("--autoplay-policy=no-user-gesture-required");
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await idle?.stop();
  if (scratch) fs.rmSync(scratch, { recursive: true });
});

const inBrowser = (name, options, body) =>
  browserTest(name, { browser: () => browser, server: () => server }, options, body);
const withoutWorker = (name, options, body) =>
  browserTest(name, { browser: () => browser, server: () => idle }, options, body);

// ---- Helpers ----------------------------------------------------

const row = (page, title) => page.locator("#titles a").filter({ has: page.getByText(title, { exact: true }) });
const screenshot = (page, name) => page.screenshot({ path: path.join(OUTPUT, `${name}.png`), animations: "disabled" });

/** The screen coordinates of a time on the seek bar. */
const onBar = (page, seconds) => page.locator("#seek").evaluate((bar, seconds) => {
  const { left, top, width, height } = bar.getBoundingClientRect();
  return { x: left + height / 2 + (width - height) * (seconds / bar.max), y: top + height / 2 };
}, seconds);

/** The preview's text, the time of its tile, and the frame number on the tile. */
const preview = (page) => page.locator("#preview").evaluate((preview, [squares, square]) => {
  const canvas = preview.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const scale = canvas.width / (squares * square);
  let number = 0;
  for (let bit = 0; bit < squares; bit++) {
    const [x, y] = [(bit + 0.5) * square * scale, (square / 2) * scale].map(Math.floor);
    if (data[4 * (y * canvas.width + x)] > 127) number |= 1 << bit;
  }
  return { text: preview.querySelector("#preview-time").textContent, start: Number(canvas.dataset.start), number };
}, [SQUARES, SQUARE]);

/** Waits for the preview with the tile of a time, and returns it. */
async function previewOf(page, seconds) {
  await page.waitForFunction((seconds) => {
    const start = Number(document.querySelector("#preview-image").dataset.start ?? NaN);
    return !document.querySelector("#preview").matches(".loading, [hidden]") && start <= seconds && seconds < start + 1;
  }, seconds);
  return preview(page);
}

/** Asserts that the tile shows the video's frame of that time, up to the distance of key frames. */
function assertShows({ text, start, number }, seconds) {
  assert.equal(text, `0:${String(Math.floor(seconds)).padStart(2, "0")}`);
  const shown = number / FRAMES_PER_SECOND;
  assert.ok(Math.abs(shown - start) <= 1, `at ${seconds} s the tile of ${start} s shows the frame of ${shown} s`);
}

// ---- Posters ---------------------------------------------------------------

for (const [screen, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    inBrowser(`the list loads posters: ${screen}, ${colorScheme}`, { ...options, colorScheme }, async (page) => {
      await page.goto("/");
      for (const title of ["Clock.mp4", "Portrait.mp4", HOSTILE]) {
        await row(page, title).scrollIntoViewIfNeeded();
        const image = row(page, title).locator(".poster img");
        await image.waitFor();
        assert.ok(await image.evaluate((image) => image.complete && image.naturalWidth > 0));
      }
      await page.evaluate(() => scrollTo(0, 0));
      await screenshot(page, `posters-${screen}-${colorScheme}`);
    });
  }
}

inBrowser("the page requests few posters at a time, and only visible ones", DESKTOP, async (page) => {
  const titles = Array.from({ length: 100 }, (_, number) => ({
    path: `title ${number}.mp4`, href: `/media/title%20${number}.mp4`, views: `/v/title%20${number}.mp4/`, size_bytes: 1, modified: "2026-01-01T00:00:00Z", version: "0",
  }));
  const list = { titles, total: 10_000, offset: 0, limit: 100, next: "/api/titles?offset=100", scanning: false };
  await page.route("**/api/titles?*", (route) => route.fulfill({ json: list }));
  const [requested, loading] = [new Set(), new Set()];
  let most = 0;
  await page.route("**/poster.jpg?*", async (route) => {
    const url = route.request().url();
    requested.add(url);
    loading.add(url);
    most = Math.max(most, loading.size);
    await page.waitForTimeout(20);
    loading.delete(url);
    await route.fulfill({ contentType: "image/svg+xml", body: IMAGE });
  });
  page.on("requestfailed", (request) => loading.delete(request.url()));
  await page.goto("/");
  await row(page, "title 4.mp4").locator("img").waitFor();
  await row(page, "title 99.mp4").scrollIntoViewIfNeeded();
  await row(page, "title 99.mp4").locator("img").waitFor();
  // Three, and three cancelled ones whose "requestfailed" has not arrived yet.
  assert.ok(most <= 6, `${most} at a time`);
  assert.ok(requested.size < 80, `${requested.size} of 100 were requested`);
});

// ---- The seek bar ---------------------------------------------------------------

/** Moves the mouse to a time on the bar; repeats if a layout shift has moved the bar. */
async function hover(page, seconds) {
  for (;;) {
    const { x, y } = await onBar(page, seconds);
    await page.mouse.move(x, y - 200);
    await page.mouse.move(x, y);
    await page.evaluate(() => new Promise(requestAnimationFrame));
    const now = await onBar(page, seconds);
    if (now.y === y && (await page.locator("#preview").isVisible())) return { x, y };
  }
}

inBrowser("hovering over the bar shows a preview of the time", DESKTOP, async (page) => {
  await page.goto(`/watch/${LONE}`);
  await plays(page, 0);
  for (const seconds of [10.5, 30.5, 3.5]) {
    await hover(page, seconds);
    assertShows(await previewOf(page, seconds), seconds);
  }
  const { x, y } = await hover(page, 20.5);
  await previewOf(page, 20.5);
  await screenshot(page, "preview-desktop");
  await page.mouse.click(x, y);
  const at = await page.evaluate(() => document.querySelector("video").currentTime);
  assert.ok(Math.abs(at - 20.5) < 0.2, `the position is ${at} s`);
  await page.mouse.move(0, 0);
  await page.locator("#preview").waitFor({ state: "hidden" });
});

inBrowser("the keyboard moves along the bar, with previews", DESKTOP, async (page) => {
  await page.goto(`/watch/${LONE}`);
  await plays(page, 0);
  await page.locator("#seek").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assertShows(await previewOf(page, 10), 10);
  assert.match(await page.locator("#seek").getAttribute("aria-valuetext"), /^0:10 of 0:40/);
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.querySelector("video").ended);
});

inBrowser("a touch moves along the bar, with previews", PHONE, async (page) => {
  await page.goto(`/watch/${LONE}`);
  await plays(page, 0);
  const touch = await page.context().newCDPSession(page);
  const send = async (type, seconds) => {
    const points = seconds === undefined ? [] : [await onBar(page, seconds)];
    await touch.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  };
  await send("touchStart", 5.5);
  await send("touchMove", 25.5);
  assertShows(await previewOf(page, 25.5), 25.5);
  await screenshot(page, "preview-phone");
  await send("touchEnd");
  await page.locator("#preview").waitFor({ state: "hidden" });
  await page.waitForFunction(() => Math.abs(document.querySelector("video").currentTime - 25.5) < 0.5);
});

// ---- Qualities -------------------------------------------------------------

inBrowser("the menu switches between two renditions without a pause", DESKTOP, async (page) => {
  await page.goto("/watch/title.mp4");
  const menu = page.getByLabel("Quality");
  await menu.waitFor();
  assert.deepEqual((await menu.locator("option").allTextContents()).map((name) => name.replace(/ .*/, "")), ["Auto", "180p", "100p"]);
  await page.evaluate(() => {
    const video = document.querySelector("video");
    window.longest = 0; // the longest time on the screen of one frame, in seconds of the video
    let last = video.currentTime;
    const look = (_, { mediaTime }) => {
      window.longest = Math.max(window.longest, Math.abs(mediaTime - last));
      last = mediaTime;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    return video.play();
  });
  await plays(page);
  for (const [quality, height] of [["100p", 100], ["180p", 180], ["100p", 100]]) {
    const before = await page.evaluate(() => document.querySelector("video").currentTime);
    await menu.selectOption(quality);
    await page.waitForFunction((height) => document.querySelector("video").videoHeight === height, height);
    await plays(page, 0.3);
    const { at, ranges } = await page.evaluate(() => {
      const { currentTime, buffered } = document.querySelector("video");
      return { at: currentTime, ranges: Array.from(buffered, (_, n) => [buffered.start(n), buffered.end(n)]) };
    });
    assert.ok(at > before, "playback continues");
    assert.equal(ranges.length, 1, `the buffer is one range without a gap: ${JSON.stringify(ranges)}`);
    assert.equal(await menu.evaluate((menu) => menu.selectedOptions[0].textContent), quality);
  }
  assert.ok(await page.evaluate(() => window.longest) < 0.5, "no frame was skipped or stalled");
  await menu.selectOption({ index: 0 });
  await screenshot(page, "quality-desktop");
});

inBrowser("a title with one rendition has no menu and does not load hls.js", DESKTOP, async (page) => {
  const requested = [];
  page.on("request", (request) => requested.push(request.url()));
  await page.goto(`/watch/${LONE}`);
  await plays(page, 0);
  assert.ok(await page.getByLabel("Quality").isHidden());
  assert.ok(!requested.some((url) => url.includes("hls.min")));
});

// ---- Remuxed titles -----------------------------------------

inBrowser("a file that no browser plays is remuxed, and then plays with previews", DESKTOP, async (page, errors) => {
  await page.goto("/");
  const notice = page.getByText("This browser cannot play this file.").waitFor();
  await row(page, MATROSKA).click();
  await notice;
  await plays(page);
  await page.locator("#preparing").waitFor({ state: "hidden" });
  const { x, y } = await onBar(page, 10.5);
  await page.mouse.move(x, y);
  assertShows(await previewOf(page, 10.5), 10.5);
  assert.match(errors.splice(0).join(), /503/);
});

inBrowser("a title whose audio the browser does not play gets AAC audio, and the page offers it", DESKTOP, async (page) => {
  await page.goto(`/watch/${DOLBY}`);
  await plays(page, 0);
  await page.getByText("Its audio now plays in this browser.").waitFor({ timeout: 60_000 });
  const hasAudio = () => document.querySelector("video").webkitAudioDecodedByteCount > 0;
  assert.equal(await page.evaluate(hasAudio), false);
  await page.getByRole("button", { name: "Switch now" }).click();
  await plays(page, 0.5);
  await page.waitForFunction(hasAudio);
});

// ---- Jobs ------------------------------------------------------------------

inBrowser("a rendition job runs, shows its progress, and adds a quality", DESKTOP, async (page) => {
  await page.goto("/watch/Clock.mp4");
  await plays(page, 0);
  await page.getByText("Add renditions…").click();
  await page.getByRole("checkbox", { name: "240p" }).check();
  await page.getByRole("button", { name: "Transcode", exact: true }).click();
  await page.locator("#jobs-link").click();
  const job = (state) => page.locator(`#jobs .job[data-state="${state}"]`).filter({ hasText: "Rendition 240p" });
  // On a fast machine the job may be done before the first look.
  const indicator = await page.waitForFunction(() => {
    const isRunning = document.querySelector("#jobs .job progress:not([hidden])")?.value > 0;
    const word = document.getElementById("jobs-word").textContent;
    return isRunning ? word : document.querySelector('#jobs .job[data-state="done"]') && "Jobs";
  });
  assert.match(await indicator.jsonValue(), /^(1 running · \d+\s?%|Jobs)$/);
  await screenshot(page, "job-running");
  await job("done").waitFor({ timeout: 60_000 });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Switch now" }).click();
  await page.getByLabel("Quality").selectOption("240p");
  await page.waitForFunction(() => document.querySelector("video").videoHeight === 240);
});

for (const [screen, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  withoutWorker(`a job is created, queued, cancelled and retried: ${screen}`, options, async (page) => {
    const height = screen === "desktop" ? "360p" : "240p";
    const job = (state) => page.locator(`#jobs .job[data-state="${state}"]`).filter({ hasText: `Rendition ${height}` });
    await page.goto("/watch/Clock.mp4");
    await page.getByText("Add renditions…").click();
    await page.getByLabel(height).check();
    await page.getByRole("button", { name: "Transcode", exact: true }).click();
    await page.locator("#title-jobs .job").filter({ hasText: height }).waitFor();

    await page.locator("#jobs-link").click();
    await page.getByRole("dialog", { name: "Jobs" }).waitFor();
    assert.match(page.url(), /#jobs$/);
    await job("queued").getByRole("button", { name: "Cancel" }).click();
    await job("cancelled").getByRole("button", { name: "Retry" }).click();
    await job("queued").waitFor();
    await screenshot(page, `jobs-${screen}`);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Jobs" }).waitFor({ state: "hidden" });
    await page.waitForFunction(() => !location.hash);
  });
}

withoutWorker("a job that another client creates and cancels appears on the page", DESKTOP, async (page) => {
  await page.goto("/#jobs");
  const jobs = page.locator("#jobs .job").filter({ hasText: "Portrait.mp4" });
  const headers = { "Content-Type": "application/json" };
  const request = { kind: "rendition", title: "Portrait.mp4", height: 240, codec: "h264" };
  const { id } = await (await fetch(`${idle.url}api/jobs`, { method: "POST", headers, body: JSON.stringify(request) })).json();
  await jobs.filter({ hasText: "queued" }).waitFor();
  await fetch(`${idle.url}api/jobs/${id}/cancel`, { method: "POST", headers });
  await jobs.filter({ hasText: "cancelled" }).waitFor();
});

withoutWorker("the page asks for the API token if changes need it", DESKTOP, async (page, errors) => {
  const credentials = [];
  await page.route("**/api/jobs", (route) => {
    if (route.request().method() !== "POST") return route.continue();
    credentials.push(route.request().headers().authorization);
    const problem = { type: "/errors/unauthorized", title: "missing or invalid API token", status: 401 };
    return route.fulfill({ status: 401, contentType: "application/problem+json", json: problem });
  });
  await page.goto("/watch/Clock.mp4");
  const start = async () => {
    await page.getByText("Add renditions…").click();
    await page.getByRole("checkbox", { name: "360p" }).check();
    await page.getByRole("button", { name: "Transcode", exact: true }).click();
    await page.getByText("Changes need the API token of this server.").waitFor();
  };
  await start();
  await page.getByLabel("API token").fill("correct-horse-battery-staple");
  await page.getByRole("button", { name: "Use token" }).click();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Transcode", exact: true }).click();
  await page.getByText("Changes need the API token of this server.").waitFor();
  assert.deepEqual(credentials, [undefined, "Bearer correct-horse-battery-staple"]);
  assert.match(errors.splice(0).join(), /401/);
});
