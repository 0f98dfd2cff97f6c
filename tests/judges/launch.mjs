// Firefox ESR, and windows of it whose errors fail a test.

import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

export const launchFirefox = () => puppeteer.launch({
  browser: "firefox", executablePath: FIREFOX, headless: true,
  extraPrefsFirefox: {
    "media.autoplay.default": 0, // allowed
    "media.block-autoplay-until-in-foreground": false,
    "full-screen-api.allow-trusted-requests-only": false,
    // Otherwise it contacts its vendor's hosts at every start, which times out in a closed network.
    "app.normandy.enabled": false, "network.captive-portal-service.enabled": false, "network.connectivity-service.enabled": false,
  },
});

/** Runs `body` with a page in a window of its own: Firefox slows down the tabs behind the first one. */
export async function inWindow(browser, body) {
  const context = await browser.createBrowserContext();
  const errors = [];
  try {
    const page = await context.newPage({ type: "window" });
    page.setDefaultTimeout(30_000);
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(`uncaught: ${error}`));
    await body(page, errors);
  } finally {
    await context.close();
  }
  assert.deepEqual(errors, []);
}
