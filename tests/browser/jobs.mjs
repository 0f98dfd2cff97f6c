// Jobs on the page: renditions of a title, the indicator in the header, and the list of jobs.
//
// Writes screenshots and the servers' logs to target/browser/.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { DESKTOP, PHONE, plays, ROOT, screenshot, Site } from "./site.mjs";

// ---- A server, a server without a worker, and a browser ---------------------

let idle;

const site = new Site("jobs", async (site) => {
  fs.cpSync(path.join(ROOT, "media"), site.library, { recursive: true });
  site.server = await site.serve();
  idle = await site.serve({ name: "idle", settings: { HEADWATER_LOCAL_WORKER: "false" } });
});

const inBrowser = (name, options, body) => site.test(name, options, body);
const withoutWorker = (name, options, body) => site.test(name, options, body, () => idle);

// ---- Jobs ------------------------------------------------------------------

inBrowser("a rendition job runs, shows its progress, and adds a quality", DESKTOP, async (page) => {
  await page.goto("/watch/Clock.mp4");
  await plays(page, 0);
  await page.getByText("Add renditions…").click();
  await page.getByRole("checkbox", { name: "240p" }).check();
  await page.getByRole("button", { name: "Transcode", exact: true }).click();
  await page.locator("#jobs-link").click();
  const job = (state) => page.locator(`#jobs .job[data-state="${state}"]`).filter({ hasText: "Rendition 240p" });
  // On a fast machine the job may be done before the first look.
  const indicator = await page.waitForFunction(() => {
    const isRunning = document.querySelector("#jobs .job progress:not([hidden])")?.value > 0;
    const word = document.getElementById("jobs-word").textContent;
    return isRunning ? word : document.querySelector('#jobs .job[data-state="done"]') && "Jobs";
  });
  assert.match(await indicator.jsonValue(), /^(1 running · \d+\s?%|Jobs)$/);
  await screenshot(page, "job-running");
  await job("done").waitFor({ timeout: 60_000 });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Switch now" }).click();
  await page.waitForFunction(() => document.querySelector("video").readyState > 0);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("menuitem", { name: /^Quality/ }).click();
  await page.getByRole("menuitemradio", { name: "240p" }).click();
  await page.waitForFunction(() => document.querySelector("video").videoHeight === 240);
});

for (const [screen, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  withoutWorker(`a job is created, queued, cancelled and retried: ${screen}`, options, async (page) => {
    const height = screen === "desktop" ? "360p" : "240p";
    const job = (state) => page.locator(`#jobs .job[data-state="${state}"]`).filter({ hasText: `Rendition ${height}` });
    await page.goto("/watch/Clock.mp4");
    await page.getByText("Add renditions…").click();
    await page.getByLabel(height).check();
    await page.getByRole("button", { name: "Transcode", exact: true }).click();
    await page.locator("#title-jobs .job").filter({ hasText: height }).waitFor();

    await page.locator("#jobs-link").click();
    await page.getByRole("dialog", { name: "Jobs" }).waitFor();
    assert.match(page.url(), /#jobs$/);
    const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
    await job("queued").getByRole("button", { name: "Cancel" }).press("Enter");
    await job("cancelled").getByRole("button", { name: "Retry" }).waitFor();
    assert.equal(await focused(), "Retry: Clock.mp4", "the focus stays with the job");
    await page.keyboard.press("Enter");
    await job("queued").getByRole("button", { name: "Cancel" }).waitFor();
    assert.equal(await focused(), "Cancel: Clock.mp4");
    await screenshot(page, `jobs-${screen}`);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Jobs" }).waitFor({ state: "hidden" });
    await page.waitForFunction(() => !location.hash);
  });
}

withoutWorker("a job that another client creates and cancels appears on the page", DESKTOP, async (page) => {
  await page.goto("/#jobs");
  const jobs = page.locator("#jobs .job").filter({ hasText: "Portrait.mp4" });
  const headers = { "Content-Type": "application/json" };
  const request = { kind: "rendition", title: "Portrait.mp4", height: 240, codec: "h264" };
  const { id } = await (await fetch(`${idle.url}api/jobs`, { method: "POST", headers, body: JSON.stringify(request) })).json();
  await jobs.filter({ hasText: "queued" }).waitFor();
  await fetch(`${idle.url}api/jobs/${id}/cancel`, { method: "POST", headers });
  await jobs.filter({ hasText: "cancelled" }).waitFor();
});

withoutWorker("the page asks for the API token if changes need it", DESKTOP, async (page, errors) => {
  const credentials = [];
  await page.route("**/api/jobs", (route) => {
    if (route.request().method() !== "POST") return route.continue();
    credentials.push(route.request().headers().authorization);
    const problem = { type: "/errors/unauthorized", title: "missing or invalid API token", status: 401 };
    return route.fulfill({ status: 401, contentType: "application/problem+json", json: problem });
  });
  await page.goto("/watch/Clock.mp4");
  const start = async () => {
    await page.getByText("Add renditions…").click();
    await page.getByRole("checkbox", { name: "360p" }).check();
    await page.getByRole("button", { name: "Transcode", exact: true }).click();
    await page.getByText("Changes need the API token of this server.").waitFor();
  };
  await start();
  await page.getByLabel("API token").fill("correct-horse-battery-staple");
  await page.getByRole("button", { name: "Use token" }).click();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Transcode", exact: true }).click();
  await page.getByText("Changes need the API token of this server.").waitFor();
  assert.deepEqual(credentials, [undefined, "Bearer correct-horse-battery-staple"]);
  assert.match(errors.splice(0).join(), /401/);
});
