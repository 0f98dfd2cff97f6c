// The library in Chromium: folders, search, order, keys, ten thousand titles, and what changes meanwhile.
//
// Writes screenshots and the servers' logs to target/browser/.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { DESKTOP, findsNoViolation, HOSTILE, PHONE, plays, ROOT, screenshot, Site } from "./site.mjs";

const SEASON = "Shows/The Sea/Season 1";
const EPISODES = ["Ep 1", "Ep 2", "Ep 3", "Ep 10"];
const MANY = 10_000;

/** Limits of the page. */
const CLS_MAX = 0.01;
const FIRST_VIEW_MAX = 100_000;
const HEAP_MAX = 150 << 20;

// ---- Two servers with libraries, and a browser -------------------------------

let library, large;

const site = new Site("library", async (site) => {
  library = site.library;
  fs.cpSync(path.join(ROOT, "media"), library, { recursive: true });
  const clock = path.join(library, "Clock.mp4");
  const copy = (name) => {
    fs.mkdirSync(path.dirname(path.join(library, name)), { recursive: true });
    fs.copyFileSync(clock, path.join(library, name));
  };
  for (const episode of EPISODES) copy(`${SEASON}/${episode}.mp4`);
  for (const name of ["Shows/Pilot.mp4", HOSTILE]) copy(name);
  fs.mkdirSync(path.join(library, "Music"));
  for (const [options, name] of [[["-vn", "-c", "copy"], "Bells.m4a"], [["-c", "copy"], "Concert.mkv"]]) {
    const { status } = spawnSync("ffmpeg", ["-v", "error", "-i", clock, ...options, path.join(library, "Music", name)], { stdio: "inherit" });
    assert.equal(status, 0);
  }
  fs.writeFileSync(path.join(library, "Broken.mp4"), "These bytes are no movie.\n");
  // The oldest file is the largest one.
  const old = path.join(library, SEASON, "Ep 2.mp4");
  fs.appendFileSync(old, Buffer.concat([Buffer.from([0, 0, 0x10, 0]), Buffer.from("free"), Buffer.alloc(0x1000 - 8)]));
  fs.utimesSync(old, new Date("2001-01-01"), new Date("2001-01-01"));

  const many = path.join(site.scratch, "many");
  fs.mkdirSync(many);
  for (let number = 1; number <= MANY; number++) fs.writeFileSync(path.join(many, `title ${number}.mp4`), "");

  site.server = await site.serve();
  large = await site.serve({ library: many, name: "library-large", settings: { HEADWATER_LOCAL_WORKER: "false" } });
});

const inBrowser = (name, options, body) => site.test(name, options, body);
const inLargeLibrary = (name, options, body) => site.test(name, options, body, () => large);

// ---- Helpers -----------------------------------------------------------------

const cards = (page) => page.locator("#titles a");
const card = (page, name) => cards(page).filter({ has: page.locator(`.name:text-is(${JSON.stringify(name)})`) });
const names = (page) => page.locator("#titles .name").allTextContents();
const crumbs = (page) => page.locator("#crumbs a").allTextContents();
const focusedName = (page) => page.evaluate(() => document.activeElement.querySelector(".name")?.textContent);

/** The process id of the renderer that has worked most: that of a page which has scrolled through a long list. */
async function busiestRenderer() {
  const devtools = await site.browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
  await devtools.detach();
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  return renderers.sort((one, other) => other.cpuTime - one.cpuTime)[0].id;
}

/** The resident memory of a process, by kind: its own pages, and those of files that all processes share. */
function residentMemory(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return ["VmRSS", "RssAnon", "RssFile", "RssShmem"].map((name) =>
    /** @type {[string, number]} */ ([name, Number(status.match(new RegExp(`${name}:\\s+(\\d+)`))[1])]));
}

/** Waits until the list has these names. */
const waitForNames = (page, expected) => page.waitForFunction((expected) => {
  const shown = [...document.querySelectorAll("#titles .name")].map(({ textContent }) => textContent);
  return JSON.stringify(shown) === JSON.stringify(expected);
}, expected);

/** The requests for the list from now on. */
function countLists(page) {
  const lists = [];
  page.on("request", (request) => { if (request.url().includes("/api/titles?")) lists.push(request.url()); });
  return lists;
}

/** Sums up the layout shifts of a page from its beginning. */
const observeShifts = (page) => page.addInitScript(() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (!hadRecentInput) window.shifts.push({ value, of: sources.map(({ node }) => node?.id || node?.className || node?.nodeName) });
    }
  }).observe({ type: "layout-shift", buffered: true });
});

async function assertNoShift(page) {
  const shifts = await page.evaluate(() => window.shifts);
  const sum = shifts.reduce((sum, { value }) => sum + value, 0);
  assert.ok(sum <= CLS_MAX, `the layout shifts by ${sum}: ${JSON.stringify(shifts)}`);
}

// ---- Folders -----------------------------------------------------------------

inBrowser("the top shows its folders, and then its titles, without extensions", DESKTOP, async (page) => {
  await page.goto("/");
  await card(page, "Portrait").waitFor();
  const shown = await names(page);
  assert.deepEqual(shown.slice(0, 3).sort(), ["Music", "Shows", "Été"].sort());
  assert.ok(shown.includes("Clock, moov at the end"));
  const types = await card(page, "Clock").locator(".fact:first-child").allTextContents();
  assert.deepEqual(types.sort(), ["MP4", "WEBM"], "equal names have a type");
  assert.ok(shown.includes(HOSTILE.replace(/\.mp4$/, "")), "a hostile name is text");
  assert.match(await card(page, "Shows").textContent(), /5 titles/);
  assert.deepEqual(await crumbs(page), []);
  await screenshot(page, "library");
});

inBrowser("a folder and a title whose names are not UTF-8 open, and what is new in them appears", DESKTOP, async (page) => {
  const bytes = (name) => Buffer.concat([Buffer.from(`${library}/`), Buffer.from(name, "latin1")]);
  const copy = (name) => fs.copyFileSync(path.join(library, "Clock.mp4"), bytes(name));
  fs.mkdirSync(bytes("caf\xe9"));
  try {
    copy("caf\xe9/\xe9t\xe9.mp4");
    await page.goto("/");
    await card(page, "caf\ufffd").click();
    await waitForNames(page, ["\ufffdt\ufffd"]);
    assert.equal(new URL(page.url()).pathname, "/library/caf%E9/");
    assert.equal(await page.locator("#folder").textContent(), "caf\ufffd");
    copy("caf\xe9/new.mp4");
    await card(page, "new").waitFor();
    await card(page, "\ufffdt\ufffd").click();
    await plays(page);
    assert.equal(new URL(page.url()).pathname, "/watch/caf%E9/%E9t%E9.mp4");
  } finally {
    fs.rmSync(bytes("caf\xe9"), { recursive: true });
  }
});

inBrowser("folders lead down, breadcrumbs lead up, and episodes are in natural order", DESKTOP, async (page) => {
  await page.goto("/");
  for (const folder of SEASON.split("/")) await card(page, folder).click();
  await waitForNames(page, EPISODES);
  assert.equal(decodeURIComponent(new URL(page.url()).pathname), `/library/${SEASON}/`);
  assert.deepEqual(await crumbs(page), ["Library", "Shows", "The Sea"]);
  assert.equal(await page.locator("h1:visible").textContent(), "Season 1");
  assert.equal(await page.title(), "Season 1 · Headwater");
  await page.locator("#crumbs").getByText("Shows").click();
  await waitForNames(page, ["The Sea", "Pilot"]);
  await page.goBack();
  await waitForNames(page, EPISODES);
  await page.locator("#crumbs").getByText("Library").click();
  await card(page, "Portrait").waitFor();
});

inBrowser("a phone shows the top and the two folders above a deep one", PHONE, async (page) => {
  const names = Array.from({ length: 12 }, (_, level) => `Level ${level}`);
  fs.mkdirSync(path.join(library, ...names), { recursive: true });
  fs.copyFileSync(path.join(library, "Clock.mp4"), path.join(library, ...names, "Deep.mp4"));
  await page.goto("/");
  await card(page, "Level 0").waitFor(); // the server has found it
  await page.goto(`/library/${names.map(encodeURIComponent).join("/")}/`);
  await card(page, "Deep").waitFor();
  const shown = await page.locator("#crumbs a").filter({ visible: true }).allTextContents();
  assert.deepEqual(shown, ["Library", "Level 9", "Level 10"]);
  const { height } = await page.locator("#crumbs").boundingBox();
  assert.ok(height < 60, `the breadcrumbs take one line: ${height}`);
  await screenshot(page, "deep-phone");
  fs.rmSync(path.join(library, names[0]), { recursive: true });
});

inBrowser("the address of a folder opens it", DESKTOP, async (page) => {
  await page.goto(`/library/${encodeURI("Été")}/`);
  await waitForNames(page, ["Horloge"]);
  assert.equal(await page.locator("h1:visible").textContent(), "Été");
});

inBrowser("beside a player are the titles of its folder, and the next one is a key away", DESKTOP, async (page) => {
  await page.goto(`/watch/${encodeURI(SEASON)}/Ep%202.mp4`);
  await waitForNames(page, EPISODES);
  assert.equal(await page.locator('#titles a[aria-current="page"] .name').textContent(), "Ep 2");
  assert.deepEqual(await crumbs(page), ["Library", ...SEASON.split("/")]);
  await page.getByRole("link", { name: "Next: Ep 3" }).waitFor();
  await page.keyboard.press("n");
  await page.getByRole("heading", { name: "Ep 3" }).waitFor();
  await plays(page);
  await page.getByRole("link", { name: "Next: Ep 10" }).click();
  await page.getByRole("heading", { name: "Ep 10" }).waitFor();
  await page.locator("#next").waitFor({ state: "hidden" });
});

// ---- Search and order --------------------------------------------------------

inBrowser("a search is blind to accents and case, at any depth", DESKTOP, async (page) => {
  await page.goto("/");
  for (const text of ["horlogé", "HORLOGE"]) {
    await page.getByRole("searchbox").fill(text);
    await page.getByText("1 title found").waitFor();
    await waitForNames(page, ["Horloge"]);
  }
  assert.match(await card(page, "Horloge").textContent(), /Été/, "the folder is named");
  await card(page, "Horloge").click();
  await page.getByRole("heading", { name: "Horloge" }).waitFor();
  await page.goBack();
  await waitForNames(page, ["Horloge"]);
  assert.equal(await page.getByRole("searchbox").inputValue(), "HORLOGE");
});

inBrowser("a search in a folder finds what is below it", DESKTOP, async (page) => {
  await page.goto("/library/Shows/");
  await card(page, "Pilot").waitFor();
  await page.getByRole("searchbox").fill("clock");
  await page.getByText("No title matches.").waitFor();
  await page.getByRole("searchbox").fill("ep 10");
  await waitForNames(page, ["Ep 10"]);
  await page.getByRole("searchbox").fill("no such title");
  await page.getByRole("button", { name: "Show all" }).click();
  await waitForNames(page, ["The Sea", "Pilot"]);
});

inBrowser("the order is chosen, and remembered", DESKTOP, async (page) => {
  await page.goto(`/library/${encodeURI(SEASON)}/`);
  await waitForNames(page, EPISODES);
  await page.getByLabel("Sort").selectOption("Newest");
  await page.waitForFunction(() => [...document.querySelectorAll("#titles .name")].at(-1).textContent === "Ep 2");
  await page.getByLabel("Sort").selectOption("Largest");
  await page.waitForFunction(() => document.querySelector("#titles .name").textContent === "Ep 2");
  await page.reload();
  await page.waitForFunction(() => document.querySelector("#titles .name")?.textContent === "Ep 2");
  assert.equal(await page.getByLabel("Sort").inputValue(), "-size");
});

// ---- Cards -------------------------------------------------------------------

inBrowser("a card shows poster and length; audio has a note and no request for a poster", DESKTOP, async (page) => {
  const posters = [];
  page.on("request", (request) => { if (request.url().includes("/poster.jpg")) posters.push(decodeURIComponent(request.url())); });
  await page.goto("/library/Music/");
  await card(page, "Bells").getByText("0:20").waitFor();
  await card(page, "Bells").locator(".poster.audio").waitFor();
  await page.goto("/library/Shows/");
  await card(page, "Pilot").getByText("0:20").waitFor();
  await card(page, "Pilot").locator(".poster img").waitFor();
  assert.deepEqual(posters.filter((url) => url.includes("Bells")), []);
});

inBrowser("a file that no browser plays has a poster before anybody plays it", DESKTOP, async (page) => {
  await page.goto("/library/Music/");
  await card(page, "Concert").locator(".poster img").waitFor();
  const { jobs } = await (await page.request.get("/api/jobs")).json();
  assert.deepEqual(jobs.filter(({ kind }) => kind === "remux"), []);
});

inBrowser("a card that the pointer rests on shows a moving preview", DESKTOP, async (page) => {
  await page.goto("/library/Shows/");
  await card(page, "Pilot").locator(".poster img").waitFor();
  await card(page, "Pilot").hover();
  await card(page, "Pilot").locator("img.moving").waitFor();
  await page.mouse.move(0, 0);
  await card(page, "Pilot").locator("img.moving").waitFor({ state: "detached" });
});

inBrowser("with reduced motion no preview is requested", { ...DESKTOP, reducedMotion: "reduce" }, async (page) => {
  const requested = [];
  page.on("request", (request) => requested.push(request.url()));
  await page.goto("/library/Shows/");
  await card(page, "Pilot").locator(".poster img").waitFor();
  await card(page, "Pilot").hover();
  // Focus of a card is the last thing that could start one, and the folder below takes a request.
  await card(page, "The Sea").click();
  await card(page, "Season 1").waitFor();
  assert.deepEqual(requested.filter((url) => url.includes("preview.webp")), []);
});

inBrowser("the page requests few posters at a time, and only those near the screen", DESKTOP, async (page) => {
  const titles = Array.from({ length: 100 }, (_, number) => ({
    path: `title ${number}.mp4`, name: `title ${number}`, folder: "", views: `/v/title%20${number}.mp4/`, size_bytes: 1,
    modified: "2026-01-01T00:00:00Z", version: "0", kind: "video", duration_s: 60, width: 3840, height: 2160, is_hdr: true, has_poster: true,
  }));
  const list = { titles, folders: [], total: 100, offset: 0, limit: 100, next: null, scanning: false, changed: 0 };
  await page.route("**/api/titles?*", (route) => route.fulfill({ json: list }));
  const [requested, loading] = [new Set(), new Set()];
  let most = 0;
  await page.route("**/poster.jpg?*", async (route) => {
    const url = route.request().url();
    requested.add(url);
    loading.add(url);
    most = Math.max(most, loading.size);
    await new Promise(setImmediate);
    loading.delete(url);
    await route.fulfill({ contentType: "image/svg+xml", body: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="9"/>` });
  });
  await page.route("**/preview.webp?*", (route) => route.fulfill({ contentType: "image/svg+xml", body: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="9"/>` }));
  page.on("requestfailed", (request) => loading.delete(request.url()));
  await page.goto("/");
  await card(page, "title 4").locator("img:not(.moving)").waitFor();
  assert.deepEqual(await card(page, "title 4").locator(".mark").allTextContents(), ["4K", "HDR"]);
  await card(page, "title 4").focus();
  await page.keyboard.press("End");
  await card(page, "title 99").locator("img:not(.moving)").waitFor();
  // Three, and three cancelled ones whose "requestfailed" has not arrived yet.
  assert.ok(most <= 6, `${most} at a time`);
  assert.ok(requested.size < 90, `${requested.size} of 100 were requested`);
});

// ---- Keys --------------------------------------------------------------------

inBrowser("the keyboard alone finds and plays a title", DESKTOP, async (page) => {
  await page.goto(`/library/${encodeURI(SEASON)}/`);
  await waitForNames(page, EPISODES);
  await page.keyboard.press("/");
  assert.ok(await page.getByRole("searchbox").evaluate((box) => box === document.activeElement));
  await page.keyboard.press("ArrowDown");
  assert.equal(await focusedName(page), "Ep 1");
  assert.equal(await page.locator('#titles a[tabindex="0"]').count(), 1, "one card is in the tab order");
  await page.keyboard.press("End");
  assert.equal(await focusedName(page), "Ep 10");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await focusedName(page), "Ep 3");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  assert.equal(await focusedName(page), "Ep 2");
  assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "solid", "focus is visible");
  await page.keyboard.press("Enter");
  await plays(page);
  assert.equal(await focusedName(page), "Ep 2", "focus stays in the list");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focusedName(page), "Ep 3", "arrows in the list do not change the volume");
});

// ---- Ten thousand titles -----------------------------------------------------

inLargeLibrary("of ten thousand titles only those near the screen exist, and keys reach all of them", DESKTOP, async (page) => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  await page.goto("/");
  await card(page, "title 1").waitFor();
  await page.getByText("10,000 titles").waitFor();
  await card(page, "title 1").focus();
  await page.keyboard.press("End");
  await card(page, `title ${MANY}`).waitFor();
  assert.equal(await focusedName(page), `title ${MANY}`);
  const item = page.locator("#titles li").last();
  assert.equal(await item.getAttribute("aria-posinset"), String(MANY));
  assert.equal(await item.getAttribute("aria-setsize"), String(MANY));
  await page.keyboard.press("ArrowLeft");
  assert.equal(await focusedName(page), `title ${MANY - 1}`);

  // Through the whole list, a screen at a time.
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  let most = 0;
  for (let y = 0; y < height; y += 8 * DESKTOP.viewport.height) {
    await page.evaluate((y) => scrollTo(0, y), y);
    await page.waitForFunction(() => {
      const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest("li");
      return !middle || !middle.hasAttribute("aria-busy");
    });
    most = Math.max(most, await page.locator("#titles li").count());
  }
  assert.ok(most < 150, `${most} cards exist at a time`);
  await devtools.send("HeapProfiler.collectGarbage");
  const { metrics } = await devtools.send("Performance.getMetrics");
  const figure = (name) => metrics.find((metric) => metric.name === name).value;
  const rss = residentMemory(await busiestRenderer());
  console.log(`10,000 titles: renderer ${rss.map(([name, kib]) => `${name} ${(kib / 1024).toFixed(0)} MiB`).join(", ")}`);
  console.log(`10,000 titles: ${(figure("JSHeapUsedSize") / 1e6).toFixed(1)} MB of heap, ${figure("Nodes")} nodes, at most ${most} cards`);
  assert.ok(figure("JSHeapUsedSize") < HEAP_MAX);
});

inLargeLibrary("a title far down the list has a next one", DESKTOP, async (page, errors) => {
  const lists = countLists(page);
  await page.goto("/watch/title%207000.mp4");
  await page.getByRole("link", { name: "Next: title 7001" }).waitFor();
  assert.ok(lists.length <= 2 + MANY / 1000, `${lists.length} requests`);
  errors.splice(0); // an empty file has no range to play
});

inLargeLibrary("Back returns to the place in the list", DESKTOP, async (page, errors) => {
  await page.goto("/");
  await card(page, "title 1").waitFor();
  await page.waitForFunction(() => {
    scrollTo(0, 100_000); // as soon as the list has its height
    return scrollY === 100_000;
  });
  await page.waitForFunction(() => {
    const link = document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest("a.title");
    return link?.querySelector(".name").textContent;
  });
  const middle = () => page.evaluate(() => document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest("a.title")?.querySelector(".name").textContent);
  const name = await middle();
  await page.waitForFunction(() => history.state?.scroll_y === 100_000);
  await card(page, name).click();
  await page.getByRole("heading", { name, exact: true }).waitFor();
  await page.goBack();
  await page.waitForFunction(() => scrollY === 100_000);
  await card(page, name).waitFor();
  assert.equal(await middle(), name);
  await page.reload();
  await page.waitForFunction(() => scrollY === 100_000);
  await card(page, name).waitFor();
  errors.splice(0); // an empty file has no range to play
});

// ---- Changes -----------------------------------------------------------------

inBrowser("one new file costs at most one request, and appears", DESKTOP, async (page) => {
  const subscribed = page.waitForRequest(/titles_since=/);
  await page.goto(`/library/${encodeURI(SEASON)}/`);
  await waitForNames(page, EPISODES);
  await subscribed;
  const lists = countLists(page);
  const file = path.join(library, SEASON, "Ep 4.mp4");
  fs.copyFileSync(path.join(library, "Clock.mp4"), file);
  try {
    await card(page, "Ep 4").getByText("0:20").waitFor(); // its facts come later, without a request
    assert.deepEqual(await names(page), ["Ep 1", "Ep 2", "Ep 3", "Ep 4", "Ep 10"]);
    assert.equal(lists.length, 1, lists.join(" "));
  } finally {
    fs.rmSync(file);
  }
  await waitForNames(page, EPISODES);
  assert.equal(lists.length, 2, "a file that goes costs one request, too");
});

inBrowser("a folder appears whose first title the server has read already", DESKTOP, async (page) => {
  const list = { titles: [], folders: [], total_folders: 0, total: 0, offset: 0, limit: 100, next: null, scanning: false, changed: 1 };
  const folder = { path: "New", name: "New", href: "/library/New/", titles: 1 };
  await page.route("**/api/titles?*", (route) => {
    route.fulfill({ json: list });
    Object.assign(list, { folders: [folder], total_folders: 1, total: 0, changed: 2 });
  });
  const film = { path: "New/Film.mp4", name: "Film", folder: "New", views: "/v/New/Film.mp4/", version: "0", kind: "video", duration_s: 1, has_poster: false };
  const data = JSON.stringify({ added: [film], changed: [], removed: [] });
  await page.route("**/api/events?*titles_since=1", (route) =>
    route.fulfill({ contentType: "text/event-stream", body: `retry: 60000\n\nevent: titles\ndata: ${data}\n\n` }));
  await page.goto("/");
  await card(page, "New").waitFor();
});

inBrowser("the list grows during the first scan", DESKTOP, async (page) => {
  let requests = 0;
  await page.route("**/api/titles?*", async (route) => {
    const response = await route.fetch();
    const list = await response.json();
    if (++requests === 1) Object.assign(list, { titles: list.titles.slice(0, 1), folders: [], total_folders: 0, total: 1, scanning: true });
    await route.fulfill({ response, json: list });
  });
  await page.goto("/");
  await page.getByText("scanning… 1 title").waitFor();
  await card(page, "Portrait").waitFor();
});

inBrowser("an empty library shows how to add titles", DESKTOP, async (page) => {
  const empty = { titles: [], folders: [], total_folders: 0, total: 0, offset: 0, limit: 100, next: null, scanning: false, changed: 0 };
  await page.route("**/api/titles?*", (route) => route.fulfill({ json: empty }));
  await page.goto("/");
  await page.getByText("headwater serve ~/Videos").waitFor();
  await findsNoViolation(page, "empty library");
});

inBrowser("an unreachable server is reported, and the page can retry", DESKTOP, async (page, errors) => {
  await page.route("**/api/titles?*", (route) => route.abort(), { times: 1 });
  await page.goto("/");
  await page.getByText("The server does not respond.").waitFor();
  await page.getByRole("button", { name: "Retry" }).click();
  await card(page, "Portrait").waitFor();
  assert.match(errors.pop(), /ERR_FAILED/);
});

// ---- Coming back -------------------------------------------------------------

const BEGUN = [{ path: `${SEASON}/Ep 3.mp4`, at_s: 15, duration_s: 20, when: 2 }, { path: "Clock.mp4", at_s: 5, duration_s: 20, when: 1 }];
const begin = (page, positions = BEGUN) =>
  page.addInitScript((positions) => { localStorage["headwater-positions"] ??= JSON.stringify(positions); }, positions);

inBrowser("begun titles are first, with the time that is left", DESKTOP, async (page) => {
  await begin(page);
  await observeShifts(page);
  await page.goto("/");
  const begun = page.locator("#positions li");
  await begun.nth(1).waitFor();
  assert.deepEqual(await begun.locator(".name").allTextContents(), ["Ep 3", "Clock"]);
  await begun.first().getByText("0:05 left").waitFor();
  await card(page, "Portrait").waitFor();
  await assertNoShift(page);
  await screenshot(page, "continue");
  await page.getByRole("button", { name: "Remove from Continue watching: Clock" }).click();
  assert.deepEqual(await begun.locator(".name").allTextContents(), ["Ep 3"]);
  await page.reload();
  await begun.first().waitFor();
  assert.deepEqual(await begun.locator(".name").allTextContents(), ["Ep 3"]);
  await begun.locator("a").click();
  await page.getByRole("heading", { name: "Ep 3" }).waitFor();
  await page.getByRole("heading", { name: "Continue watching" }).waitFor({ state: "hidden" });
});

inBrowser("a begun title that is gone is not shown and not asked for, and keeps its position", DESKTOP, async (page) => {
  const gone = { path: "Gone/Film.mp4", at_s: 15, duration_s: 20, when: 3 };
  const failed = [];
  page.on("response", (response) => { if (response.status() >= 400) failed.push(`${response.status()} ${response.url()}`); });
  await begin(page, [gone, ...BEGUN]);
  await page.goto("/");
  const begun = page.locator("#positions .name");
  await page.waitForFunction(() => document.querySelectorAll("#positions li").length === 2);
  const subscribed = page.waitForRequest(/titles_since=/);
  await page.reload();
  await subscribed;
  await page.locator("#positions img").nth(1).waitFor();
  assert.deepEqual(await begun.allTextContents(), ["Ep 3", "Clock"]);
  assert.deepEqual(failed, []);

  fs.mkdirSync(path.join(library, "Gone"));
  fs.copyFileSync(path.join(library, "Clock.mp4"), path.join(library, gone.path));
  await begun.getByText("Film").waitFor();
  fs.rmSync(path.join(library, "Gone"), { recursive: true });
  await begun.getByText("Film").waitFor({ state: "detached" });
});

// ---- The first view ----------------------------------------------------------

const PAGES = {
  home: "/", folder: `/library/${encodeURI(SEASON)}/`, search: "/?search=ep", video: `/watch/${encodeURI(SEASON)}/Ep%202.mp4`,
  portrait: "/watch/Portrait.mp4", audio: "/watch/Music/Bells.m4a",
};
/** What shows that a page is complete. */
const isComplete = (page, name) => (["video", "portrait", "audio"].includes(name)
  ? page.locator("#facts .fact").first().waitFor()
  : page.locator("#titles .facts .fact").first().waitFor());

for (const [screen, options] of [["desktop", DESKTOP], ["phone", PHONE]]) {
  for (const [name, url] of Object.entries(PAGES)) {
    inBrowser(`the layout does not shift: ${name}, ${screen}`, options, async (page) => {
      await observeShifts(page);
      await page.goto(url);
      await isComplete(page, name);
      await page.locator("#titles .name").first().waitFor();
      await page.waitForLoadState("networkidle");
      await assertNoShift(page);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth) - options.viewport.width;
      assert.ok(overflow <= 0, "the page fits the screen"); // not innerWidth: mobile browsers widen it by the overflow
      await screenshot(page, `${name}-${screen}`);
    });
  }
}

inBrowser("no request of the page fails, whatever the library holds", DESKTOP, async (page) => {
  const failed = [];
  page.on("response", (response) => { if (response.status() >= 400) failed.push(`${response.status()} ${response.url()}`); });
  for (const [name, url] of [...Object.entries(PAGES), ["music", "/library/Music/"]]) {
    await page.goto(url);
    await isComplete(page, name);
    await page.waitForLoadState("networkidle");
  }
  assert.deepEqual(failed, []);
});

inBrowser("the first view is small, and loads no player for whom it does not play", DESKTOP, async (page) => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Network.enable");
  const sizes = new Map();
  const urls = new Map();
  devtools.on("Network.responseReceived", ({ requestId, response }) => urls.set(requestId, response.url));
  devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => sizes.set(urls.get(requestId), encodedDataLength));
  await page.goto("/");
  await card(page, "Portrait").waitFor();
  const code = [...sizes].filter(([url]) => !/poster|\/player\/|watch\.js/.test(url));
  const bytes = code.reduce((sum, [, size]) => sum + size, 0);
  console.log(`first view: ${(bytes / 1000).toFixed(1)} kB in ${code.length} responses`);
  assert.ok(bytes < FIRST_VIEW_MAX);
  assert.deepEqual([...sizes.keys()].filter((url) => url.includes("hls.min")), []);
});

// ---- For everybody -----------------------------------------------------------

for (const colorScheme of ["light", "dark"]) {
  for (const [screen, options] of [["desktop", DESKTOP], ["phone", PHONE], ["narrow", { viewport: { width: 360, height: 740 } }], ["4K", { viewport: { width: 3840, height: 2160 } }]]) {
    inBrowser(`axe finds no violation: ${screen}, ${colorScheme}`, { ...options, colorScheme }, async (page) => {
      await begin(page);
      for (const [name, url] of Object.entries(PAGES)) {
        await page.goto(url);
        await isComplete(page, name);
        await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState !== "running"));
        await findsNoViolation(page, name);
        await screenshot(page, `axe-${name}-${screen}-${colorScheme}`);
      }
      await page.getByRole("searchbox").fill("no such title");
      await page.getByText("No title matches.").waitFor();
      await findsNoViolation(page, "nothing found");
      await page.locator("#jobs-link").click();
      await page.getByRole("dialog", { name: "Jobs" }).waitFor();
      await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState !== "running"));
      await findsNoViolation(page, "jobs");
    });
  }
}
