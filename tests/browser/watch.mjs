// The watch page around the player in Chromium: every title of a library plays, and what is below the video.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { DESKTOP, HOSTILE, launchChromium, OUTPUT, PHONE, plays, ROOT, Site } from "./site.mjs";

const NOT_A_VIDEO = "Not a video.mp4";
const SET = "Both.set"; // a folder of renditions
const FILM = "Film with chapters.mp4";
const CHAPTERS = ["Opening", "The middle"];

const METADATA = `;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1
START=0
END=10
title=${CHAPTERS[0]}
[CHAPTER]
TIMEBASE=1/1
START=10
END=20
title=${CHAPTERS[1]}
`;

const site = new Site("watch", async (site) => {
  const { library, scratch } = site;
  fs.cpSync(path.join(ROOT, "media"), library, { recursive: true });
  const clock = path.join(library, "Clock.mp4");
  fs.copyFileSync(clock, path.join(library, HOSTILE));
  fs.mkdirSync(path.join(library, SET));
  fs.copyFileSync(clock, path.join(library, SET, "360p.mp4"));
  fs.writeFileSync(path.join(library, NOT_A_VIDEO), "These bytes are no movie.\n".repeat(100));
  const metadata = path.join(scratch, "chapters.txt");
  fs.writeFileSync(metadata, METADATA);
  const film = spawnSync("ffmpeg", ["-v", "error", "-i", clock, "-i", metadata, "-map", "0", "-map_chapters", "1", "-c", "copy", path.join(library, FILM)], { stdio: "inherit" });
  assert.equal(film.status, 0);
  site.server = await site.serve();
}, () => launchChromium()); // without the flag that plays without a click: people click

const inBrowser = (name, options, body) => site.test(name, options, body);

// ---- Helpers -----------------------------------------------------------------

const nameOf = (title) => path.basename(title).replace(/\.[^.]+$/, "");
/** The card of a title, found by its address: names of titles may be equal. */
const link = (page, title) => page.locator("#titles a").and(page.locator(`[href="/watch/${encoded(title)}"]`));
/** As the server encodes paths. */
const encoded = (title) =>
  encodeURIComponent(title).replaceAll("%2F", "/").replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/** Seeks, and waits until the frame of that time is on the screen. */
const seek = (page, fraction) => page.evaluate((fraction) => new Promise((resolve, reject) => {
  const video = document.querySelector("video");
  video.pause();
  const wanted = fraction * video.duration;
  let shown;
  const timer = setTimeout(() => reject(new Error(`at ${wanted} s the frame of ${shown} s is shown`)), 10_000);
  const look = (_, { mediaTime }) => {
    shown = mediaTime;
    if (Math.abs(shown - wanted) >= 0.1) return video.requestVideoFrameCallback(look); // a frame from before
    clearTimeout(timer);
    resolve();
  };
  video.requestVideoFrameCallback(look);
  video.currentTime = wanted;
}), fraction);

// ---- Playing -----------------------------------------------------------------

for (const title of ["Clock.mp4", "Clock, moov at the end.mp4", "Clock.webm", "Portrait.mp4", "Été/Horloge.mp4", HOSTILE, SET, FILM]) {
  inBrowser(`plays and seeks: ${title}`, DESKTOP, async (page) => {
    page.on("dialog", (dialog) => assert.fail(`a file name ran as a script: ${dialog.message()}`));
    await page.goto(title.includes("/") ? `/library/${encodeURI(path.dirname(title))}/` : "/");
    await link(page, title).click();
    await page.getByRole("heading", { name: nameOf(title), exact: true }).waitFor();
    assert.equal(decodeURIComponent(new URL(page.url()).pathname), `/watch/${title}`);
    await plays(page);
    for (const fraction of [0.5, 0.97, 0.1]) await seek(page, fraction);
    await page.evaluate(() => document.querySelector("video").play());
    await plays(page);
  });
}

inBrowser("the address of a title opens it, and Back returns to the title before", DESKTOP, async (page) => {
  await page.goto("/watch/Clock.mp4");
  await page.getByRole("heading", { name: "Clock", exact: true }).waitFor();
  await page.locator('#titles a[aria-current="page"]').waitFor();
  await link(page, "Portrait.mp4").click();
  await plays(page);
  assert.equal(await page.title(), "Portrait · Headwater");
  await page.goBack();
  await page.getByRole("heading", { name: "Clock", exact: true }).waitFor();
  await page.waitForFunction(() => document.querySelector("video").currentSrc.includes("/Clock.mp4/"));
  await page.locator(".wordmark").click();
  await page.getByRole("heading", { name: "Library" }).waitFor();
  assert.ok(await page.locator("#watch").isHidden());
  assert.equal(await page.evaluate(() => document.querySelector("video").currentSrc && document.querySelector("video").readyState), 0, "the video is closed");
});

inBrowser("what cannot play says why, and can be downloaded", DESKTOP, async (page, errors) => {
  await page.goto("/");
  await link(page, NOT_A_VIDEO).click();
  await page.locator(".player-notice p").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  assert.equal((await download).suggestedFilename(), NOT_A_VIDEO);
  errors.splice(0);
});

inBrowser("a missing title has a message", DESKTOP, async (page, errors) => {
  await page.goto("/watch/Gone.mp4");
  await page.getByText(/This title is not in the library/).first().waitFor();
  assert.match(errors.splice(0).join(), /404/);
});

// ---- Below the video ---------------------------------------------------------

inBrowser("chapters are listed, and a click goes to one", DESKTOP, async (page) => {
  await page.goto(`/watch/${encodeURI(FILM)}`);
  const chapters = page.locator("#chapters li");
  await chapters.first().waitFor();
  assert.deepEqual(await chapters.locator("bdi").allTextContents(), CHAPTERS);
  await chapters.nth(1).getByRole("button").click();
  await page.waitForFunction(() => document.querySelector("video").currentTime >= 10);
  await page.locator('#chapters li:nth-child(2)[aria-current="true"]').waitFor();
});

inBrowser("facts and addresses for other players", DESKTOP, async (page) => {
  await page.goto("/watch/Portrait.mp4");
  await page.locator("#facts").getByText("360 × 640").waitFor();
  for (const [name, view] of [["HLS", "index.m3u8"], ["DASH", "manifest.mpd"], ["MP4", "play.mp4"], ["File report", "inspect"]]) {
    const href = await page.getByRole("link", { name, exact: true }).getAttribute("href");
    assert.equal(href, `/v/Portrait.mp4/${view}`);
    assert.equal((await page.request.head(href)).status(), 200);
  }
});

inBrowser("theatre gives the stage the whole width, and the list goes below", DESKTOP, async (page) => {
  await page.goto("/watch/Clock.mp4");
  await page.locator("#titles .name").first().waitFor();
  await page.getByRole("button", { name: /^Theatre/ }).waitFor(); // the player obeys keys
  await page.keyboard.press("t");
  const below = () => document.querySelector("#library").getBoundingClientRect().top >= document.querySelector("#watch").getBoundingClientRect().bottom;
  await page.waitForFunction(below);
  await page.screenshot({ path: path.join(OUTPUT, "theatre.png") });
  await page.keyboard.press("t");
  await page.waitForFunction(`!(${below})()`);
});

inBrowser("on a phone a title plays, with the list below", PHONE, async (page) => {
  await page.goto("/");
  await link(page, "Clock.mp4").first().tap();
  await plays(page);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth) - PHONE.viewport.width;
  assert.ok(overflow <= 0, "the page fits the screen");
  await page.screenshot({ path: path.join(OUTPUT, "watch-phone.png") });
});
