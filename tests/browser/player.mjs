// The controls of the player in Chromium: keys, menus, full screen, seeking, gestures, and every shape of title.
//
// The player is alone on a page of the tests (stage/), with the files and the policy of the server's page.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileOf, FRAMES_PER_SECOND, makeClips, SMALLER, SQUARE, SQUARES, TITLE } from "./clips.mjs";
import { DESKTOP, findsNoViolation, OUTPUT, PHONE, plays, ROOT, Site } from "./site.mjs";

const FILM = "Film.mp4"; // chapters, two languages, two captions, a smaller rendition
const SONG = "Song.m4a";
const PORTRAIT = "Portrait.mp4";
const BROKEN = "Not a video.mp4";
const CHAPTERS = [{ start_s: 0, title: "Opening" }, { start_s: 10, title: "The middle" }, { start_s: 30, title: "Closing" }];

const site = new Site("player", async (site) => {
  await makeClips([TITLE, SMALLER]);
  const { library, scratch } = site;
  fs.copyFileSync(path.join(ROOT, "media", PORTRAIT), path.join(library, PORTRAIT));
  fs.writeFileSync(path.join(library, BROKEN), "These bytes are no movie.\n".repeat(100));
  fs.writeFileSync(path.join(scratch, "chapters.txt"), chapterList());
  ffmpeg("-i", fileOf(TITLE), "-f", "lavfi", "-i", "sine=frequency=880:duration=40", "-i", path.join(scratch, "chapters.txt"),
    "-map", "0:v", "-map", "0:a", "-map", "1:a", "-map_metadata", "2", "-map_chapters", "2", "-c:v", "copy", "-c:a", "aac",
    "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu", path.join(library, FILM));
  ffmpeg("-i", fileOf(SMALLER), "-map", "0:v", "-c", "copy", path.join(library, "Film.100p.mp4"));
  for (const language of ["en", "de"]) fs.writeFileSync(path.join(library, `Film.${language}.vtt`), captions(language));
  ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:duration=20", "-c:a", "aac", path.join(library, SONG));
  site.server = await site.serve();
});

function ffmpeg(...options) {
  const { status } = spawnSync("ffmpeg", ["-v", "error", "-nostdin", ...options], { stdio: "inherit" });
  assert.equal(status, 0);
}

function chapterList() {
  const ends = [...CHAPTERS.slice(1).map(({ start_s }) => start_s), 40];
  const chapters = CHAPTERS.map(({ start_s, title }, index) =>
    `[CHAPTER]\nTIMEBASE=1/1\nSTART=${start_s}\nEND=${ends[index]}\ntitle=${title}\n`);
  return [";FFMETADATA1\n", ...chapters].join("");
}

const captions = (language) => `WEBVTT\n\n00:00.000 --> 00:40.000\nSpoken in ${language}\n`;

// ---- Helpers ---------------------------------------------------------------

/** Defines a test with a page of its own. */
const inBrowser = (name, options, body) => site.test(name, options, body);

/** Opens the player alone with a title, and waits until it can play. */
async function open(page, title, parameters = {}, { waits = true } = {}) {
  const policy = (await page.request.get("/")).headers()["content-security-policy"];
  await page.route("**/stage/**", (route) => {
    const name = path.basename(new URL(route.request().url()).pathname);
    const file = path.join(import.meta.dirname, "stage", name === "stage" ? "index.html" : name);
    return route.fulfill({ path: file, headers: { "Content-Security-Policy": policy, "Content-Type": name.endsWith(".js") ? "text/javascript" : "text/html" } });
  });
  await page.goto(`/stage/?${new URLSearchParams({ title, ...parameters })}`);
  if (waits) await page.waitForFunction(() => document.querySelector("video").readyState >= 2);
}

/** A part of the video, of the playback or of the page. */
const video = (page, name) => page.evaluate((name) => document.querySelector("video")[name], name);
const playback = (page, name) => page.evaluate((name) => player.playback[name], name);
const setVideo = (page, values) => page.evaluate((values) => { Object.assign(document.querySelector("video"), values); }, values);
const until = (page, condition, value) => page.waitForFunction(condition, value);
const untilTime = (page, seconds) =>
  until(page, (seconds) => Math.abs(document.querySelector("video").currentTime - seconds) < 0.05, seconds);
const stageHas = (page, name) => page.locator(`.stage.${name}`).waitFor();
const stageHasNot = (page, name) => page.locator(`.stage:not(.${name})`).waitFor();
const button = (page, name) => page.getByRole("button", { name, exact: true });
const item = (page, name) => page.locator(".menu:not([hidden])").getByText(name, { exact: true });
const screenshot = (page, name) => page.screenshot({ path: path.join(OUTPUT, `player-${name}.png`), animations: "disabled" });

/** The screen coordinates of a time on the seek bar. */
const onBar = (page, seconds) => page.locator(".seek-range").evaluate((bar, seconds) => {
  const { left, top, width, height } = bar.getBoundingClientRect();
  return { x: left + height / 2 + (width - height) * (seconds / bar.max), y: top + height / 2 };
}, seconds);

// ---- Keys ------------------------------------------------------------------

inBrowser("every key does what the list of keys says", DESKTOP, async (page) => {
  await open(page, FILM);
  const press = (key) => page.keyboard.press(key);

  for (const key of [" ", "k"]) {
    await press(key);
    await plays(page, 0.1);
    await press(key);
    assert.equal(await video(page, "paused"), true, `${key} pauses`);
  }

  await press("Home");
  await untilTime(page, 0);
  for (const [key, seconds] of [["l", 10], ["ArrowRight", 15], ["j", 5], ["ArrowLeft", 0], ["ArrowLeft", 0], ["5", 20], ["9", 36], ["0", 0]]) {
    await press(key);
    await untilTime(page, seconds);
  }
  await press("End");
  await until(page, () => document.querySelector("video").currentTime > 39.9);

  await press("3");
  await untilTime(page, 12);
  await press(".");
  await untilTime(page, 12 + 1 / FRAMES_PER_SECOND);
  await press(",");
  await untilTime(page, 12);

  for (const [key, speed] of [[">", 1.25], [">", 1.5], ["<", 1.25], ["<", 1]]) {
    await press(key);
    assert.equal(await video(page, "playbackRate"), speed);
  }

  await setVideo(page, { volume: 0.5 });
  for (const [key, volume] of [["ArrowUp", 0.55], ["ArrowDown", 0.5], ["ArrowDown", 0.45]]) {
    await press(key);
    assert.equal(await video(page, "volume"), volume);
  }
  await page.getByText("Volume 45%").waitFor();
  for (const isMuted of [true, false]) {
    await press("m");
    assert.equal(await video(page, "muted"), isMuted);
  }

  await press("c");
  await until(page, () => player.playback.text !== null);
  await press("c");
  assert.equal(await playback(page, "text"), null);

  await press("t");
  await stageHas(page, "theatre");
  await press("Escape");
  await stageHasNot(page, "theatre");
  await press("n");
  assert.deepEqual(await page.evaluate(() => player.heard), ["theatre", "theatre", "next"]);

  await press("f");
  await until(page, () => document.fullscreenElement === document.querySelector(".stage"));
  await press("f");
  await until(page, () => document.fullscreenElement === null);

  await press("i");
  await until(page, () => document.pictureInPictureElement !== null);
  await press("i");
  await until(page, () => document.pictureInPictureElement === null);

  await press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await press("k");
  assert.equal(await video(page, "paused"), true, "the dialog keeps the keys");
  await press("Escape");
  await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "hidden" });
});

inBrowser("a field, a list and a slider keep the keys that they need", DESKTOP, async (page) => {
  await open(page, FILM);
  await setVideo(page, { currentTime: 20, volume: 0.5 });
  await page.getByRole("searchbox").fill("");
  await page.keyboard.type("kjl5m?");
  assert.equal(await page.getByRole("searchbox").inputValue(), "kjl5m?");
  assert.equal(await video(page, "paused"), true);
  await untilTime(page, 20);

  await page.getByRole("link", { name: "One" }).focus();
  for (const key of ["ArrowRight", "ArrowUp", "Home"]) await page.keyboard.press(key);
  await untilTime(page, 20);
  assert.equal(await video(page, "volume"), 0.5);
  await page.keyboard.press("k");
  await plays(page, 0.1);
  await page.keyboard.press("k");

  await page.getByRole("slider", { name: "Volume" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await video(page, "volume"), 0.55);
  await page.keyboard.press("Control+m");
  assert.equal(await video(page, "muted"), false, "a key with Control is the browser's");

  await button(page, "Mute").focus();
  await page.keyboard.press(" ");
  assert.equal(await video(page, "muted"), true, "space presses the focused button");
  assert.equal(await video(page, "paused"), true);
});

inBrowser("within a stage the keys work in the stage only", DESKTOP, async (page) => {
  await open(page, FILM, { keys: "stage" });
  await page.getByRole("link", { name: "One" }).focus();
  await page.keyboard.press("m");
  assert.equal(await video(page, "muted"), false);
  await page.locator("video").click({ position: { x: 300, y: 100 } });
  await plays(page, 0.1);
  await page.keyboard.press("m");
  assert.equal(await video(page, "muted"), true);
});

// ---- Menus -----------------------------------------------------------------

inBrowser("the menu of captions shows one text, another, or none", DESKTOP, async (page) => {
  await open(page, FILM);
  await page.keyboard.press("k"); // before, Chromium shows no captions
  for (const [label, shown] of [["English", "Spoken in en"], ["Deutsch", "Spoken in de"]]) {
    await button(page, "Captions").click();
    await item(page, label).click();
    await until(page, (text) => [...document.querySelector("video").textTracks].some(
      ({ mode, activeCues }) => mode === "showing" && activeCues?.[0]?.text === text), shown);
  }
  await screenshot(page, "captions");
  await button(page, "Captions").click();
  assert.equal(await page.getByRole("menuitemradio", { name: "Deutsch" }).getAttribute("aria-checked"), "true");
  await item(page, "Off").click();
  await until(page, () => [...document.querySelector("video").textTracks].every(({ mode }) => mode !== "showing"));
});

inBrowser("the menu of settings chooses quality, audio and speed", DESKTOP, async (page) => {
  await open(page, FILM);
  await until(page, () => player.playback.qualities.length > 1 && player.playback.audios.length > 1);
  const choose = async (name, choice) => {
    await button(page, "Settings").click();
    await item(page, name).click();
    await item(page, choice).click();
    await page.getByRole("menu").waitFor({ state: "hidden" });
  };
  await button(page, "Settings").click();
  await page.getByRole("menuitem", { name: /^Quality.*Auto \((100|180)p\)/ }).waitFor();
  await page.keyboard.press("Escape");
  await choose("Quality", "100p");
  await page.keyboard.press("k");
  await until(page, () => document.querySelector("video").videoHeight === 100);
  await page.keyboard.press("k");
  const german = (await playback(page, "audios")).find(({ language }) => /^de/.test(language));
  await choose("Audio", german.label);
  assert.equal(await playback(page, "audio"), german.id);
  await choose("Speed", "1.5×");
  assert.equal(await video(page, "playbackRate"), 1.5);
  await button(page, "Settings").click();
  assert.match(await page.getByRole("menuitem", { name: "Quality" }).textContent(), /100p/);
  assert.match(await page.getByRole("menuitem", { name: "Speed" }).textContent(), /1.5×/);
  await screenshot(page, "settings");
});

inBrowser("the keyboard alone moves through a menu, and gets back to its button", DESKTOP, async (page) => {
  await open(page, FILM);
  await button(page, "Settings").focus();
  const focused = () => page.evaluate(() => document.activeElement.dataset.label ?? document.activeElement.getAttribute("aria-label"));
  await page.keyboard.press("Enter");
  await page.keyboard.press("End");
  assert.equal(await focused(), "Keys");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  assert.equal(await focused(), "Speed");
  await page.keyboard.press("ArrowRight");
  assert.equal(await focused(), "Normal", "the page of a choice begins at its current value");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(), "1.25×");
  await page.keyboard.press("ArrowLeft");
  assert.equal(await focused(), "Speed");
  await page.keyboard.press("Escape");
  assert.equal(await focused(), "Settings");
  assert.equal(await page.getByRole("menu").count(), 0);
  assert.equal(await video(page, "currentTime"), 0, "arrow keys in a menu do not seek");

  await page.keyboard.press("Enter");
  await page.mouse.click(300, 200); // beside the menu
  await page.getByRole("menu").waitFor({ state: "hidden" });
});

// ---- Pointers --------------------------------------------------------------

inBrowser("a click plays and pauses, a double click fills the screen with all controls", DESKTOP, async (page) => {
  await open(page, FILM);
  const video_ = page.locator("video");
  await video_.click({ position: { x: 300, y: 100 } });
  await plays(page, 0.1);
  await video_.click({ position: { x: 300, y: 100 } });
  await until(page, () => document.querySelector("video").paused);

  await video_.dblclick({ position: { x: 300, y: 100 } });
  await stageHas(page, "full");
  assert.ok(await button(page, "Leave full screen").isVisible());
  const [width, height] = await page.evaluate(() => [document.querySelector("video").clientWidth, document.querySelector("video").clientHeight]);
  assert.deepEqual([width, height], await page.evaluate(() => [innerWidth, innerHeight]), "the video fills the screen");
  await button(page, "Settings").click();
  assert.ok(await page.getByRole("menu").isVisible());
  await page.keyboard.press("Escape");
  await screenshot(page, "full-screen");
  await button(page, "Leave full screen").click();
  await stageHasNot(page, "full");
});

inBrowser("the seek bar follows pointer and keyboard, and tells time and chapter", DESKTOP, async (page) => {
  await open(page, FILM);
  const bar = page.getByRole("slider", { name: "Position" });
  assert.equal(await bar.getAttribute("aria-valuetext"), "0:00 of 0:40, Opening");
  const { x, y } = await onBar(page, 20);
  await page.mouse.click(x, y);
  await until(page, () => Math.abs(document.querySelector("video").currentTime - 20) < 0.3);
  await page.locator(".times").filter({ hasText: /0:(19|20) \/ 0:40The middle/ }).waitFor(); // the bar follows the video
  assert.match(await bar.getAttribute("aria-valuetext"), /^0:(19|20) of 0:40, The middle$/);

  const to = await onBar(page, 35);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y, { steps: 4 });
  await page.mouse.up();
  await until(page, () => Math.abs(document.querySelector("video").currentTime - 35) < 0.3);

  await bar.focus();
  for (const [key, seconds] of [["PageDown", 30], ["PageDown", 10], ["PageUp", 30], ["ArrowUp", 35], ["ArrowDown", 30], ["Home", 0]]) {
    await page.keyboard.press(key);
    await untilTime(page, seconds);
  }
  assert.equal(await page.locator(".marks i").count(), 2, "a mark for each chapter after the first");
});

inBrowser("the preview shows the frame of the time under the pointer", DESKTOP, async (page) => {
  await open(page, FILM);
  await until(page, () => player.playback.storyboard !== null);
  for (const seconds of [7.5, 32.5]) {
    const { x, y } = await onBar(page, seconds);
    await page.mouse.move(x, y);
    await until(page, (seconds) => {
      const { dataset } = document.querySelector(".preview canvas");
      return dataset.start !== undefined && Math.abs(Number(dataset.start) - seconds) <= 5;
    }, seconds);
    const { number, start } = await page.locator(".preview canvas").evaluate((canvas, [squares, square]) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const scale = canvas.width / (squares * square);
      let number = 0;
      for (let bit = 0; bit < squares; bit++) {
        const [x, y] = [(bit + 0.5) * square * scale, (square / 2) * scale].map(Math.floor);
        if (data[4 * (y * canvas.width + x)] > 127) number |= 1 << bit;
      }
      return { number, start: Number(canvas.dataset.start) };
    }, [SQUARES, SQUARE]);
    assert.ok(Math.abs(number / FRAMES_PER_SECOND - start) <= 1, `the tile of ${start} s shows frame ${number}`);
  }
  assert.match(await page.locator(".preview").textContent(), /Closing 0:32/);
  await screenshot(page, "preview");
});

inBrowser("volume, mute and theatre have buttons", DESKTOP, async (page) => {
  await open(page, FILM);
  await page.getByRole("slider", { name: "Volume" }).fill("0.3");
  assert.equal(await video(page, "volume"), 0.3);
  await button(page, "Mute").click();
  await button(page, "Unmute").waitFor();
  assert.equal(await page.getByRole("slider", { name: "Volume" }).getAttribute("aria-valuetext"), "Muted");
  await button(page, "Unmute").click();
  await button(page, "Theatre").click();
  await button(page, "Leave theatre").click();
  await button(page, "Picture in picture").click();
  await until(page, () => document.pictureInPictureElement !== null);
});

// ---- Over the video ---------------------------------------------------------

inBrowser("the bar rests while the video plays, and stays while it is paused", DESKTOP, async (page) => {
  await open(page, FILM);
  await page.keyboard.press("k");
  await stageHas(page, "resting");
  await page.mouse.move(400, 300);
  await stageHasNot(page, "resting");
  await page.keyboard.press("k");
  await until(page, () => document.querySelector("video").paused);
  await page.mouse.move(900, 820); // outside
  assert.ok(await button(page, "Play").isVisible());
  assert.equal(await page.locator(".stage.resting").count(), 0, "a paused video keeps its bar");
});

inBrowser("captions are above the bar while it is visible", { ...DESKTOP, reducedMotion: "reduce" }, async (page) => {
  await open(page, FILM);
  await page.keyboard.press("c");
  await page.keyboard.press("k");
  await until(page, () => [...document.querySelector("video").textTracks].some(({ activeCues }) => activeCues?.length));
  await page.keyboard.press("k");
  await until(page, () => document.querySelector("video").paused);
  const { x, y, width } = await page.locator(".bar").boundingBox();
  const aboveTheBar = () => page.screenshot({ clip: { x: x + width / 4, y: y - 60, width: width / 2, height: 60 } });
  const withCaptions = await aboveTheBar();
  await screenshot(page, "captions-lifted");
  await page.keyboard.press("c");
  await until(page, () => player.playback.text === null);
  assert.notDeepEqual(await aboveTheBar(), withCaptions);

  const lift = () => page.locator(".stage").evaluate((stage) => stage.style.getPropertyValue("--lift"));
  assert.match(await lift(), /^[1-9]\d*px$/);
  await page.keyboard.press("k");
  await stageHas(page, "resting");
  assert.equal(await lift(), "0px");
});

inBrowser("a title that does not begin alone has a big button, and says what is wrong in one sentence", DESKTOP, async (page, errors) => {
  await open(page, FILM);
  await page.locator(".big").click();
  await plays(page);
  assert.equal(await page.locator(".big").isVisible(), false);
  await page.keyboard.press("k");
  assert.equal(await page.locator(".big").isVisible(), false, "a pause shows the frame");

  await page.evaluate((path) => player.playback.load(encodeURI(path)), BROKEN);
  await page.locator(".player-notice p:not(:empty)").waitFor();
  assert.equal(await page.locator(".big").isVisible(), false);
  await screenshot(page, "notice");
  errors.splice(0); // the server's answers about the broken file
});

inBrowser("a notice has a progress bar and an action", DESKTOP, async (page) => {
  await open(page, FILM);
  await page.evaluate(() => {
    const notice = { text: "The server is converting it.", percent: 42, action: { label: "Stop", run: () => { globalThis.didRun = true; } } };
    Object.defineProperty(player.playback, "notice", { get: () => notice });
    player.playback.dispatchEvent(new Event("change"));
  });
  assert.equal(await page.getByRole("progressbar").evaluate((bar) => bar.value), 42);
  await screenshot(page, "progress");
  await button(page, "Stop").click();
  assert.equal(await page.evaluate(() => globalThis.didRun), true);
});

inBrowser("the stats panel tells source, codecs, frames, buffer and the server's time", DESKTOP, async (page) => {
  await open(page, FILM);
  await page.keyboard.press("k");
  await plays(page, 1);
  await button(page, "Settings").click();
  await item(page, "Stats").click();
  const stats = page.getByRole("region", { name: "Stats" });
  for (const name of ["Source", "Video", "Codecs", "Buffer", "Frames", "Server-Timing"]) await stats.getByText(name, { exact: true }).waitFor();
  assert.match(await stats.textContent(), /avc1\.[0-9a-f]{6}.*[1-9]\d* decoded/is);
  await screenshot(page, "stats");
  await page.keyboard.press("Escape");
  await stats.waitFor({ state: "hidden" });
});

inBrowser("the system knows title, length and position", DESKTOP, async (page) => {
  await page.addInitScript(() => {
    const { setPositionState } = navigator.mediaSession;
    navigator.mediaSession.setPositionState = function (state) {
      globalThis.position = state;
      return setPositionState.call(this, state);
    };
  });
  await open(page, FILM);
  await page.keyboard.press("k");
  await plays(page, 0.2);
  assert.equal(await page.evaluate(() => navigator.mediaSession.metadata.title), "Film");
  assert.equal(await page.evaluate(() => navigator.mediaSession.playbackState), "playing");
  await page.keyboard.press("5");
  await until(page, () => globalThis.position?.position >= 19.9 && Math.abs(globalThis.position.duration - 40) < 0.2);
});

inBrowser("a device nearby adds a button", DESKTOP, async (page) => {
  await page.addInitScript(() => {
    // No device is near a test, so the test replaces the result of the browser.
    Object.defineProperty(HTMLMediaElement.prototype, "remote", {
      get: () => ({
        watchAvailability: async (call) => { call(true); return 1; },
        cancelWatchAvailability: async () => {},
        prompt: async () => { globalThis.didPrompt = true; },
      }),
    });
  });
  await open(page, FILM);
  await button(page, "Play on a device").click();
  assert.equal(await page.evaluate(() => globalThis.didPrompt), true);
});

inBrowser("without its controls the stage is as it was", DESKTOP, async (page) => {
  await open(page, FILM);
  await page.evaluate(() => player.controls.destroy());
  assert.deepEqual(await page.evaluate(() => {
    const stage = document.querySelector(".stage");
    return [stage.className, [...stage.children].map(({ tagName }) => tagName), stage.firstElementChild.controls];
  }), ["stage", ["VIDEO"], true]);
  await page.keyboard.press("m");
  assert.equal(await video(page, "muted"), false);
});

// ---- Shapes ----------------------------------------------------------------

inBrowser("audio alone has a slim player with artwork, and no black box", DESKTOP, async (page) => {
  await open(page, SONG);
  await stageHas(page, "audio");
  const { height } = await page.locator(".stage").boundingBox();
  assert.ok(height < 160, `the stage is ${height} px high`);
  assert.ok(await page.locator(".artwork").isVisible());
  assert.equal(await button(page, "Full screen").count(), 0);
  await button(page, "Play").click();
  await until(page, () => document.querySelector("video").currentTime > 0.5);
  await screenshot(page, "audio");
  await button(page, "Settings").click();
  await screenshot(page, "audio-menu");
});

inBrowser("portrait is upright within the window, and nothing moves", DESKTOP, async (page) => {
  await open(page, PORTRAIT, { shape: "360x640" });
  const { y, height } = await page.locator(".stage").boundingBox();
  assert.ok(y + height <= DESKTOP.viewport.height, "the whole video is in the window");
  assert.equal(await page.evaluate(() => player.shift), 0);
  await screenshot(page, "portrait");
  await page.keyboard.press("k");
  await plays(page, 1);
  await page.keyboard.press("k");
  const before = await video(page, "currentTime");
  await page.keyboard.press(".");
  const step_s = await video(page, "currentTime") - before;
  assert.ok(Math.abs(step_s - 1 / 30) < 0.002, `a frame of 1/30 s, not ${step_s} s`);
});

inBrowser("landscape does not move the page, though its shape is not known before", DESKTOP, async (page) => {
  await open(page, FILM);
  assert.equal(await page.evaluate(() => player.shift), 0);
});

// ---- Phone -----------------------------------------------------------------

inBrowser("on a phone a tap shows the bar, and double taps at the sides seek", PHONE, async (page) => {
  await open(page, FILM);
  const { x, y, width } = await page.locator("video").boundingBox();
  const tap = (part) => page.touchscreen.tap(x + part * width, y + 40);
  await page.locator(".big").tap();
  await plays(page, 0.2);
  await tap(0.5);
  await stageHas(page, "resting");
  await tap(0.5);
  await stageHasNot(page, "resting");
  await page.locator(".big").tap();
  await until(page, () => document.querySelector("video").paused);
  const before = await video(page, "currentTime");
  await tap(0.9);
  await tap(0.9);
  await untilTime(page, before + 10);
  await page.getByText("+10 s").waitFor();
  await tap(0.1);
  await tap(0.1);
  await untilTime(page, before);

  for (const box of await page.locator(".bar button:visible").evaluateAll((all) => all.map((one) => one.getBoundingClientRect().toJSON()))) {
    assert.ok(box.width >= 44 && box.height >= 44, `a button of ${box.width} × ${box.height}`);
    assert.ok(box.left >= 0 && box.right <= PHONE.viewport.width, "within the screen");
  }
  await screenshot(page, "phone");
  await button(page, "Settings").tap();
  await item(page, "Speed").tap();
  await screenshot(page, "phone-menu");
  await item(page, "2×").tap();
  assert.equal(await video(page, "playbackRate"), 2);
});

inBrowser("on a phone portrait and audio fit the screen", PHONE, async (page) => {
  await open(page, PORTRAIT, { shape: "360x640" });
  const { height } = await page.locator(".stage").boundingBox();
  assert.ok(height > 500 && height < PHONE.viewport.height, `the stage is ${height} px high`);
  await screenshot(page, "phone-portrait");
  await page.evaluate((path) => player.playback.load(path), SONG);
  await stageHas(page, "audio");
  await until(page, () => document.querySelector("video").readyState >= 2);
  await screenshot(page, "phone-audio");
});

// ---- The watch page ----------------------------------------------------------

inBrowser("on the watch page keys work everywhere, and n opens the next title of the folder", DESKTOP, async (page) => {
  await page.goto(`/watch/${FILM}`);
  await until(page, () => document.querySelector("video").readyState >= 2);
  await page.locator("body").press("k");
  await plays(page);
  await button(page, "Next").waitFor();
  await page.keyboard.press("n");
  await page.waitForURL("**/watch/Not%20a%20video.mp4");
});

// ---- Accessibility -----------------------------------------------------------

const STATES = {
  "the bar": async () => {},
  "the captions menu": (page) => button(page, "Captions").click(),
  "the settings menu": (page) => button(page, "Settings").click(),
  "a page of the settings menu": async (page) => {
    await button(page, "Settings").click();
    await item(page, "Speed").click();
  },
  "the stats": async (page) => {
    await button(page, "Settings").click();
    await item(page, "Stats").click();
  },
  "the keys": (page) => page.keyboard.press("?"),
};

for (const colorScheme of ["light", "dark"]) {
  for (const width of [360, 1360, 3840]) {
    inBrowser(`axe finds no violation at ${width} px in ${colorScheme}`, { viewport: { width, height: width / 1.6 }, colorScheme }, async (page) => {
      page.setDefaultTimeout(10_000);
      for (const [title, states] of [[FILM, Object.entries(STATES)], [SONG, Object.entries(STATES).filter(([name]) => !/captions/.test(name))]]) {
        for (const [name, show] of states) {
          await open(page, title);
          await show(page);
          await findsNoViolation(page, `${title}: ${name}`, ".stage");
        }
        await screenshot(page, `${path.parse(title).name}-${width}-${colorScheme}`);
      }
    });
  }
}

inBrowser("with reduced motion nothing turns or fades", { ...DESKTOP, reducedMotion: "reduce" }, async (page) => {
  await open(page, FILM);
  const { animation, transition } = await page.evaluate(() => ({
    animation: getComputedStyle(document.querySelector(".spinner")).animationName,
    transition: getComputedStyle(document.querySelector(".bar")).transitionDuration,
  }));
  assert.deepEqual({ animation, transition }, { animation: "none", transition: "0s" });
});
