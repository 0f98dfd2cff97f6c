// Drives the page of a server in Chromium, with a copy of media/ as its library.
//
// Writes screenshots and the server's log to target/browser/.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { after, before } from "node:test";
import { browserTest, DESKTOP, HOSTILE, launchBrowser, OUTPUT, PHONE, plays, ROOT, startServer } from "./site.mjs";

const NOT_A_VIDEO = "Not a video.mp4";
const SET = "Both.set"; // a folder of renditions

// ---- A server with a library, and a browser --------------------------------

let scratch, server, browser;

before(async () => {
  scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-browser-"));
  const library = path.join(scratch, "library");
  fs.cpSync(path.join(ROOT, "media"), library, { recursive: true });
  fs.copyFileSync(path.join(library, "Clock.mp4"), path.join(library, HOSTILE));
  fs.mkdirSync(path.join(library, SET));
  fs.copyFileSync(path.join(library, "Clock.mp4"), path.join(library, SET, "360p.mp4"));
  fs.writeFileSync(path.join(library, NOT_A_VIDEO), "These bytes are no movie.\n".repeat(100));

  server = await startServer(library, path.join(scratch, "data"), "server.log");
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  if (scratch) fs.rmSync(scratch, { recursive: true });
});

const inBrowser = (name, options, body) =>
  browserTest(name, { browser: () => browser, server: () => server }, options, body);

// ---- Helpers ----------------------------------------------------

/** The titles of the library: the paths of its media files and sets. */
function titlesOnDisk() {
  return fs.readdirSync(path.join(scratch, "library"), { recursive: true }).filter((name) => /\.(mp4|webm|set)$/.test(name));
}

const rows = (page) => page.locator("#titles a");
// By its name alone: the folder of another title may have the same.
const row = (page, title) =>
  rows(page).filter({ has: page.locator(`.name:text-is(${JSON.stringify(path.basename(title))})`) });
const shownNames = (page) => page.locator("#titles .name").allTextContents();
const focusedName = (page) => page.evaluate(() => document.activeElement.querySelector(".name")?.textContent);

/** Seeks, and returns the time of the frame on the screen. */
const seek = (page, fraction) => page.evaluate(async (fraction) => {
  const video = document.querySelector("video");
  video.pause();
  const shown = new Promise((resolve) => video.requestVideoFrameCallback((_, frame) => resolve(frame.mediaTime)));
  video.currentTime = fraction * video.duration;
  return { wanted: video.currentTime, shown: await shown };
}, fraction);

// ---- The list --------------------------------------------------------------

inBrowser("the list shows every title of the library", DESKTOP, async (page) => {
  await page.goto("/");
  const names = titlesOnDisk().map((title) => path.basename(title)).sort();
  await rows(page).nth(names.length - 1).waitFor();
  assert.deepEqual((await shownNames(page)).sort(), names);
  assert.match(await page.locator("#count").textContent(), new RegExp(`${names.length} titles`));
  assert.ok(await page.getByRole("heading", { name: "Choose something to watch" }).isVisible());
});

inBrowser("a search narrows the list, and an empty result has a message", DESKTOP, async (page) => {
  await page.goto("/");
  await page.getByRole("searchbox").fill("horloge");
  await page.getByText("1 title found").waitFor();
  assert.deepEqual(await shownNames(page), ["Horloge.mp4"]);
  await page.getByRole("searchbox").fill("no such title");
  await page.getByText("No title matches.").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await row(page, "Portrait.mp4").waitFor();
});

inBrowser("“Show more” loads every page of the list once", DESKTOP, async (page) => {
  const small = (route) => route.continue({ url: route.request().url().replace("limit=100", "limit=2") });
  await page.route("**/api/titles?*", small);
  await page.goto("/");
  const more = page.getByRole("button", { name: "Show more" });
  const total = titlesOnDisk().length;
  for (let shown = 2; shown < total; shown += 2) {
    await rows(page).nth(shown - 1).waitFor();
    await more.click();
  }
  await rows(page).nth(total - 1).waitFor();
  await more.waitFor({ state: "hidden" });
  assert.equal(new Set(await shownNames(page)).size, total);
});

inBrowser("an empty library shows how to add titles", DESKTOP, async (page) => {
  const empty = { titles: [], total: 0, offset: 0, limit: 100, next: null, scanning: false };
  await page.route("**/api/titles?*", (route) => route.fulfill({ json: empty }));
  await page.goto("/");
  await page.getByText("headwater serve ~/Videos").waitFor();
});

inBrowser("the list grows during the first scan", DESKTOP, async (page) => {
  let requests = 0;
  await page.route("**/api/titles?*", async (route) => {
    const response = await route.fetch();
    const list = await response.json();
    if (++requests === 1) Object.assign(list, { titles: list.titles.slice(0, 1), total: 1, scanning: true });
    await route.fulfill({ response, json: list });
  });
  await page.goto("/");
  await page.getByText("scanning… 1 title").waitFor();
  await rows(page).nth(titlesOnDisk().length - 1).waitFor();
});

inBrowser("an unreachable server is reported, and the page can retry", DESKTOP, async (page, errors) => {
  await page.route("**/api/titles?*", (route) => route.abort(), { times: 1 });
  await page.goto("/");
  await page.getByText("The server cannot be reached.").waitFor();
  await page.getByRole("button", { name: "Retry" }).click();
  await row(page, "Clock.mp4").waitFor();
  assert.match(errors.pop(), /ERR_FAILED/);
});

// ---- The player ------------------------------------------------------------

for (const title of ["Clock.mp4", "Clock, moov at the end.mp4", "Clock.webm", "Portrait.mp4", "Été/Horloge.mp4", SET, HOSTILE]) {
  inBrowser(`${title} plays and seeks`, DESKTOP, async (page) => {
    page.on("dialog", (dialog) => assert.fail(`a file name ran as a script: ${dialog.message()}`));
    await page.goto("/");
    const response = page.waitForResponse((response) => response.request().resourceType() === "media");
    await row(page, title).click();
    assert.equal((await response).status(), 206, "the browser requests ranges and gets them");
    await page.getByRole("heading", { name: path.basename(title), exact: true }).waitFor();
    assert.equal(decodeURIComponent(new URL(page.url()).pathname), `/watch/${title}`);
    await plays(page);
    for (const fraction of [0.5, 0.97, 0.1]) {
      const { wanted, shown } = await seek(page, fraction);
      assert.ok(Math.abs(shown - wanted) < 0.1, `at ${wanted} s the frame of ${shown} s is shown`);
    }
    await page.evaluate(() => document.querySelector("video").play());
    await plays(page);
  });
}

inBrowser("the address of a title opens it, and Back returns to the title before", DESKTOP, async (page) => {
  await page.goto(`/watch/${encodeURI("Été/Horloge.mp4")}`);
  await page.getByRole("heading", { name: "Horloge.mp4" }).waitFor();
  await page.locator('#titles a[aria-current="page"]').getByText("Horloge.mp4").waitFor();
  await row(page, "Portrait.mp4").click();
  await plays(page);
  await page.goBack();
  await page.getByRole("heading", { name: "Horloge.mp4" }).waitFor();
  await page.waitForFunction(() => document.querySelector("video").currentSrc.endsWith("/Horloge.mp4/play.mp4"));
});

inBrowser("an undecodable file has a message and a download link", DESKTOP, async (page, errors) => {
  await page.goto("/");
  await row(page, NOT_A_VIDEO).click();
  await page.getByText("This browser cannot decode this video.").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  assert.equal((await download).suggestedFilename(), NOT_A_VIDEO);
  assert.match(errors.splice(0).join(), /422/); // the server cannot package it, so the page tries the file itself
});

inBrowser("a missing title has a message", DESKTOP, async (page, errors) => {
  await page.goto("/watch/Gone.mp4");
  await page.getByText("This title is not in the library").waitFor();
  assert.match(errors.splice(0).join(), /404/);
});

// ---- Keyboard, phone, screenshots ---------------------------------------------

inBrowser("the keyboard alone finds and plays a title", DESKTOP, async (page) => {
  await page.goto("/");
  await row(page, "Clock.mp4").waitFor();
  const names = await shownNames(page);
  await page.keyboard.press("/");
  assert.ok(await page.getByRole("searchbox").evaluate((box) => box === document.activeElement));
  await page.keyboard.press("ArrowDown");
  assert.equal(await focusedName(page), names[0]);
  await page.keyboard.press("End");
  assert.equal(await focusedName(page), names.at(-1));
  await page.keyboard.press("ArrowUp");
  assert.equal(await focusedName(page), names.at(-2));
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, "solid", "focus is visible");
  await page.keyboard.press("Enter");
  await plays(page);
  assert.equal(await focusedName(page), names.at(-2), "focus stays in the list");
});

inBrowser("on a phone the page fits the screen", PHONE, async (page) => {
  // Not innerWidth: mobile browsers widen it by the overflow.
  const overflow = async () =>
    (await page.evaluate(() => document.documentElement.scrollWidth)) - PHONE.viewport.width;
  await page.goto("/");
  await row(page, "Clock.mp4").waitFor();
  assert.ok(await overflow() <= 0, "the library fits");
  await row(page, "Clock.mp4").tap();
  await plays(page);
  assert.ok(await overflow() <= 0, "the player fits");
  await page.screenshot({ path: path.join(OUTPUT, "phone.png") });
});

inBrowser("the page looks right (screenshot)", DESKTOP, async (page) => {
  await page.goto("/");
  await row(page, "Clock.mp4").click();
  await plays(page);
  await page.screenshot({ path: path.join(OUTPUT, "page.png") });
});
