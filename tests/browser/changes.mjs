// Changes while a title plays: the file is replaced or removed, the server goes away and comes back.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe } from "node:test";
import { CLIPS, fileOf, LONG, LONG_SMALLER, makeClips, REPLACEMENT, SLOW } from "./clips.mjs";
import { DESKTOP, freePort, screenshot, Site } from "./site.mjs";
import { assertOnly, goesOn, pause, play, playsAll, reaches, says, seek, state, watch } from "./viewer.mjs";

/** By play.mp4, and by HLS because it is a ladder. */
const TITLES = ["single.mp4", "ladder.mp4"];

/** Debian's Chromium has no decoder for it, and to convert it takes the server some seconds. */
const UNDECODABLE = "hevc.mp4";
const HEVC = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=90", "-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
  "-x265-params", "log-level=error", "-tag:v", "hvc1"];

let listen;

const site = new Site("changes", async ({ scratch, library }) => {
  await makeClips([CLIPS[0], REPLACEMENT, LONG, LONG_SMALLER]);
  for (const title of TITLES) put(LONG, title);
  put(LONG_SMALLER, TITLES[1].replace(".mp4", ".100p.mp4"));
  const ffmpeg = spawnSync("ffmpeg", ["-v", "error", ...HEVC, path.join(scratch, UNDECODABLE)], { stdio: "inherit" });
  assert.equal(ffmpeg.status, 0);
  for (const title of ["replaced.mp4", "removed.mp4", "twice.mp4"]) put(CLIPS[0], title);
  listen = `127.0.0.1:${await freePort()}`;
  await start();
});

/** The same address each time: the page comes back to the server that it knows. */
async function start() {
  site.server = await site.serve({ listen, settings: SLOW });
}

/** Copies a clip into the library, in one step. */
const put = (clip, title) => putFile(fileOf(clip), title);

function putFile(file, title) {
  const arriving = path.join(site.scratch, "arriving.mp4");
  fs.copyFileSync(file, arriving);
  fs.renameSync(arriving, path.join(site.library, title));
}

const inBrowser = (name, body) => site.test(name, DESKTOP, body);

const ABSENT = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|ERR_NETWORK|ERR_INTERNET_DISCONNECTED|\b404\b|\b503\b/;

describe("while watching", () => {
  inBrowser("a replaced file plays from the same time on", async (page, errors) => {
    await watch(page, "replaced.mp4");
    await playsAll(page, "video audio", 2);
    put(REPLACEMENT, "replaced.mp4");
    await says(page, "The file was replaced.");
    await page.waitForFunction(() => {
      const { duration, readyState, seeking } = document.querySelector("video");
      return Math.abs(duration - 12) < 0.5 && readyState > 2 && !seeking;
    });
    const { at } = await state(page);
    assert.ok(at > 1, `it begins at ${at} s`);
    await reaches(page, at + 0.5);
    assertOnly(errors, ABSENT);
  });

  inBrowser("a file that is replaced while it is converted for the browser plays as the new one", async (page, errors) => {
    await watch(page, "twice.mp4");
    await playsAll(page, "video audio");
    putFile(path.join(site.scratch, UNDECODABLE), "twice.mp4");
    await says(page, "no decoder for HEVC");
    put(REPLACEMENT, "twice.mp4");
    await page.waitForFunction(() => {
      const { duration, readyState, seeking } = document.querySelector("video");
      return Math.abs(duration - 12) < 0.5 && readyState > 2 && !seeking;
    });
    const notice = page.locator(".player-notice");
    assert.doesNotMatch(await notice.textContent(), /HEVC/);
    await notice.waitFor({ state: "hidden" });
    assertOnly(errors, ABSENT);
  });

  inBrowser("a removed file has a notice, and plays when it is back", async (page, errors) => {
    await watch(page, "removed.mp4");
    await playsAll(page, "video audio");
    fs.renameSync(path.join(site.library, "removed.mp4"), path.join(site.scratch, "kept.mp4"));
    await says(page, "This title was moved or deleted.");
    fs.renameSync(path.join(site.scratch, "kept.mp4"), path.join(site.library, "removed.mp4"));
    await page.locator(".player-notice").waitFor({ state: "hidden" });
    const { at } = await state(page);
    await reaches(page, Math.min(at + 0.5, 19));
    assertOnly(errors, ABSENT);
  });

  inBrowser("a title that is not there yet plays when it is", async (page, errors) => {
    await page.goto("/watch/late.mp4");
    await says(page, "This title is not in the library.");
    await screenshot(page, "not-there");
    put(CLIPS[0], "late.mp4");
    await page.locator(".player-notice").waitFor({ state: "hidden" });
    await play(page);
    await playsAll(page, "video audio");
    assert.ok(await page.getByRole("link", { name: "Download" }).isVisible());
    assertOnly(errors, ABSENT);
  });

  for (const title of TITLES) {
    for (const isPaused of [false, true]) {
      inBrowser(`${title} ${isPaused ? "stays paused" : "continues"} when the server is back`, async (page, errors) => {
        await watch(page, title);
        await playsAll(page, "video audio");
        if (isPaused) await pause(page);
        await site.server.kill();
        await seek(page, 100);
        await says(page, "The server does not respond. Reconnecting…").finally(start);
        await goesOn(page, 100, { isPaused });
        assertOnly(errors, ABSENT);
      });
    }

    inBrowser(`${title} continues in a frame when the server is back`, async (page, errors) => {
      await page.goto(`/embed/${title}`);
      await play(page);
      await playsAll(page, "video audio");
      await site.server.kill();
      await seek(page, 100);
      await says(page, "Reconnecting…").finally(start);
      await screenshot(page, `embed-away-${title}`);
      await goesOn(page, 100);
      assertOnly(errors, ABSENT);
    });

    inBrowser(`${title} continues when the device is online again`, async (page, errors) => {
      await watch(page, title);
      await playsAll(page, "video audio");
      await page.context().setOffline(true);
      await seek(page, 100);
      await says(page, "This device is offline. Reconnecting…");
      await screenshot(page, `offline-${title}`);
      await page.context().setOffline(false);
      await goesOn(page, 100);
      assertOnly(errors, ABSENT);
    });
  }
});

inBrowser("a list says that the server does not respond, and is there when it is back", async (page, errors) => {
  await page.goto("/");
  await page.locator("#titles .name").first().waitFor();
  await site.server.kill();
  await page.getByRole("searchbox").fill("ladder");
  const alert = page.getByRole("alert").filter({ hasText: "The server does not respond." });
  await alert.waitFor().finally(start);
  await screenshot(page, "list-away");
  await alert.waitFor({ state: "hidden" });
  await page.locator("#titles .name").getByText("ladder").waitFor();
  assertOnly(errors, ABSENT);
});
