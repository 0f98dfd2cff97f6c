// HLS and DASH in common players: hls.js, shaka-player, dash.js, and the browser's own. Their page has an
// origin of its own, so each of these tests covers CORS too.
//
// Writes a screenshot per pair of codecs and the server's log to target/browser/.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe, test } from "node:test";
import { CLIPS, FILE_AUDIO, fileOf, FRAMES_PER_SECOND, makeClips, REPLACEMENT } from "./clips.mjs";
import { startPages } from "./pages.mjs";
import { collectErrors, encodedPath, havePrepared, HOSTILE, OUTPUT, plays, Site } from "./site.mjs";

/** Each way to play: a view of the title and a player. */
const WAYS = [
  { name: "a plain <video> with HLS", player: "native", view: "index.m3u8", options: {}, mayRead: false },
  { name: "a CORS <video> with HLS", player: "native", view: "index.m3u8", options: { crossOrigin: "anonymous" } },
  { name: "hls.js", player: "hls.js", view: "index.m3u8" },
  { name: "shaka-player with HLS", player: "shaka-player", view: "index.m3u8" },
  { name: "shaka-player with DASH", player: "shaka-player", view: "manifest.mpd" },
  { name: "dash.js", player: "dash.js", view: "manifest.mpd" },
];
const HLS_JS = WAYS.find(({ player }) => player === "hls.js");

/** A title whose path works only if each of its segments is percent-encoded. */
const SPECIAL = `Été & amis/日本語 #1/100 % sûr?/a+b;c=d/${HOSTILE}`;
const REPLACED = "Replaced.mp4";

// ---- A server of streams, one of pages, and a browser ----------------------

let pages;

const site = new Site("streams", async (site) => {
  await makeClips([...CLIPS, ...FILE_AUDIO, REPLACEMENT]);
  const { library } = site;
  fs.mkdirSync(path.dirname(path.join(library, SPECIAL)), { recursive: true });
  for (const clip of [...CLIPS, ...FILE_AUDIO]) fs.copyFileSync(fileOf(clip), path.join(library, titleOf(clip)));
  fs.copyFileSync(fileOf(CLIPS[0]), path.join(library, SPECIAL));
  fs.copyFileSync(fileOf(CLIPS[0]), path.join(library, REPLACED));

  site.server = await site.serve();
  await havePrepared(site.server, FILE_AUDIO.map(titleOf));
  pages = await startPages();
  site.onEnd(() => pages.server.close());
});

const titleOf = (clip) => `${clip.file}.mp4`;
const urlOf = (title, view) => `${site.server.url}v/${encodedPath(title)}/${view}`;

/** Defines a test with its own page, which fails if the player or the browser reports an error. */
function inPlayer(name, body) {
  test(name, async () => {
    const context = await site.browser.newContext({ viewport: { width: 640, height: 420 } });
    const errors = collectErrors(context);
    const page = await context.newPage();
    page.on("dialog", (dialog) => assert.fail(`a file name ran as a script: ${dialog.message()}`));
    let state = "no player";
    const readState = async () => { state = await page.evaluate(() => stage.describe()).catch(() => state); };
    const timer = setTimeout(() => readState().then(() => context.close({ reason: "timeout after 30 s" })), 30_000);
    try {
      await body(page, errors);
    } catch (error) {
      await readState();
      throw new Error([error.message, state, ...errors].join("\n"), { cause: error });
    } finally {
      clearTimeout(timer);
      await context.close();
    }
    assert.deepEqual(errors, []);
  });
}

/** Opens the page of a player and plays a title. */
async function open(page, title, { name, player, view, options = {}, mayRead = true }) {
  await page.goto(pages.url);
  if (player !== "native") await page.addScriptTag({ url: `/players/${player}` });
  const parameters = [player, urlOf(title, view), options, mayRead, `${title} in ${name}`];
  await page.evaluate((parameters) => stage.play(...parameters), parameters);
  await plays(page, 0.3);
  await page.evaluate(() => stage.hasBegun());
}

// ---- Assertions ----------------------------------------------------

/** The largest audio-video offset in seconds: viewers notice audio that is 45 ms early (ITU-R BT.1359). */
const SYNC_TOLERANCE_S = 0.045;

/** Both streams begin at 0, have no gap, and are as long as the clip. */
async function beginsAtZero(page, clip, { player }) {
  const { video, sourceBuffers } = await page.evaluate(() => stage.buffered());
  assert.deepEqual(video.map(([start]) => start), [0], "the buffer is one range that begins at 0");
  const duration = await page.evaluate(() => document.querySelector("video").duration);
  assert.ok(Math.abs(duration - clip.seconds) < 0.1, `the duration is ${duration} s, not ${clip.seconds} s`);
  if (player === "native") return;

  const kinds = sourceBuffers.map(({ type }) => type.split("/")[0]).sort();
  assert.deepEqual(kinds, clip.audio ? ["audio", "video"] : ["video"]);
  const starts = sourceBuffers.map(({ ranges }) => ranges[0][0]);
  assert.ok(Math.max(...starts) < SYNC_TOLERANCE_S, `the tracks begin at ${starts} s`);
}

/** Playback continues, the audio is decoded, and each frame belongs to its time. */
async function playsOn(page, clip, seconds, { mayRead = true }) {
  const before = await page.evaluate(() => stage.decoded());
  await plays(page, seconds);
  if (mayRead) {
    const ahead = await page.evaluate((rate) => stage.numbersAhead(rate), FRAMES_PER_SECOND);
    assert.equal(ahead - clip.first, 0, "the frames on the screen are this many off their time");
  }
  // The browser updates these counters some time after it has decoded.
  await page.waitForFunction(([before, hasAudio]) => {
    const now = stage.decoded();
    return now.video > before.video && (!hasAudio || now.audio > before.audio);
  }, [before, clip.audio !== null]);
  if (!clip.audio) assert.equal((await page.evaluate(() => stage.decoded())).audio, before.audio, "the clip has no audio");
}

/** Playback reaches the end of all tracks and stops. */
async function ends(page) {
  await page.waitForFunction(() => {
    const video = document.querySelector("video");
    const isAtEnd = video.currentTime >= video.duration - 0.001;
    // On a busy machine dash.js jumps to the end, back again, and stops there.
    if (video.paused && !video.seeking && !isAtEnd) video.play().catch(() => {});
    return video.paused && !video.seeking && isAtEnd;
  });
  const { sourceBuffers } = await page.evaluate(() => stage.buffered());
  const ends = sourceBuffers.map(({ ranges }) => ranges.at(-1)[1]);
  assert.ok(Math.max(...ends) - Math.min(...ends) < SYNC_TOLERANCE_S, `the tracks end at ${ends} s`);
}

const seek = (page, time) => page.evaluate((time) => stage.seek(time), time);

// ---- Playing ---------------------------------------------------------------

// Two pages at a time, for machines with two cores.
describe("streams", { concurrency: 2 }, () => {
  for (const clip of [...CLIPS, ...FILE_AUDIO]) {
    for (const way of WAYS) {
      inPlayer(`${clip.name} plays and seeks in ${way.name}`, async (page) => {
        await open(page, titleOf(clip), way);
        await beginsAtZero(page, clip, way);
        await playsOn(page, clip, 0.2, way);
        if (way === HLS_JS) await page.screenshot({ path: path.join(OUTPUT, `stream-${clip.file}.png`) });
        // Across the twelfth second, where a segment begins for durations of 2, 3, 4 and 6 seconds.
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
    inPlayer(`a title with special characters plays in ${way.name}`, async (page) => {
      const requested = [];
      page.on("request", (request) => request.url().startsWith(site.server.url) && requested.push(new URL(request.url())));
      await open(page, SPECIAL, way);
      await seek(page, 11.7);
      await playsOn(page, CLIPS[0], 0.2, way);
      assert.ok(requested.length > 0);
      for (const { pathname, search } of requested) {
        assert.equal(search, "");
        const segments = pathname.split("/").slice(1).map(decodeURIComponent);
        assert.deepEqual(segments.slice(0, 1 + SPECIAL.split("/").length), ["v", ...SPECIAL.split("/")]);
      }
    });
  }

  // ---- Other origins -------------------------------------------------------

  inPlayer("CMCD request headers pass the preflight", async (page) => {
    const sessions = [];
    page.on("request", (request) => sessions.push(request.headers()["cmcd-session"]));
    const cmcd = { sessionId: "6e2fb550-c457-11e9-bb97-0800200c9a66", contentId: "a clip", useHeaders: true };
    await open(page, titleOf(CLIPS[0]), { ...HLS_JS, options: { cmcd } });
    await playsOn(page, CLIPS[0], 0.2, HLS_JS);
    assert.ok(sessions.some((header) => header?.includes(cmcd.sessionId)));
  });

  // ---- Replaced files ---------------------------------------------------

  inPlayer("a title replaced during playback never mixes, and plays after a reload", async (page, errors) => {
    const manifest = async () => (await fetch(urlOf(REPLACED, HLS_JS.view))).text();
    const replace = async () => {
      const before = await manifest();
      const arriving = path.join(site.library, ".arriving.mp4");
      fs.copyFileSync(fileOf(REPLACEMENT), arriving);
      fs.renameSync(arriving, path.join(site.library, REPLACED));
      while (await manifest() === before);
    };
    const gone = (message) => /fragLoadError, .*404/.test(message.text());

    // Loaded segments keep playing. Others are 404, and the new file never takes their place.
    await open(page, REPLACED, HLS_JS);
    await Promise.all([page.waitForEvent("console", gone), (async () => {
      await playsOn(page, CLIPS[0], 0.2, HLS_JS);
      await replace();
      await playsOn(page, CLIPS[0], 0.2, HLS_JS);
      await page.evaluate(() => void stage.seek(18));
    })()]);
    errors.length = 0;

    await open(page, REPLACED, HLS_JS);
    await beginsAtZero(page, REPLACEMENT, HLS_JS);
    await seek(page, 7.7);
    await playsOn(page, REPLACEMENT, 0.6, HLS_JS);
  });
});
