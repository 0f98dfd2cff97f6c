// A library in a bucket, and what the page says while the bucket is away.

import assert from "node:assert/strict";
import * as path from "node:path";
import { startBucket } from "./bucket_server.mjs";
import { fileOf, LONG, LONG_SMALLER, makeClips, SLOW } from "./clips.mjs";
import { DESKTOP, findsNoViolation, PHONE, ROOT, screenshot, Site } from "./site.mjs";
import { goesOn, pause, playsAll, says, seek, watch } from "./viewer.mjs";

/** By play.mp4 and by HLS. Each test has a title that no cache knows. */
const TITLES = [
  { title: "Single.mp4", isPaused: false },
  { title: "Ladder.mp4", isPaused: false },
  { title: "Single, paused.mp4", isPaused: true },
  { title: "Ladder, paused.mp4", isPaused: true },
];

let bucket;

const site = new Site("buckets", async (site) => {
  await makeClips([LONG, LONG_SMALLER]);
  const files = TITLES.flatMap(({ title }) => {
    const smaller = [title.replace(".mp4", ".100p.mp4"), fileOf(LONG_SMALLER)];
    return [[title, fileOf(LONG)], ...(title.startsWith("Ladder") ? [smaller] : [])];
  });
  bucket = await startBucket([...files, ["Clock.mp4", path.join(ROOT, "media/Clock.mp4")]]);
  site.onEnd(() => bucket.stop());
  bucket.isAway = true;
  site.server = await site.serve({
    library: `s3://${bucket.name}`,
    settings: {
      AWS_ENDPOINT_URL: bucket.endpoint, AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test",
      HEADWATER_BUCKET_DEADLINE_MS: "1000", HEADWATER_BUCKET_AHEAD_MIB: "0", HEADWATER_LOCAL_WORKER: "false", ...SLOW,
    },
  });
});

/** Refused requests, and posters without a worker. */
const REFUSED = /\b(503|202)\b|ERR_/;

const inBrowser = (name, options, body) => site.test(name, options, async (page, errors) => {
  await body(page);
  assert.deepEqual(errors.splice(0).filter((error) => !REFUSED.test(error)), []);
});

const AWAY = /^Titles may be missing or not play: .*bucket.*\.$/;

inBrowser("the library says why it has no titles, and has them when the bucket is back", DESKTOP, async (page) => {
  bucket.isAway = true;
  await page.goto("/");
  await page.getByRole("status").filter({ hasText: AWAY }).waitFor();
  assert.ok(await page.getByText("The library is empty.").isHidden());
  await findsNoViolation(page, "bucket away");
  await screenshot(page, "bucket-away");
  const other = await page.context().newPage();
  await other.setViewportSize(PHONE.viewport);
  await watch(other, "Clock.mp4");
  await says(other, /Trying again…$/);
  await screenshot(other, "bucket-away-watch");
  bucket.isAway = false;
  await page.locator("#titles .name").getByText("Clock").waitFor();
  assert.ok(await page.locator("#unavailable").isHidden());
  await playsAll(other, "video audio");
});

for (const { title, isPaused } of TITLES) {
  const does = isPaused ? "stays paused" : "goes on";
  inBrowser(`${title} ${does} where it was when the bucket is back`, DESKTOP, async (page) => {
    bucket.isAway = false;
    await watch(page, title);
    await playsAll(page, "video audio");
    if (isPaused) await pause(page);
    bucket.isAway = true;
    await seek(page, 90);
    await says(page, /bucket.*Trying again…$/);
    await screenshot(page, `bucket-away-${title}`);
    bucket.isAway = false;
    await goesOn(page, 90, { isPaused });
  });
}
