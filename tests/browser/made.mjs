// What jobs make, on the page: posters, previews of the bar, qualities, and the jobs themselves.
//
// Leaves pictures of the page and the servers' logs in target/browser/.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { after, before } from "node:test";
import { FILM, fileOf, FRAMES_PER_SECOND, makeClips, SMALLER, SQUARE, SQUARES } from "./clips.mjs";
import { browserTest, DESKTOP, HOSTILE, launchBrowser, OUTPUT, PHONE, plays, ROOT, startServer } from "./site.mjs";

const MATROSKA = "Camera.mkv";
const LONE = "Lone.mp4";
/** Its sound is one that Chromium does not decode. */
const DOLBY = "Dolby.mp4";

/** Something to show for a poster. */
const PICTURE = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="9"/>`;

// ---- A server, another without a worker, and a browser ---------------------

let scratch, server, idle, browser;

before(async () => {
  await makeClips([FILM, SMALLER]);
  scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-made-"));
  const library = path.join(scratch, "library");
  fs.cpSync(path.join(ROOT, "media"), library, { recursive: true });
  fs.copyFileSync(path.join(library, "Clock.mp4"), path.join(library, HOSTILE));
  fs.copyFileSync(fileOf(FILM), path.join(library, LONE));
  fs.copyFileSync(fileOf(FILM), path.join(library, "film.mp4"));
  fs.copyFileSync(fileOf(SMALLER), path.join(library, "film.100p.mp4"));
  for (const [how, name] of [[["-c", "copy"], MATROSKA], [["-c:v", "copy", "-c:a", "ac3"], DOLBY]]) {
    const made = spawnSync("ffmpeg", ["-v", "error", "-i", fileOf(FILM), ...how, path.join(library, name)], { stdio: "inherit" });
    assert.equal(made.status, 0);
  }

  server = await startServer(library, path.join(scratch, "data"), "made.log");
  idle = await startServer(library, path.join(scratch, "idle"), "idle.log", { HEADWATER_WORKER: "false" });
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

// ---- What the tests say ----------------------------------------------------

const row = (page, title) => page.locator("#titles a").filter({ has: page.getByText(title, { exact: true }) });
const shoot = (page, name) => page.screenshot({ path: path.join(OUTPUT, `${name}.png`), animations: "disabled" });

/** Where on the bar a time is, on the screen. */
const onBar = (page, seconds) => page.locator("#seek").evaluate((bar, seconds) => {
  const { left, top, width, height } = bar.getBoundingClientRect();
  return { x: left + height / 2 + (width - height) * (seconds / bar.max), y: top + height / 2 };
}, seconds);

/** The preview as it is: the time that it says, the time of its tile, and the number of the picture on it. */
const preview = (page) => page.locator("#preview").evaluate((preview, [squares, square]) => {
  const canvas = preview.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const scale = canvas.width / (squares * square);
  let number = 0;
  for (let bit = 0; bit < squares; bit++) {
    const [x, y] = [(bit + 0.5) * square * scale, (square / 2) * scale].map(Math.floor);
    if (data[4 * (y * canvas.width + x)] > 127) number |= 1 << bit;
  }
  return { says: preview.querySelector("#preview-time").textContent, start: Number(canvas.dataset.start), number };
}, [SQUARES, SQUARE]);

/** Waits until a preview has come whose tile belongs to a time, and returns it. */
async function previewOf(page, seconds) {
  await page.waitForFunction((seconds) => {
    const start = Number(document.querySelector("#preview-picture").dataset.start ?? NaN);
    return !document.querySelector("#preview").matches(".comes, [hidden]") && start <= seconds && seconds < start + 1;
  }, seconds);
  return preview(page);
}

/** The tile shows what the film does at that time, to the distance of key frames. */
function shows({ says, start, number }, seconds) {
  assert.equal(says, `0:${String(Math.floor(seconds)).padStart(2, "0")}`);
  const pictured = number / FRAMES_PER_SECOND;
  assert.ok(Math.abs(pictured - start) <= 1, `at ${seconds} s the tile of ${start} s shows the picture of ${pictured} s`);
}

// ---- Posters ---------------------------------------------------------------

for (const [screen, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const colorScheme of ["light", "dark"]) {
    inBrowser(`posters appear by themselves: ${screen}, ${colorScheme}`, { ...options, colorScheme }, async (page) => {
      await page.goto("/");
      for (const title of ["Clock.mp4", "Portrait.mp4", HOSTILE]) {
        await row(page, title).scrollIntoViewIfNeeded();
        const image = row(page, title).locator(".poster img");
        await image.waitFor();
        assert.ok(await image.evaluate((image) => image.complete && image.naturalWidth > 0));
      }
      await page.evaluate(() => scrollTo(0, 0));
      await shoot(page, `posters-${screen}-${colorScheme}`);
    });
  }
}

inBrowser("few posters are asked for at a time, and none that cannot be seen", DESKTOP, async (page) => {
  const titles = Array.from({ length: 100 }, (_, number) => ({
    path: `film ${number}.mp4`, href: `/media/film%20${number}.mp4`, size_bytes: 1, modified: "2026-01-01T00:00:00Z", version: "0",
  }));
  const list = { titles, total: 10_000, offset: 0, limit: 100, next: "/api/titles?offset=100", scanning: false };
  await page.route("**/api/titles?*", (route) => route.fulfill({ json: list }));
  const [asked, under] = [new Set(), new Set()];
  let most = 0;
  await page.route("**/poster.jpg?*", async (route) => {
    const url = route.request().url();
    asked.add(url);
    under.add(url);
    most = Math.max(most, under.size);
    await page.waitForTimeout(20);
    under.delete(url);
    await route.fulfill({ contentType: "image/svg+xml", body: PICTURE });
  });
  page.on("requestfailed", (request) => under.delete(request.url()));
  await page.goto("/");
  await row(page, "film 4.mp4").locator("img").waitFor();
  await row(page, "film 99.mp4").scrollIntoViewIfNeeded();
  await row(page, "film 99.mp4").locator("img").waitFor();
  // Three, and those that were given up in the same moment, of which nobody has heard yet.
  assert.ok(most <= 6, `${most} at a time`);
  assert.ok(asked.size < 80, `${asked.size} of 100 were asked for`);
});

// ---- The bar ---------------------------------------------------------------

/** Moves the mouse to a time on the bar; again, if the bar has moved away because what is above it grew. */
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

inBrowser("the bar shows what is at a time before one goes there", DESKTOP, async (page) => {
  await page.goto(`/watch/${LONE}`);
  await plays(page, 0);
  for (const seconds of [10.5, 30.5, 3.5]) {
    await hover(page, seconds);
    shows(await previewOf(page, seconds), seconds);
  }
  const { x, y } = await hover(page, 20.5);
  await previewOf(page, 20.5);
  await shoot(page, "preview-desktop");
  await page.mouse.click(x, y);
  const at = await page.evaluate(() => document.querySelector("video").currentTime);
  assert.ok(Math.abs(at - 20.5) < 0.2, `it went to ${at} s`);
  await page.mouse.move(0, 0);
  await page.locator("#preview").waitFor({ state: "hidden" });
});

inBrowser("the keyboard moves along the bar, with previews", DESKTOP, async (page) => {
  await page.goto(`/watch/${LONE}`);
  await plays(page, 0);
  await page.locator("#seek").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  shows(await previewOf(page, 10), 10);
  assert.match(await page.locator("#seek").getAttribute("aria-valuetext"), /^0:10 of 0:40/);
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.querySelector("video").ended);
});

inBrowser("a finger moves along the bar, with previews", PHONE, async (page) => {
  await page.goto(`/watch/${LONE}`);
  await plays(page, 0);
  const touch = await page.context().newCDPSession(page);
  const put = async (type, seconds) => {
    const points = seconds === undefined ? [] : [await onBar(page, seconds)];
    await touch.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  };
  await put("touchStart", 5.5);
  await put("touchMove", 25.5);
  shows(await previewOf(page, 25.5), 25.5);
  await shoot(page, "preview-phone");
  await put("touchEnd");
  await page.locator("#preview").waitFor({ state: "hidden" });
  await page.waitForFunction(() => Math.abs(document.querySelector("video").currentTime - 25.5) < 0.5);
});

// ---- Qualities -------------------------------------------------------------

inBrowser("a title of two renditions changes between them by the menu, and plays on", DESKTOP, async (page) => {
  await page.goto("/watch/film.mp4");
  const menu = page.getByLabel("Quality");
  await menu.waitFor();
  assert.deepEqual((await menu.locator("option").allTextContents()).map((name) => name.replace(/ .*/, "")), ["Auto", "180p", "100p"]);
  await page.evaluate(() => {
    const video = document.querySelector("video");
    window.longest = 0; // the longest that one picture stood, in seconds of the film
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
    assert.ok(at > before, "it plays on");
    assert.equal(ranges.length, 1, `what is buffered is one range, without a gap: ${JSON.stringify(ranges)}`);
    assert.equal(await menu.evaluate((menu) => menu.selectedOptions[0].textContent), quality);
  }
  assert.ok(await page.evaluate(() => window.longest) < 0.5, "no picture was left out or stood");
  await menu.selectOption({ index: 0 });
  await shoot(page, "quality-desktop");
});

inBrowser("a title of one rendition has no menu, and does not load what it would take", DESKTOP, async (page) => {
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(`/watch/${LONE}`);
  await plays(page, 0);
  assert.ok(await page.getByLabel("Quality").isHidden());
  assert.ok(!asked.some((url) => url.includes("hls.min")));
});

// ---- Titles that are made playable -----------------------------------------

inBrowser("what no browser plays is made playable, which is said, and then plays with previews", DESKTOP, async (page, complaints) => {
  await page.goto("/");
  const said = page.getByText("This browser cannot play this file as it is.").waitFor();
  await row(page, MATROSKA).click();
  await said;
  await plays(page);
  await page.locator("#making").waitFor({ state: "hidden" });
  const { x, y } = await onBar(page, 10.5);
  await page.mouse.move(x, y);
  shows(await previewOf(page, 10.5), 10.5);
  assert.match(complaints.splice(0).join(), /503/);
});

inBrowser("a film without sound that this browser plays has some once that was made, which is said", DESKTOP, async (page) => {
  await page.goto(`/watch/${DOLBY}`);
  await plays(page, 0);
  await page.getByText("Its sound plays in this browser now.").waitFor({ timeout: 60_000 });
  const heard = () => document.querySelector("video").webkitAudioDecodedByteCount > 0;
  assert.equal(await page.evaluate(heard), false);
  await page.getByRole("button", { name: "Use it" }).click();
  await plays(page, 0.5);
  await page.waitForFunction(heard);
});

// ---- Jobs ------------------------------------------------------------------

inBrowser("a rendition is ordered, is seen to be made, and is then a quality", DESKTOP, async (page) => {
  await page.goto("/watch/Clock.mp4");
  await plays(page, 0);
  await page.getByText("Make renditions…").click();
  await page.getByRole("checkbox", { name: "240p" }).check();
  await page.getByRole("button", { name: "Make", exact: true }).click();
  await page.locator("#jobs-link").click();
  const job = (state) => page.locator(`#jobs .job[data-state="${state}"]`).filter({ hasText: "Rendition 240p" });
  // A fast machine has done it before anybody looks.
  const seen = await page.waitForFunction(() => {
    const isUnderWay = document.querySelector("#jobs .job progress:not([hidden])")?.value > 0;
    const word = document.getElementById("jobs-word").textContent;
    return isUnderWay ? word : document.querySelector('#jobs .job[data-state="done"]') && "Jobs";
  });
  assert.match(await seen.jsonValue(), /^(1 running · \d+\s?%|Jobs)$/);
  await shoot(page, "job-running");
  await job("done").waitFor({ timeout: 60_000 });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Use it" }).click();
  await page.getByLabel("Quality").selectOption("240p");
  await page.waitForFunction(() => document.querySelector("video").videoHeight === 240);
});

for (const [screen, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  withoutWorker(`a job is ordered, waits, is cancelled and is tried again: ${screen}`, options, async (page) => {
    const height = screen === "desktop" ? "360p" : "240p";
    const job = (state) => page.locator(`#jobs .job[data-state="${state}"]`).filter({ hasText: `Rendition ${height}` });
    await page.goto("/watch/Clock.mp4");
    await page.getByText("Make renditions…").click();
    await page.getByLabel(height).check();
    await page.getByRole("button", { name: "Make", exact: true }).click();
    await page.locator("#title-jobs .job").filter({ hasText: height }).waitFor();

    await page.locator("#jobs-link").click();
    await page.getByRole("dialog", { name: "Jobs" }).waitFor();
    assert.match(page.url(), /#jobs$/);
    await job("queued").getByRole("button", { name: "Cancel" }).click();
    await job("cancelled").getByRole("button", { name: "Try again" }).click();
    await job("queued").waitFor();
    await shoot(page, `jobs-${screen}`);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Jobs" }).waitFor({ state: "hidden" });
    await page.waitForFunction(() => !location.hash);
  });
}

withoutWorker("who has the page open elsewhere sees a job come and go", DESKTOP, async (page) => {
  await page.goto("/#jobs");
  const jobs = page.locator("#jobs .job").filter({ hasText: "Portrait.mp4" });
  const headers = { "Content-Type": "application/json" };
  const wish = { kind: "rendition", title: "Portrait.mp4", height: 240, codec: "h264" };
  const { id } = await (await fetch(`${idle.url}api/jobs`, { method: "POST", headers, body: JSON.stringify(wish) })).json();
  await jobs.filter({ hasText: "waits for its turn" }).waitFor();
  await fetch(`${idle.url}api/jobs/${id}/cancel`, { method: "POST", headers });
  await jobs.filter({ hasText: "cancelled" }).waitFor();
});

withoutWorker("where changes need a token the page asks for it", DESKTOP, async (page, complaints) => {
  const shown = [];
  await page.route("**/api/jobs", (route) => {
    if (route.request().method() !== "POST") return route.continue();
    shown.push(route.request().headers().authorization);
    const problem = { type: "about:blank", title: "Unauthorized", status: 401 };
    return route.fulfill({ status: 401, contentType: "application/problem+json", json: problem });
  });
  await page.goto("/watch/Clock.mp4");
  const order = async () => {
    await page.getByText("Make renditions…").click();
    await page.getByRole("checkbox", { name: "360p" }).check();
    await page.getByRole("button", { name: "Make", exact: true }).click();
    await page.getByText("Changes need this server's token.").waitFor();
  };
  await order();
  await page.getByLabel("Token").fill("correct-horse-battery-staple");
  await page.getByRole("button", { name: "Use it" }).last().click();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Make", exact: true }).click();
  await page.getByText("Changes need this server's token.").waitFor();
  assert.deepEqual(shown, [undefined, "Bearer correct-horse-battery-staple"]);
  assert.match(complaints.splice(0).join(), /401/);
});
