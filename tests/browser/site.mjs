// What the browser tests share: a real server over a library, and a real browser that is watched.
//
//   HEADWATER_BIN  the server   (target/debug/headwater)
//   CHROMIUM       the browser  (/usr/bin/chromium)

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { chromium } from "playwright-core";

export const ROOT = path.resolve(import.meta.dirname, "../..");
/** Where pictures and logs are left. */
export const OUTPUT = path.join(ROOT, "target/browser");

/** A name that is a script where somebody forgets to escape it. */
export const HOSTILE = "<img src=x onerror=alert(1)>.mp4";

const HEADWATER = path.resolve(ROOT, process.env.HEADWATER_BIN ?? "target/debug/headwater");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/**
 * Starts a server on a free port; its `url` is read from what it prints. It logs to `log` in OUTPUT, and
 * `stop` fails if it does not end when it is told to. `settings` are further ones, as in the environment.
 */
export function startServer(library, data, log, settings = {}) {
  fs.mkdirSync(OUTPUT, { recursive: true });
  const args = ["serve", library, "--listen", "127.0.0.1:0", "--data", data];
  const server = spawn(HEADWATER, args, {
    stdio: ["ignore", "pipe", fs.openSync(path.join(OUTPUT, log), "w")],
    env: { ...process.env, ...settings },
  });
  const stop = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill("SIGTERM");
    await once(server, "exit", { signal: AbortSignal.timeout(10_000) }).catch(() => {
      server.kill("SIGKILL");
      throw new Error("the server did not stop within 10 s of SIGTERM");
    });
  };
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.on("exit", (code) => reject(new Error(`the server ended with ${code}: see target/browser/${log}`)));
    createInterface({ input: server.stdout }).on("line", (line) => {
      const url = line.match(/http:\/\/127\.0\.0\.1:\d+\//);
      if (url) resolve({ url: url[0], stop });
    });
  });
}

/** Starts the browser, without what it would do in the background. */
export function launchBrowser(...args) {
  return chromium.launch({
    executablePath: CHROMIUM,
    // Without these it looks up its maker's hosts at every start, in vain in a closed network.
    args: ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
      "--disable-gpu", ...args],
  });
}

/**
 * Answers that a page asks for knowing that there may be none; the browser notes them all the same: posters of
 * what has no pictures, or none before it is made playable, and chapters.
 */
const EXCUSED = [/ (404|422|503) .*\/poster\.jpg\?/, / 404 .*\/chapters\.vtt$/];

/** Collects what the pages of a context find to complain of: errors on the console, and uncaught ones. */
export function listenForComplaints(context) {
  const complaints = []; // refusals by the content security policy are among them
  context.on("console", (message) => {
    const isExcused = EXCUSED.some((excused) => excused.test(`${message.text()} ${message.location().url}`));
    if (message.type() === "error" && !isExcused) complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
  return complaints;
}

/** Waits until the video shows pictures at least `seconds` further on than now. */
export async function plays(page, seconds = 0.5) {
  const start = await page.evaluate(() => document.querySelector("video").currentTime);
  await page.waitForFunction((then) => {
    const video = document.querySelector("video");
    return video.readyState >= video.HAVE_CURRENT_DATA && video.videoWidth > 0 && video.currentTime >= then;
  }, start + seconds);
}

export const DESKTOP = { viewport: { width: 1360, height: 840 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** Makes a test with a page of its own, in which the browser must find nothing to complain of. */
export function browserTest(name, { browser, server }, options, body) {
  test(name, { timeout: 120_000 }, async () => {
    const context = await browser().newContext({ baseURL: server().url, ...options });
    const complaints = listenForComplaints(context);
    try {
      await body(await context.newPage(), complaints);
    } finally {
      await context.close();
    }
    assert.deepEqual(complaints, []);
  });
}
