// Unusual but right files in Chromium: each plays, seeks and ends in hls.js, in shaka-player and as play.mp4, without
// an error, a stall or a gap that the player must jump. docs/formats.md lists their kinds.
//
// The files are those of a folder beside the project; without it, there is nothing to test here. The tests of
// tests/it/formats make files of the same kinds themselves, and compare the streams frame by frame.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe, test } from "node:test";
import { startPages } from "./pages.mjs";
import { collectErrors, encodedPath, havePrepared, plays, ROOT, Site } from "./site.mjs";

const LIBRARY = path.resolve(ROOT, "../shared/cases/media");

const WAYS = [
  { player: "native", view: "play.mp4" },
  { player: "hls.js", view: "index.m3u8" },
  { player: "shaka-player", view: "manifest.mpd" },
];

/** What cannot play here, and why. */
const ELSEWHERE = {
  "a1_hevc_cra_rap.mp4": "HEVC",
  "k20_mpeg4.mp4": "MPEG-4 Visual",
  "d8_tfdt_wrap32.mp4": "four days long",
  "i1b_reference_movie.mov": "its media is in another file",
};

/** What shaka-player reports where the video of a file begins some frames behind its audio, as ffmpeg writes fragments. */
const START_JUMPED = "shaka-player: jumped a gap";

const isMovie = (name) => /\.(mp4|mov)$/.test(name) && !(name in ELSEWHERE);
const TITLES = fs.existsSync(LIBRARY) ? fs.readdirSync(LIBRARY).filter(isMovie) : [];

let pages;

const site = new Site("kinds", async (site) => {
  if (TITLES.length === 0) return;
  site.server = await site.serve({ library: LIBRARY });
  await havePrepared(site.server, TITLES);
  pages = await startPages();
  site.onEnd(() => pages.server.close());
});

describe("unusual files", { concurrency: 2 }, () => {
  for (const title of TITLES) {
    for (const { player, view } of WAYS) {
      test(`${title} plays, seeks and ends in ${player} with ${view}`, { timeout: 60_000 }, async () => {
        const context = await site.browser.newContext();
        const errors = collectErrors(context);
        const page = await context.newPage();
        await page.goto(pages.url);
        if (player !== "native") await page.addScriptTag({ url: `/players/${player}` });
        const url = `${site.server.url}v/${encodedPath(title)}/${view}`;
        await page.evaluate((parameters) => stage.play(...parameters), [player, url, {}, false, title]);
        await plays(page, 0.3);
        await page.evaluate(() => stage.hasBegun());
        const duration_s = await page.evaluate(() => document.querySelector("video").duration);
        await page.evaluate((time) => stage.seek(time), 0.6 * duration_s);
        await plays(page, 0.3);
        await page.evaluate((time) => stage.seek(time), duration_s - 0.7);
        await page.waitForFunction(() => document.querySelector("video").ended);
        await context.close();
        // A later jump is a seek without a request, too.
        if (errors[0] === START_JUMPED) errors.shift();
        assert.deepEqual(errors, []);
      });
    }
  }
});
