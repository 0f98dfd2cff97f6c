// HLS and DASH as the players of the world play them: hls.js, shaka-player, dash.js, and the browser by
// itself. The page that they run in has an origin of its own, so each of these tests is one of CORS too.
//
// Leaves a picture per pair of codecs and the server's log in target/browser/.

import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { CLIPS, fileOf, FRAMES_PER_SECOND, makeClips, REPLACEMENT } from "./clips.mjs";
import { HOSTILE, launchBrowser, listenForComplaints, OUTPUT, plays, startServer } from "./site.mjs";

/** Each way to play: a view of the title, and who is given it. */
const WAYS = [
  { name: "a plain <video> with HLS", player: "native", view: "index.m3u8", options: {}, mayRead: false },
  { name: "a CORS <video> with HLS", player: "native", view: "index.m3u8", options: { crossOrigin: "anonymous" } },
  { name: "hls.js", player: "hls.js", view: "index.m3u8" },
  { name: "shaka-player with HLS", player: "shaka-player", view: "index.m3u8" },
  { name: "shaka-player with DASH", player: "shaka-player", view: "manifest.mpd" },
  { name: "dash.js", player: "dash.js", view: "manifest.mpd" },
];
const HLS_JS = WAYS.find(({ player }) => player === "hls.js");

/** A title that comes through only when each segment of its path is encoded for itself. */
const STRANGE = `Été & amis/日本語 #1/100 % sûr?/a+b;c=d/${HOSTILE}`;
const REPLACED = "Replaced.mp4";

/** What the origin of the players has. */
const PAGES = {
  "/": "player/index.html",
  "/stage.js": "player/stage.js",
  "/players/hls.js": "node_modules/hls.js/dist/hls.min.js",
  "/players/shaka-player": "node_modules/shaka-player/dist/shaka-player.compiled.js",
  "/players/dash.js": "node_modules/dashjs/dist/modern/umd/dash.all.min.js",
};

// ---- A server of streams, one of pages, and a browser ----------------------

let scratch, library, server, pages, browser;

before(async () => {
  await makeClips([...CLIPS, REPLACEMENT]);
  scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-streams-"));
  library = path.join(scratch, "library");
  fs.mkdirSync(path.dirname(path.join(library, STRANGE)), { recursive: true });
  for (const clip of CLIPS) fs.copyFileSync(fileOf(clip), path.join(library, titleOf(clip)));
  fs.copyFileSync(fileOf(CLIPS[0]), path.join(library, STRANGE));
  fs.copyFileSync(fileOf(CLIPS[0]), path.join(library, REPLACED));

  server = await startServer(library, path.join(scratch, "data"), "streams.log");
  pages = await startPages();
  browser = await launchBrowser("--autoplay-policy=no-user-gesture-required");
});

after(async () => {
  await browser?.close();
  pages?.server.close();
  await server?.stop();
  if (scratch) fs.rmSync(scratch, { recursive: true });
});

/**
 * Serves PAGES. Not by playwright's routes: while there is one, playwright answers every CORS preflight
 * by itself and turns the browser's cache off.
 */
async function startPages() {
  const types = { ".js": "text/javascript", ".html": "text/html" };
  const server = createServer((request, response) => {
    const file = PAGES[request.url];
    if (!file) return response.writeHead(404).end();
    response.setHeader("Content-Type", types[path.extname(file)]);
    fs.createReadStream(path.join(import.meta.dirname, file)).pipe(response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { server, url: `http://127.0.0.1:${server.address().port}/` };
}

const titleOf = (clip) => `${clip.file}.mp4`;
const encoded = (title) => title.split("/").map(encodeURIComponent).join("/");
const urlOf = (title, view) => `${server.url}v/${encoded(title)}/${view}`;

/** A test with a page of its own, in which neither the player nor the browser may find anything to complain of. */
function inPlayer(name, body) {
  test(name, async () => {
    const context = await browser.newContext({ viewport: { width: 640, height: 420 } });
    const complaints = listenForComplaints(context);
    const page = await context.newPage();
    page.on("dialog", (dialog) => assert.fail(`a name became a script: ${dialog.message()}`));
    let where = "no player";
    const look = async () => { where = await page.evaluate(() => stage.describe()).catch(() => where); };
    const tooLate = setTimeout(() => look().then(() => context.close({ reason: "30 s were not enough" })), 30_000);
    try {
      await body(page, complaints);
    } catch (error) {
      await look();
      throw new Error([error.message, where, ...complaints].join("\n"), { cause: error });
    } finally {
      clearTimeout(tooLate);
      await context.close();
    }
    assert.deepEqual(complaints, []);
  });
}

/** Opens the page of a player and has it play a title. */
async function open(page, title, { name, player, view, options = {}, mayRead = true }) {
  await page.goto(pages.url);
  if (player !== "native") await page.addScriptTag({ url: `/players/${player}` });
  const order = [player, urlOf(title, view), options, mayRead, `${title} in ${name}`];
  await page.evaluate((order) => stage.play(...order), order);
  await plays(page, 0.3);
  await page.evaluate(() => stage.hasBegun());
}

// ---- What the tests say ----------------------------------------------------

/** Seconds within which sound and picture are at one: a viewer notices 45 ms of early sound (ITU-R BT.1359). */
const IN_STEP = 0.045;

/** The streams begin at 0, both of them, without a gap, and are as long as the clip. */
async function beginsAtZero(page, clip, { player }) {
  const { video, sourceBuffers } = await page.evaluate(() => stage.buffered());
  assert.deepEqual(video.map(([start]) => start), [0], "what is buffered is one range, which begins at 0");
  const duration = await page.evaluate(() => document.querySelector("video").duration);
  assert.ok(Math.abs(duration - clip.seconds) < 0.1, `it lasts ${clip.seconds} s, not ${duration} s`);
  if (player === "native") return;

  const kinds = sourceBuffers.map(({ type }) => type.split("/")[0]).sort();
  assert.deepEqual(kinds, clip.audio ? ["audio", "video"] : ["video"]);
  const starts = sourceBuffers.map(({ ranges }) => ranges[0][0]);
  assert.ok(Math.max(...starts) < IN_STEP, `the tracks begin at ${starts} s`);
}

/** It plays on for some time, with the sound decoded and with the pictures that belong to the time. */
async function playsOn(page, clip, seconds, { mayRead = true }) {
  const before = await page.evaluate(() => stage.decoded());
  await plays(page, seconds);
  if (mayRead) {
    const ahead = await page.evaluate((rate) => stage.numbersAhead(rate), FRAMES_PER_SECOND);
    assert.equal(ahead - clip.first, 0, "the pictures shown are this many away from those of their time");
  }
  const now = await page.evaluate(() => stage.decoded());
  assert.ok(now.video > before.video, "pictures are decoded");
  assert.equal(now.audio > before.audio, clip.audio !== null, "sound is decoded if there is any");
}

/** It comes to the end of all its tracks, and stays there. */
async function ends(page) {
  await page.waitForFunction(() => {
    const video = document.querySelector("video");
    return video.paused && !video.seeking && video.currentTime >= video.duration - 0.001;
  });
  const { sourceBuffers } = await page.evaluate(() => stage.buffered());
  const ends = sourceBuffers.map(({ ranges }) => ranges.at(-1)[1]);
  assert.ok(Math.max(...ends) - Math.min(...ends) < IN_STEP, `the tracks end at ${ends} s`);
}

const seek = (page, time) => page.evaluate((time) => stage.seek(time), time);

// ---- Playing ---------------------------------------------------------------

// Two pages at a time, on machines of two cores.
describe("streams", { concurrency: 2 }, () => {
  for (const clip of CLIPS) {
    for (const way of WAYS) {
      inPlayer(`${clip.name} plays in ${way.name} and can be sought`, async (page) => {
        await open(page, titleOf(clip), way);
        await beginsAtZero(page, clip, way);
        await playsOn(page, clip, 0.2, way);
        if (way === HLS_JS) await page.screenshot({ path: path.join(OUTPUT, `stream-${clip.file}.png`) });
        // The middle, over the twelfth second: for segments of 2, 3, 4 and 6 seconds alike a new one begins there.
        await seek(page, 11.7);
        await playsOn(page, clip, 0.6, way);
        await seek(page, clip.seconds - 1);
        await playsOn(page, clip, 0.2, way);
        await ends(page);
        await seek(page, 5.1);
        await playsOn(page, clip, 0.3, way);
        await seek(page, 0);
        await playsOn(page, clip, 0.3, way);
      });
    }
  }

  // ---- Names ---------------------------------------------------------------

  for (const way of WAYS) {
    inPlayer(`a title of strange characters plays in ${way.name}`, async (page) => {
      const asked = [];
      page.on("request", (request) => request.url().startsWith(server.url) && asked.push(new URL(request.url())));
      await open(page, STRANGE, way);
      await seek(page, 11.7);
      await playsOn(page, CLIPS[0], 0.2, way);
      assert.ok(asked.length > 0);
      for (const { pathname, search } of asked) {
        assert.equal(search, "");
        const segments = pathname.split("/").slice(1).map(decodeURIComponent);
        assert.deepEqual(segments.slice(0, 1 + STRANGE.split("/").length), ["v", ...STRANGE.split("/")]);
      }
    });
  }

  // ---- Other origins -------------------------------------------------------

  inPlayer("what a player says of itself in request headers passes the preflight", async (page) => {
    const said = [];
    page.on("request", (request) => said.push(request.headers()["cmcd-session"]));
    const cmcd = { sessionId: "6e2fb550-c457-11e9-bb97-0800200c9a66", contentId: "a clip", useHeaders: true };
    await open(page, titleOf(CLIPS[0]), { ...HLS_JS, options: { cmcd } });
    await playsOn(page, CLIPS[0], 0.2, HLS_JS);
    assert.ok(said.some((header) => header?.includes(cmcd.sessionId)));
  });

  // ---- Files that change ---------------------------------------------------

  inPlayer("a title replaced while it plays never mixes, and plays anew when reloaded", async (page, complaints) => {
    const manifest = async () => (await fetch(urlOf(REPLACED, HLS_JS.view))).text();
    const replace = async () => {
      const before = await manifest();
      const arriving = path.join(library, ".arriving.mp4");
      fs.copyFileSync(fileOf(REPLACEMENT), arriving);
      fs.renameSync(arriving, path.join(library, REPLACED));
      while (await manifest() === before);
    };
    const gone = (message) => /fragLoadError, .*404/.test(message.text());

    // What has been loaded plays on. What has not is gone, and nothing else comes in its place.
    await open(page, REPLACED, HLS_JS);
    await Promise.all([page.waitForEvent("console", gone), (async () => {
      await playsOn(page, CLIPS[0], 0.2, HLS_JS);
      await replace();
      await playsOn(page, CLIPS[0], 0.2, HLS_JS);
      await page.evaluate(() => void stage.seek(18));
    })()]);
    complaints.length = 0;

    await open(page, REPLACED, HLS_JS);
    await beginsAtZero(page, REPLACEMENT, HLS_JS);
    await seek(page, 7.7);
    await playsOn(page, REPLACEMENT, 0.6, HLS_JS);
  });
});
