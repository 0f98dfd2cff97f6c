// Shared by the browser tests: servers with a library, and a browser whose errors fail the test.
//
//   TEST_BIN  the server   (target/debug/headwater)
//   CHROMIUM       the browser  (/usr/bin/chromium)

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

export const ROOT = path.resolve(import.meta.dirname, "../..");
/** Screenshots and logs. */
export const OUTPUT = path.join(ROOT, "target/browser");

/** A file name that runs a script if the page does not escape it. */
export const HOSTILE = "<img src=x onerror=alert(1)>.mp4";

const HEADWATER = path.resolve(ROOT, process.env.TEST_BIN ?? "target/debug/headwater");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/**
 * Starts a server on a free port and reads its `url` from the output. It logs to `log` in OUTPUT. `stop`
 * fails if the server does not stop on SIGTERM, and `kill` is a crash. `settings` are additional environment variables.
 */
export function startServer(library, data, log, settings = {}, listen = "127.0.0.1:0") {
  fs.mkdirSync(OUTPUT, { recursive: true });
  const args = ["serve", library, "--listen", listen, "--data", data];
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
  const kill = async () => {
    server.kill("SIGKILL");
    await once(server, "exit");
  };
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.on("exit", (code) => reject(new Error(`the server ended with ${code}: see target/browser/${log}`)));
    createInterface({ input: server.stdout }).on("line", (line) => {
      const url = line.match(/http:\/\/127\.0\.0\.1:\d+\//);
      if (url) resolve({ url: url[0], stop, kill });
    });
  });
}

/** Plays titles without a click. */
const AUTOPLAY = "--autoplay-policy=no-user-gesture-required";

/** Starts Chromium without its background tasks. */
export function launchChromium(...flags) {
  return chromium.launch({
    executablePath: CHROMIUM,
    // Otherwise it contacts its vendor's hosts at every start, which times out in a closed network.
    args: ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
      "--disable-gpu", ...flags],
  });
}

/** More than a test takes on a machine that does other work, too. */
const TEST_TIMEOUT_MS = 120_000;

/**
 * What the tests of a file share: a scratch folder with an empty library, a browser, and what `prepare` starts. All of
 * it ends after the tests.
 */
export class Site {
  /** @type {string} a folder that ends with the tests */
  scratch;
  /** @type {string} */
  library;
  /** @type {import("playwright-core").Browser} or what `launch` starts */
  browser;
  /** @type {Awaited<ReturnType<typeof startServer>>} the server that tests visit unless they name another one */
  server;
  #name;
  #ends = [];

  /** @param {string} name of the file @param {(site: Site) => Promise<void>} prepare @param {() => Promise<any>} launch the browser */
  constructor(name, prepare, launch = () => launchChromium(AUTOPLAY)) {
    this.#name = name;
    before(async () => {
      this.scratch = fs.mkdtempSync(path.join(tmpdir(), `headwater-${name}-`));
      this.onEnd(() => fs.rmSync(this.scratch, { recursive: true }));
      this.library = path.join(this.scratch, "library");
      fs.mkdirSync(this.library);
      await prepare(this);
      this.browser = await launch();
      this.onEnd(() => this.browser.close());
    });
    after(() => this.#end());
  }

  /** Starts a server, with a data folder and a log by its name; a later one of the same name keeps the data. */
  async serve({ library = this.library, name = this.#name, settings = {}, listen = "127.0.0.1:0" } = {}) {
    const server = await startServer(library, path.join(this.scratch, `data-${name}`), `${name}.log`, settings, listen);
    this.onEnd(() => server.stop());
    return server;
  }

  /** Defines a test with a page of a server, which fails if the browser reports an error. */
  test(name, options, body, server = () => this.server) {
    test(name, { timeout: TEST_TIMEOUT_MS }, async () => {
      const context = await this.browser.newContext({ baseURL: server().url, ...options });
      const errors = collectErrors(context);
      try {
        await body(await context.newPage(), errors);
      } finally {
        await context.close();
      }
      assert.deepEqual(errors, []);
    });
  }

  /** Calls back after the tests; the last one comes first. @param {() => unknown} end */
  onEnd(end) {
    this.#ends.unshift(end);
  }

  async #end() {
    const errors = [];
    for (const end of this.#ends) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    assert.deepEqual(errors, []);
  }
}

/** A port for a server that comes back to its address. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** A path as a part of an address. */
export const encodedPath = (title) => title.split("/").map(encodeURIComponent).join("/");

/** Waits until titles have HLS that browsers play: the first request begins a remux or AAC where one is needed. */
export async function havePrepared(server, titles) {
  const isReady = async (title) => {
    const response = await fetch(`${server.url}v/${encodedPath(title)}/index.m3u8?require=aac`);
    const text = await response.text();
    assert.ok(response.status === 200 || response.status === 503, `${title}: ${text}`);
    return response.status === 200;
  };
  await Promise.all(titles.map(async (title) => {
    while (!await isReady(title)) await new Promise((resolve) => setTimeout(resolve, 200));
  }));
}

/** Takes a screenshot, for people to look at. */
export const screenshot = (page, name) => page.screenshot({ path: path.join(OUTPUT, `${name}.png`), animations: "disabled" });

/** Failed requests that the page expects and the browser reports: posters of titles without video or before their remux. */
const EXPECTED = / (404|422|503) .*\/poster\.jpg\?/;

/** Collects the errors of a context's pages: console errors, also of the content security policy, and uncaught ones. */
export function collectErrors(context) {
  const errors = [];
  context.on("console", (message) => {
    const isExpected = EXPECTED.test(`${message.text()} ${message.location().url}`);
    if (message.type() === "error" && !isExpected) errors.push(message.text());
  });
  context.on("weberror", (error) => errors.push(String(error.error())));
  return errors;
}

/** Waits until the video has played at least `seconds` from now. */
export async function plays(page, seconds = 0.5) {
  const start = await page.evaluate(() => document.querySelector("video").currentTime);
  await page.waitForFunction((then) => {
    const video = document.querySelector("video");
    return video.readyState >= video.HAVE_CURRENT_DATA && video.videoWidth > 0 && video.currentTime >= then;
  }, start + seconds);
}

/** Asserts that axe finds no violation of accessibility, in the page or within a selector. `state` names what it shows. */
export async function findsNoViolation(page, state = "", within = "html") {
  const axe = fs.readFileSync(path.join(import.meta.dirname, "node_modules/axe-core/axe.min.js"), "utf8");
  await page.evaluate(axe); // the content security policy refuses a <script> of its own
  const { violations } = await page.evaluate((within) => globalThis.axe.run(within, { resultTypes: ["violations"] }), within);
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ").slice(0, 300)}`);
  assert.deepEqual(found, [], state);
}

export const DESKTOP = { viewport: { width: 1360, height: 840 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
