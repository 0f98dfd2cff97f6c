// Playback of the page: where it begins, languages, captions, and what is remembered.
//
// Writes screenshots and the server's log to target/browser/.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { describe } from "node:test";
import { fileOf, makeClips, SMALLER, TITLE } from "./clips.mjs";
import { makeHomeLibrary } from "./home_library.mjs";
import { DESKTOP, PHONE, screenshot, Site } from "./site.mjs";
import { pause, play, playsAll, reaches, says, seek, state, watch } from "./viewer.mjs";

const CUES = "1\n00:00:00,000 --> 00:00:40,000\nGood evening\n";

const site = new Site("playback", async (site) => {
  await makeClips([TITLE, SMALLER]);
  const home = await makeHomeLibrary();
  const { library } = site;
  for (const title of ["Film", "Ladder"]) {
    fs.copyFileSync(fileOf(TITLE), path.join(library, `${title}.mp4`));
    fs.writeFileSync(path.join(library, `${title}.en.srt`), CUES);
    fs.writeFileSync(path.join(library, `${title}.de.srt`), CUES.replace("Good evening", "Guten Abend"));
  }
  fs.copyFileSync(fileOf(SMALLER), path.join(library, "Ladder.100p.mp4"));
  for (const title of ["Two languages.mp4", "Fargo, silent.mp4", "Brave.mp4", "Gravity.mp4", "Encrypted.mp4"]) fs.copyFileSync(path.join(home, title), path.join(library, title));
  site.server = await site.serve();
});

const inBrowser = (name, body, options = DESKTOP) => site.test(name, options, body);

const remembered = (page) => page.evaluate(async () => {
  const { positions } = await import(document.querySelector("script[type=module]").src.replace(/[^/]*$/, "memory.js"));
  return positions();
});

/** Waits for the cue on the screen, and returns its text. */
const cue = (page) => page.waitForFunction(() => {
  const shown = [...document.querySelector("video").textTracks].find(({ mode }) => mode === "showing");
  return shown?.activeCues?.[0]?.text;
}).then((text) => text.jsonValue());

/** Chooses from a menu of the player: the button, perhaps a page of its menu, and the choice. */
async function choose(page, button, ...names) {
  await page.locator(".stage").hover();
  await page.locator(".stage").getByRole("button", { name: button }).click();
  for (const name of names.slice(0, -1)) await page.getByRole("menuitem", { name }).click();
  await page.getByRole("menuitemradio", { name: names.at(-1) }).click();
}

describe("position", () => {
  inBrowser("a title resumes where it was left, and can begin again", async (page) => {
    await watch(page, "Film.mp4");
    await playsAll(page, "video audio");
    await seek(page, 25);
    await reaches(page, 25.2);
    await page.reload();
    await play(page);
    await says(page, /^Resumes at 0:2\d\.$/);
    await screenshot(page, "notice-resume");
    await reaches(page, 24.9);
    assert.ok((await state(page)).at < 30);
    assert.deepEqual((await remembered(page)).map(({ path }) => path), ["Film.mp4"]);
    await page.getByRole("button", { name: "From the start" }).click();
    await page.waitForFunction(() => document.querySelector("video").currentTime < 5);
    assert.deepEqual(await remembered(page), []);
  });

  inBrowser("neither the beginning nor the end of a title is remembered", async (page) => {
    await watch(page, "Film.mp4");
    await playsAll(page, "video audio");
    for (const seconds of [5, 39]) {
      await seek(page, seconds);
      await reaches(page, seconds);
      await pause(page);
      assert.deepEqual(await remembered(page), []);
    }
  });

  for (const [hash, seconds] of [["#t=12", 12], ["#t=0m13s", 13], ["#t=0:14", 14]]) {
    inBrowser(`${hash} begins at ${seconds} s`, async (page) => {
      await page.goto(`/watch/Film.mp4${hash}`);
      await page.waitForFunction((seconds) => Math.abs(document.querySelector("video").currentTime - seconds) < 0.5, seconds);
    });
  }
});

describe("captions and languages", () => {
  for (const title of ["Film.mp4", "Ladder.mp4"]) {
    inBrowser(`captions of ${title} are shown, and the language is remembered`, async (page) => {
      await watch(page, title);
      await playsAll(page, "video audio");
      const { source } = await state(page);
      assert.equal(source.startsWith("blob:"), title === "Ladder.mp4", source);
      await choose(page, "Captions", "Deutsch");
      assert.equal(await cue(page), "Guten Abend");
      await screenshot(page, `captions-${title}`);
      await page.reload();
      await play(page);
      assert.equal(await cue(page), "Guten Abend");
    });
  }

  inBrowser("the audio of two languages is a choice, and the language is remembered", async (page) => {
    await watch(page, "Two languages.mp4");
    await playsAll(page, "video audio");
    await choose(page, "Settings", "Audio", "Deutsch");
    const segment = page.waitForRequest(/\/audio-2\//);
    await page.reload();
    await segment;
  });
});

describe("what this browser does not decode", () => {
  inBrowser("HEVC is converted with one sentence and one bar", async (page) => {
    await watch(page, "Fargo, silent.mp4");
    await says(page, /^This browser has no decoder for HEVC Main\. The server is converting it to H\.264\.$/);
    assert.ok(await page.locator(".player-notice progress").isVisible());
    await screenshot(page, "notice-preparing");
    await playsAll(page, "video");
    await page.locator(".player-notice").waitFor({ state: "hidden" });
  });

  inBrowser("HEVC is converted on a phone", async (page) => {
    await watch(page, "Brave.mp4");
    await says(page, /^This browser has no decoder for HEVC/);
    await screenshot(page, "notice-preparing-phone-dark");
    await playsAll(page, "video audio");
  }, { ...PHONE, colorScheme: "dark" });

  inBrowser("a ladder whose segments do not play is played by play.mp4", async (page) => {
    await page.route(/\/init\.mp4$/, (route) => route.fulfill({ contentType: "video/mp4", body: "These bytes are no movie." }));
    await watch(page, "Ladder.mp4");
    await page.waitForFunction(() => /play\.mp4$/.test(document.querySelector("video").currentSrc));
    await play(page);
    await playsAll(page, "video audio");
    assert.ok(await page.locator(".player-notice").isHidden());
  });

  inBrowser("an encrypted title has the server's reason", async (page) => {
    await watch(page, "Encrypted.mp4");
    await says(page, /encrypted, and Headwater delivers no keys/);
    await screenshot(page, "notice-refused");
  });

  inBrowser("AC-3 is converted, and the video may begin without it", async (page) => {
    await watch(page, "Gravity.mp4");
    await page.getByRole("button", { name: "Play without sound" }).click();
    await playsAll(page, "video");
  });
});

describe("volume and speed", () => {
  inBrowser("they stay as they were", async (page) => {
    await watch(page, "Film.mp4");
    await playsAll(page, "video audio");
    await page.evaluate(() => Object.assign(document.querySelector("video"), { volume: 0.5, playbackRate: 1.5 }));
    await reaches(page, 2);
    await watch(page, "Two languages.mp4");
    await playsAll(page, "video audio");
    const kept = await page.evaluate(() => [document.querySelector("video").volume, document.querySelector("video").playbackRate]);
    assert.deepEqual(kept, [0.5, 1.5]);
  });
});
