// A library as people have at home: each title plays with video and audio, or the page says why not.
//
//   TIMED=1  holds the page to its promise for an idle machine, and prints how long each title took

import assert from "node:assert/strict";
import { describe } from "node:test";
import { makeHomeLibrary, TITLES } from "./home_library.mjs";
import { DESKTOP, Site } from "./site.mjs";
import { notice, playsAll, says, state, watch } from "./viewer.mjs";

/** The promise for an idle machine: the first second has played, or the page says why not. */
const PROMISE_MS = { plays: 10_000, says: 2000 };
/** Usually several tests and the encoders share one machine. */
const PLAYS_WITHIN_MS = 45_000;

const isTimed = Boolean(process.env.TIMED);

/** Waits for what a title does, and says how long that took; in a timed run it must keep the promise. */
async function timed(name, promise, what) {
  const begun = performance.now();
  await what();
  const ms = performance.now() - begun;
  console.log(`${name}: ${promise} after ${(ms / 1000).toFixed(1)} s`);
  if (isTimed) assert.ok(ms <= PROMISE_MS[promise], `${promise} within ${PROMISE_MS[promise]} ms`);
}

const site = new Site("home", async (site) => {
  site.server = await site.serve({ library: await makeHomeLibrary() });
});

const inBrowser = (name, body) => site.test(name, DESKTOP, body);

describe("at home", () => {
  for (const { name, plays, says: reason } of TITLES) {
    if (plays) {
      inBrowser(`${name} plays: ${plays}`, async (page) => {
        page.setDefaultTimeout(PLAYS_WITHIN_MS);
        await timed(name, "plays", async () => {
          await watch(page, name);
          await playsAll(page, plays).catch(async (error) => {
            throw new Error(`${error.message}\n${JSON.stringify(await state(page))}\n${await notice(page)}`);
          });
        });
      });
    } else {
      inBrowser(`${name} does not play, and the page says why`, async (page) => {
        await timed(name, "says", async () => {
          await watch(page, name);
          await says(page, reason);
        });
        assert.doesNotMatch(await notice(page), /this browser/i);
      });
    }
  }
});
