// What the server writes into its documents, and its player on pages of another origin, in Chromium.

import assert from "node:assert/strict";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:http";
import * as path from "node:path";
import { test } from "node:test";
import { collectErrors, DESKTOP, findsNoViolation, HOSTILE, OUTPUT, PHONE, plays, ROOT, Site } from "./site.mjs";

const MANY = 130; // more than a document lists

let other;

const site = new Site("embed", async (site) => {
  const { library } = site;
  fs.cpSync(path.join(ROOT, "media"), library, { recursive: true });
  fs.copyFileSync(path.join(library, "Clock.mp4"), path.join(library, HOSTILE));
  fs.mkdirSync(path.join(library, "many"));
  for (let number = 1; number <= MANY; number++) fs.writeFileSync(path.join(library, `many/Ep ${number}.mp4`), "");
  site.server = await site.serve();
  other = await startOther();
  site.onEnd(() => other.server.close());
});

const inBrowser = (name, options, body) => site.test(name, options, body);

/** A web server of another origin, whose pages consist of what the address says. */
async function startOther() {
  const web = createServer((request, response) => {
    const body = new URL(request.url, "http://other/").searchParams.get("body") ?? "";
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="en"><title>Other</title><link rel="icon" href="data:,"><body>${body}</body></html>`);
  });
  await once(web.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${web.address().port}/`;
  return { server: web, page: (body) => `${url}?${new URLSearchParams({ body })}` };
}

/** The frame of the player in a page. */
async function playerFrame(page) {
  const handle = await page.waitForSelector("iframe");
  const frame = await handle.contentFrame();
  await frame.waitForSelector("video");
  return frame;
}

// ---- Documents ---------------------------------------------------------------

for (const [name, options] of [["a desktop", DESKTOP], ["a phone", PHONE]]) {
  inBrowser(`without scripts, titles are found and play on ${name}`, { ...options, javaScriptEnabled: false }, async (page) => {
    await page.goto("/");
    assert.equal(await page.locator("#titles a.folder", { hasText: "many" }).count(), 1);
    await page.locator("#titles a.title", { hasText: "Portrait" }).click();
    await page.getByRole("heading", { name: "Portrait", exact: true }).waitFor();
    const source = await page.locator("noscript video").getAttribute("src");
    assert.equal(source, "/v/Portrait.mp4/play.mp4");
    assert.ok(await page.locator("noscript video").isVisible());
    await page.screenshot({ path: path.join(OUTPUT, `no-script-${name.replace("a ", "")}.png`) });
  });
}

inBrowser("without scripts, a long folder has pages", { ...DESKTOP, javaScriptEnabled: false }, async (page) => {
  await page.goto("/library/many/");
  assert.equal(await page.locator("#titles a").first().textContent(), "Ep 1");
  assert.equal(await page.locator("#titles a").count(), 100);
  assert.match(await page.locator("#count").textContent(), /130 titles/);
  await page.getByRole("link", { name: "Next" }).click();
  assert.equal(await page.locator("#titles a").count(), MANY - 100);
  assert.equal(await page.locator("#titles a").last().textContent(), "Ep 130");
  await page.getByRole("link", { name: "Previous" }).click();
  await page.locator("#crumbs a", { hasText: "Library" }).click();
  assert.equal(new URL(page.url()).pathname, "/");
});

/**
 * The cards that the server writes and those that the script has made, without what depends on the screen, the
 * language and the time.
 */
async function bothCards() {
  const simple = (node) => {
    const kept = ["class", "href", "title", "aria-current"].filter((name) => node.getAttribute(name));
    const children = [...node.children].filter((child) => child.localName !== "img");
    const content = node.matches(".title .facts") ? "" : children.length ? children.map(simple) : node.textContent;
    return { tag: node.localName, ...Object.fromEntries(kept.map((name) => [name, node.getAttribute(name)])), content };
  };
  const cards = (page) => [...page.querySelectorAll("#titles li")].map(simple);
  const html = await (await fetch(location.href)).text();
  const made = cards(document);
  const written = cards(new DOMParser().parseFromString(html, "text/html")).slice(0, made.length);
  return { written, made };
}

for (const address of ["/", "/library/many/", "/watch/Clock.mp4"]) {
  inBrowser(`the server writes the cards that the script makes: ${address}`, DESKTOP, async (page) => {
    await page.goto(address);
    await page.locator("#titles li[data-key]").first().waitFor();
    let { written, made } = await page.evaluate(bothCards);
    // Both change until the server has read all files.
    for (let tries = 0; tries < 50 && JSON.stringify(written) !== JSON.stringify(made); tries++) {
      await page.waitForTimeout(200);
      ({ written, made } = await page.evaluate(bothCards));
    }
    assert.ok(made.length > 3, `${made.length} cards`);
    assert.deepEqual(written, made);
  });
}

for (const address of ["/", "/library/many/", "/watch/Clock.mp4", "/watch/Portrait.mp4"]) {
  for (const [name, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
    inBrowser(`nothing moves while the page loads: ${address} on a ${name}`, options, async (page) => {
      await page.addInitScript(() => {
        globalThis.shifts = [];
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shifts.push(entry.value);
        }).observe({ type: "layout-shift", buffered: true });
      });
      await page.goto(address, { waitUntil: "load" });
      await page.locator("#titles li[data-key]").first().waitFor();
      if (address.startsWith("/watch/")) await page.waitForFunction(() => document.querySelector("video").readyState > 1);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const shifts = await page.evaluate(() => globalThis.shifts);
      const sum = shifts.reduce((sum, shift) => sum + shift, 0);
      assert.ok(sum <= 0.01, `CLS ${sum}`);
    });
  }
}

inBrowser("what does not exist is 404, and the page says so", DESKTOP, async (page, errors) => {
  for (const address of ["/watch/Gone.mp4", "/library/gone/", "/embed/Gone.mp4"]) {
    const response = await page.goto(address);
    assert.equal(response.status(), 404, address);
    await page.getByText(/not in the library|no longer available/).filter({ visible: true }).first().waitFor();
  }
  for (const error of errors.splice(0)) assert.match(error, /404/);
});

// ---- Players on pages of others ----------------------------------------------

inBrowser("a frame on a page of another origin plays", DESKTOP, async (page) => {
  const source = `${site.server.url}embed/Clock.mp4?autoplay=1&muted=1&t=5&loop=1`;
  await page.goto(other.page(`<iframe src="${source}" width="640" height="360" allow="autoplay; fullscreen"></iframe>`));
  const frame = await playerFrame(page);
  await plays(frame);
  const video = await frame.evaluate(() => {
    const { muted, loop, currentTime, controls } = document.querySelector("video");
    return { muted, loop, currentTime, controls };
  });
  assert.deepEqual({ ...video, currentTime: video.currentTime > 5 }, { muted: true, loop: true, currentTime: true, controls: false });
  await page.screenshot({ path: path.join(OUTPUT, "embed-frame.png") });
});

inBrowser("bad parameters of a frame are ignored with a warning", DESKTOP, async (page) => {
  const warnings = [];
  page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
  await page.goto("/embed/Clock.mp4?t=soon&autoplay=yes&muted=0");
  await page.waitForFunction(() => document.querySelector("video").readyState > 0);
  assert.equal(await page.evaluate(() => document.querySelector("video").currentTime), 0);
  assert.ok(await page.evaluate(() => document.querySelector("video").paused));
  assert.deepEqual(warnings.map((text) => text.match(/parameter (\w+)/)?.[1]).filter(Boolean).sort(), ["autoplay", "t"]);
});

inBrowser("keys work in a frame once it has the focus", DESKTOP, async (page) => {
  await page.goto(other.page(`<button>Other</button><iframe src="${site.server.url}embed/Clock.mp4" width="640" height="360"></iframe>`));
  const frame = await playerFrame(page);
  const isMuted = () => frame.evaluate(() => document.querySelector("video").muted);
  await frame.waitForFunction(() => document.querySelector("video").readyState > 0);
  await page.getByRole("button", { name: "Other" }).focus();
  await page.keyboard.press("m");
  assert.equal(await isMuted(), false);
  await frame.getByRole("button", { name: /^Play/ }).last().focus();
  await page.keyboard.press("m");
  await frame.waitForFunction(() => document.querySelector("video").muted);
});

inBrowser("the web component has the shape and the name of its title", DESKTOP, async (page) => {
  const script = `<script type="module" src="${site.server.url}headwater-player.js"></script>`;
  const player = `<headwater-player src="${site.server.url}watch/Portrait.mp4#t=3" muted autoplay style="width: 300px"></headwater-player>`;
  await page.goto(other.page(script + player));
  const frame = await playerFrame(page);
  await plays(frame);
  assert.ok((await frame.evaluate(() => document.querySelector("video").currentTime)) > 3);
  await page.waitForFunction(() => {
    const { width, height } = document.querySelector("headwater-player").getBoundingClientRect();
    return height > width;
  });
  assert.equal(await page.locator("iframe").getAttribute("title"), "Portrait");
  await page.locator("headwater-player").evaluate((node, src) => node.setAttribute("src", src), `${site.server.url}watch/Clock.mp4`);
  await page.waitForFunction(() => {
    const { width, height } = document.querySelector("headwater-player").getBoundingClientRect();
    return Math.abs(width / height - 16 / 9) < 0.02;
  });
  assert.match(await page.locator("iframe").getAttribute("src"), /\/embed\/Clock\.mp4\?/);
});

inBrowser("the web component refuses what is no watch page", DESKTOP, async (page, errors) => {
  const script = `<script type="module" src="${site.server.url}headwater-player.js"></script>`;
  await page.goto(other.page(`${script}<headwater-player src="javascript:alert(1)"></headwater-player>`));
  await page.waitForFunction(() => customElements.get("headwater-player"));
  assert.equal(await page.locator("iframe").count(), 0);
  assert.match(errors.splice(0).join(), /needs a src/);
});

inBrowser("a hostile name is text in a frame, in its title and in the description", DESKTOP, async (page) => {
  page.on("dialog", (dialog) => assert.fail(`a file name ran as a script: ${dialog.message()}`));
  const address = `${site.server.url}watch/${encodeURIComponent(HOSTILE)}`;
  const script = `<script type="module" src="${site.server.url}headwater-player.js"></script>`;
  await page.goto(other.page(`${script}<headwater-player src="${address}"></headwater-player>`));
  const frame = await playerFrame(page);
  await frame.locator(".heading").waitFor({ state: "attached" });
  const name = HOSTILE.replace(/\.mp4$/, "");
  assert.equal(await frame.locator(".heading").textContent(), name);
  await page.waitForFunction((name) => document.querySelector("iframe").title === name, name);
  await page.goto(`/watch/${encodeURIComponent(HOSTILE)}`);
  const object = await page.evaluate(() => JSON.parse(document.querySelector("script[type='application/ld+json']").textContent));
  assert.equal(object.name, name);
});

test("a page that embed_origins does not list cannot show the player", { timeout: 60_000 }, async () => {
  const library = path.join(ROOT, "media");
  const strict = await site.serve({ library, name: "embed-strict", settings: { HEADWATER_EMBED_ORIGINS: "https://tv.example" } });
  const context = await site.browser.newContext(DESKTOP);
  const errors = collectErrors(context);
  try {
    const page = await context.newPage();
    const refused = page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
    await page.goto(other.page(`<iframe src="${strict.url}embed/Clock.mp4"></iframe>`));
    await refused;
    assert.match(errors.join(), /frame-ancestors/);
  } finally {
    await context.close();
    await strict.stop();
  }
});

// ---- Sharing -----------------------------------------------------------------

inBrowser("the share dialog copies each address, also at the time", { ...DESKTOP, permissions: ["clipboard-read", "clipboard-write"] }, async (page) => {
  await page.goto("/watch/Clock.mp4#t=7");
  await page.waitForFunction(() => document.querySelector("video").readyState > 1);
  await page.getByRole("button", { name: "Share" }).click();
  const dialog = page.getByRole("dialog", { name: "Share" });
  const copied = async (label) => {
    await dialog.getByRole("button", { name: `Copy: ${label}` }).click();
    await dialog.getByText(`Copied: ${label}`).waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  assert.equal(await copied("Link"), `${site.server.url}watch/Clock.mp4`);
  await dialog.getByLabel("Start at 0:07").check();
  assert.equal(await copied("Link"), `${site.server.url}watch/Clock.mp4#t=7`);
  assert.match(await copied("Embed"), /^<iframe src="[^"]+\/embed\/Clock\.mp4\?t=7" title="Clock" width="640" height="360" .*><\/iframe>$/);
  assert.equal(await copied("HLS"), `${site.server.url}v/Clock.mp4/index.m3u8`);
  assert.equal(await copied("DASH"), `${site.server.url}v/Clock.mp4/manifest.mpd`);
  assert.equal(await copied("MP4"), `${site.server.url}v/Clock.mp4/play.mp4`);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.ok(await page.getByRole("button", { name: "Share" }).evaluate((button) => button === document.activeElement));
});

// ---- Accessibility, screenshots ------------------------------------------------

for (const colorScheme of ["light", "dark"]) {
  for (const [name, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
    inBrowser(`axe finds no violation: ${name}, ${colorScheme}`, { ...options, colorScheme }, async (page) => {
      await page.goto("/watch/Clock.mp4#t=7");
      await page.waitForFunction(() => document.querySelector("video").readyState > 1);
      await page.getByRole("button", { name: "Share" }).click();
      await page.getByRole("dialog", { name: "Share" }).waitFor();
      await findsNoViolation(page);
      await page.screenshot({ path: path.join(OUTPUT, `share-${name}-${colorScheme}.png`) });
      await page.goto("/embed/Clock.mp4?muted=1");
      await page.waitForFunction(() => document.querySelector("video").readyState > 1);
      await findsNoViolation(page);
      await page.screenshot({ path: path.join(OUTPUT, `embed-${name}-${colorScheme}.png`) });
    });
  }
}
