// A library in a bucket, and what the page says while the bucket is away.

import assert from "node:assert/strict";
import * as path from "node:path";
import { startBucket } from "./bucket_server.mjs";
import { DESKTOP, findsNoViolation, PHONE, ROOT, screenshot, Site } from "./site.mjs";
import { playsAll, says, watch } from "./viewer.mjs";

let bucket;

const site = new Site("buckets", async (site) => {
  bucket = await startBucket([["Clock.mp4", path.join(ROOT, "media/Clock.mp4")]]);
  site.onEnd(() => bucket.stop());
  bucket.isAway = true;
  site.server = await site.serve({
    library: `s3://${bucket.name}`,
    settings: {
      AWS_ENDPOINT_URL: bucket.endpoint, AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test",
      HEADWATER_BUCKET_DEADLINE_MS: "1000", HEADWATER_BUCKET_AHEAD_MIB: "0", HEADWATER_LOCAL_WORKER: "false",
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
