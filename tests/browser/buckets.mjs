// A library in a bucket, and what the page says while the bucket is away.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import { startBucket } from "./bucket_server.mjs";
import { DESKTOP, findsNoViolation, PHONE, ROOT, screenshot, Site } from "./site.mjs";
import { playsAll, reaches, says, state, watch } from "./viewer.mjs";

/** More than any buffer holds: a minute of noise, for play.mp4, and with a second height for HLS. */
const LONG = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=60,noise=alls=40:allf=t", "-f", "lavfi", "-i", "sine=duration=60",
  "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-b:v", "4M", "-c:a", "aac"];
const TITLES = ["Single.mp4", "Ladder.mp4"];

let bucket;

const site = new Site("buckets", async (site) => {
  const made = [["Single.mp4", 180], ["Ladder.mp4", 180], ["Ladder.100p.mp4", 100]].map(([name, height]) => {
    const file = path.join(site.scratch, String(name));
    const { status } = spawnSync("ffmpeg", ["-v", "error", ...LONG, "-vf", `scale=-2:${height}`, file], { stdio: "inherit" });
    assert.equal(status, 0);
    return [name, file];
  });
  bucket = await startBucket([...made, ["Clock.mp4", path.join(ROOT, "media/Clock.mp4")]]);
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

const AWAY = /^The library is not available: .*bucket.*\.$/;

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

for (const title of TITLES) {
  inBrowser(`${title} goes on when the bucket is back`, DESKTOP, async (page) => {
    bucket.isAway = false;
    await watch(page, title);
    await playsAll(page, "video audio");
    bucket.isAway = true;
    // Behind what the browser and the cache have.
    await page.evaluate(() => { document.querySelector("video").currentTime = 50; });
    await says(page, /bucket.*Trying again…$/);
    await screenshot(page, `bucket-away-${title}`);
    bucket.isAway = false;
    await page.locator(".player-notice").waitFor({ state: "hidden" });
    await reaches(page, 51);
    assert.equal((await state(page)).isPaused, false);
  });
}
