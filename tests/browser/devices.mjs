// Another device: the page of a server that listens on all addresses, without a token. It plays what this machine
// plays, and changes nothing.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { networkInterfaces } from "node:os";
import * as path from "node:path";
import { makeHomeLibrary } from "./home_library.mjs";
import { DESKTOP, PHONE, screenshot, Site } from "./site.mjs";
import { playsAll, says, watch } from "./viewer.mjs";

/** The address of this machine as other devices know it; without a network, one that is not the usual one. */
const HOST = Object.values(networkInterfaces()).flat()
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.2";

const site = new Site("devices", async (site) => {
  const home = await makeHomeLibrary();
  for (const title of ["Arrival.mp4", "Brave.mp4", "Kino.avi", "Gravity.mp4"]) fs.copyFileSync(path.join(home, title), path.join(site.library, title));
  const server = await site.serve({ listen: "0.0.0.0:0" });
  site.server = { ...server, url: server.url.replace("127.0.0.1", HOST) };
});

for (const [title, sentence] of [["Brave.mp4", /^This browser has no decoder for HEVC/], ["Kino.avi", /^Browsers do not play this kind of file/], ["Gravity.mp4", /^This browser has no decoder for AC-3/]]) {
  site.test(`${title} plays on another device`, PHONE, async (page) => {
    await watch(page, title);
    await says(page, sentence);
    // The player shows the progress, and the page does not show it again.
    assert.equal(await page.locator("#title-jobs .job").count(), 0);
    await screenshot(page, `device-${title}`);
    await playsAll(page, "video audio");
    assert.ok(await page.locator("#update").isHidden(), "what has just been made plays already");
  });
}

site.test("another device is offered nothing that it may not do", DESKTOP, async (page) => {
  await page.goto("/watch/Brave.mp4");
  await page.locator("#facts .fact").first().waitFor();
  assert.ok(await page.getByText("Add renditions…").isHidden());
  await page.locator("#jobs-link").click();
  await page.locator("#jobs .job").first().waitFor();
  await screenshot(page, "device-jobs");
  assert.equal(await page.getByRole("button", { name: /^(Cancel|Retry)/ }).count(), 0);
});
