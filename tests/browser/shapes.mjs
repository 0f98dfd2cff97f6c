// The shape of video in Chromium, where a file tells it elsewhere than in `pasp` and `tkhd`: every player shows
// the frames as it shows those of the file.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { startPages } from "./pages.mjs";
import { plays, Site } from "./site.mjs";

const WAYS = [
  { player: "native", view: "play.mp4" },
  { player: "native", view: "index.m3u8" },
  { player: "hls.js", view: "index.m3u8" },
  { player: "shaka-player", view: "manifest.mpd" },
  { player: "dash.js", view: "manifest.mpd" },
];

const ONE = 1 << 16;

/** How each title tells its shape, and the size of the video on the screen. */
const TITLES = [
  { title: "movie-turned.mp4", size: "72x128", patch: (movie) => setNumbers(movie, "mvhd", 40, [0, ONE, 0, -ONE, 0]) },
  {
    title: "wide-matrix.mp4",
    size: "256x72",
    patch: (movie) => { dropPasp(movie); setNumbers(movie, "tkhd", 44, [2 * ONE, 0, 0, 0, ONE]); },
  },
  {
    title: "wide-track.mp4",
    size: "171x72",
    patch: (movie) => { dropPasp(movie); setNumbers(movie, "tkhd", 80, [256 * ONE, 108 * ONE]); },
  },
  // Width and height of the sample entry are before its first box.
  { title: "entry-without-size.mp4", size: "128x72", patch: (movie) => setNumbers(movie, "avcC", -58, [0]) },
];

/** Overwrites 32-bit numbers at an offset from the type of the first box of this type. */
function setNumbers(movie, type, offset, numbers) {
  const at = movie.indexOf(type) + offset;
  numbers.forEach((number, index) => movie.writeInt32BE(number, at + 4 * index));
}

const dropPasp = (movie) => movie.write("free", movie.indexOf("pasp"));

let pages;

const site = new Site("shapes", async (site) => {
  const source = path.join(site.scratch, "source.mp4");
  const draw = ["-f", "lavfi", "-i", "testsrc2=size=128x72:rate=25:duration=4"];
  const encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"];
  const { status } = spawnSync("ffmpeg", ["-v", "error", ...draw, ...encode, source], { stdio: "inherit" });
  assert.equal(status, 0);
  for (const { title, patch } of TITLES) {
    const movie = fs.readFileSync(source);
    patch(movie);
    fs.writeFileSync(path.join(site.library, title), movie);
  }
  site.server = await site.serve();
  pages = await startPages();
  site.onEnd(() => pages.server.close());
});

for (const { title, size } of TITLES) {
  for (const { player, view } of WAYS) {
    test(`${title} has its shape in ${player} with ${view}`, { timeout: 60_000 }, async () => {
      const page = await site.browser.newPage();
      await page.goto(pages.url);
      if (player !== "native") await page.addScriptTag({ url: `/players/${player}` });
      const url = `${site.server.url}v/${title}/${view}`;
      await page.evaluate((parameters) => stage.play(...parameters), [player, url, {}, false, title]);
      await plays(page, 0.3);
      const shown = await page.evaluate(() => {
        const video = document.querySelector("video");
        return `${video.videoWidth}x${video.videoHeight}`;
      });
      assert.equal(shown, size);
      await page.close();
    });
  }
}
