// A library as people have at home: each title plays with video and audio, or the page says why not.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { after, before, describe } from "node:test";
import { makeHomeLibrary, TITLES } from "./home_library.mjs";
import { browserTest, DESKTOP, launchBrowser, startServer } from "./site.mjs";
import { notice, playsAll, says, state, watch } from "./viewer.mjs";

/** Ten seconds are the promise for an idle machine; here several tests and the encoders share one. */
const PLAYS_WITHIN_MS = 45_000;

let scratch, server, browser;

before(async () => {
  const library = await makeHomeLibrary();
  scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-home-"));
  server = await startServer(library, path.join(scratch, "data"), "home.log");
  browser = await launchBrowser("--autoplay-policy=no-user-gesture-required");
});

after(async () => {
  await browser?.close();
  await server?.stop();
  if (scratch) fs.rmSync(scratch, { recursive: true });
});

const inBrowser = (name, body) => browserTest(name, { browser: () => browser, server: () => server }, DESKTOP, body);

describe("at home", () => {
  for (const { name, plays, says: reason } of TITLES) {
    if (plays) {
      inBrowser(`${name} plays: ${plays}`, async (page) => {
        page.setDefaultTimeout(PLAYS_WITHIN_MS);
        const begun = Date.now();
        await watch(page, name);
        await playsAll(page, plays).catch(async (error) => {
          throw new Error(`${error.message}\n${JSON.stringify(await state(page))}\n${await notice(page)}`);
        });
        console.log(`${name}: 1 s of it after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
      });
    } else {
      inBrowser(`${name} does not play, and the page says why`, async (page) => {
        await watch(page, name);
        await says(page, reason);
        assert.doesNotMatch(await notice(page), /this browser/i);
      });
    }
  }
});
