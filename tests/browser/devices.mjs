// Another device: the page of a server that listens on all addresses, without a token. It plays what this machine
// plays, and changes nothing.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import * as path from "node:path";
import { after, before } from "node:test";
import { makeHomeLibrary } from "./home_library.mjs";
import { browserTest, DESKTOP, launchBrowser, OUTPUT, PHONE, startServer } from "./site.mjs";
import { playsAll, says, watch } from "./viewer.mjs";

/** The address of this machine as other devices know it; without a network, one that is not the usual one. */
const HOST = Object.values(networkInterfaces()).flat()
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.2";

let scratch, server, browser;

before(async () => {
  const home = await makeHomeLibrary();
  scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-devices-"));
  const library = path.join(scratch, "library");
  fs.mkdirSync(library);
  for (const title of ["Arrival.mp4", "Brave.mp4", "Elf.mkv", "Gravity.mp4"]) fs.copyFileSync(path.join(home, title), path.join(library, title));
  server = await startServer(library, path.join(scratch, "data"), "devices.log", {}, "0.0.0.0:0");
  server.url = server.url.replace("127.0.0.1", HOST);
  browser = await launchBrowser("--autoplay-policy=no-user-gesture-required");
});

after(async () => {
  await browser?.close();
  await server?.stop();
  if (scratch) fs.rmSync(scratch, { recursive: true });
});

const inBrowser = (name, options, body) =>
  browserTest(name, { browser: () => browser, server: () => server }, options, body);

const screenshot = (page, name) => page.screenshot({ path: path.join(OUTPUT, `${name}.png`), animations: "disabled" });

for (const [title, sentence] of [["Brave.mp4", /^This browser has no decoder for HEVC/], ["Elf.mkv", /^Browsers do not play this kind of file/], ["Gravity.mp4", /^This browser has no decoder for AC-3/]]) {
  inBrowser(`${title} plays on another device`, PHONE, async (page) => {
    await watch(page, title);
    await says(page, sentence);
    // The player shows the progress, and the page does not show it again.
    assert.equal(await page.locator("#title-jobs .job").count(), 0);
    await screenshot(page, `device-${title}`);
    await playsAll(page, "video audio");
    assert.ok(await page.locator("#update").isHidden(), "what has just been made plays already");
  });
}

inBrowser("another device is offered nothing that it may not do", DESKTOP, async (page) => {
  await page.goto("/watch/Brave.mp4");
  await page.locator("#facts .fact").first().waitFor();
  assert.ok(await page.getByText("Add renditions…").isHidden());
  await page.locator("#jobs-link").click();
  await page.locator("#jobs .job").first().waitFor();
  await screenshot(page, "device-jobs");
  assert.equal(await page.getByRole("button", { name: /^(Cancel|Retry)/ }).count(), 0);
});
