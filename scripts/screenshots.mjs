// The images of the README: see scripts/screenshots.

import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { launchBrowser, ROOT, startServer } from "../tests/browser/site.mjs";

const IMAGES = path.join(ROOT, "docs/images");
const HEADWATER = path.resolve(ROOT, process.env.TEST_BIN ?? "target/debug/headwater");

const ffmpeg = (...args) => execFileSync("ffmpeg", ["-v", "error", "-y", ...args]);

// ---- A library of computed pictures, which need no licence ----

/** Path, source of ffmpeg, seconds. */
const TITLES = [
  ["Films/Aurora.mp4", "gradients=s=1280x720:c0=0x0b3d2e:c1=0x2bd4a4:c2=0x123a6b:c3=0x8a5cf6:n=4:seed=7:speed=0.02", 94],
  ["Films/Ember.mp4", "gradients=s=1280x720:c0=0x2b0a0a:c1=0xff7a1a:c2=0x7a1f3d:c3=0xffd166:n=4:seed=3:speed=0.02", 151],
  ["Films/Mandelbrot.mp4", "mandelbrot=s=1280x720:end_scale=0.02:end_pts=240", 60],
  ["Series/Ep 1.mp4", "sierpinski=s=1280x720:seed=11", 42],
  ["Series/Ep 2.mp4", "sierpinski=s=1280x720:seed=12:type=triangle", 44],
  ["Series/Ep 10.mp4", "sierpinski=s=1280x720:seed=13", 41],
  ["Dusk.mp4", "gradients=s=1280x720:c0=0x0f1c3f:c1=0xf2845c:c2=0x5b2a86:c3=0xffcf99:n=4:seed=21:speed=0.01", 127],
  ["Lagoon.mp4", "gradients=s=1280x720:c0=0x023047:c1=0x8ecae6:c2=0x219ebc:c3=0xffe5b4:n=4:seed=5:speed=0.01", 83],
  ["Meadow.mp4", "gradients=s=1280x720:c0=0x1b4332:c1=0xb7e4c7:c2=0x74a57f:c3=0xf4d35e:n=4:seed=9:speed=0.01", 68],
  ["Zoom.mp4", "mandelbrot=s=1280x720:start_scale=1.5:end_scale=0.001:end_pts=300", 72],
];

function makeLibrary(folder) {
  for (const [name, source, seconds] of TITLES) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    ffmpeg("-f", "lavfi", "-i", `${source}:r=2`, "-f", "lavfi", "-i", "sine=f=220", "-t", String(seconds), "-g", "4",
      "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", file);
  }
  fs.cpSync(path.join(ROOT, "media/Clock.mp4"), path.join(folder, "Clock.mp4"));
  fs.cpSync(path.join(ROOT, "media/Clock.en.srt"), path.join(folder, "Clock.en.srt"));
}

// ---- The page ----

/** Waits until the server has made all images that the page requests, and the page shows them. */
async function settled(page) {
  for (let quiet = 0; quiet < 3;) {
    await page.waitForTimeout(700);
    const { jobs } = await (await page.request.get("/api/jobs?limit=100")).json();
    const busy = jobs.some((job) => ["queued", "running", "waiting"].includes(job.state));
    quiet = busy ? 0 : quiet + 1;
  }
}

/** Writes a screenshot with a palette of 256 colours, dithered, which makes it much smaller. */
async function shoot(page, name) {
  const file = path.join(IMAGES, `${name}.png`);
  const full = path.join(scratch, `${name}.png`);
  await page.screenshot({ path: full });
  ffmpeg("-i", full, "-vf", "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=sierra2_4a", file);
  console.log(`${path.relative(ROOT, file)}: ${Math.round(fs.statSync(file).size / 1024)} KiB`);
}

async function picture(browser, url, name, options, prepare = async () => {}) {
  const context = await browser.newContext({ baseURL: url, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  await prepare(page);
  await settled(page);
  await shoot(page, name);
  await context.close();
}

/** Opens a title and shows a frame of its middle. */
const watch = (title, at_s) => async (page) => {
  await page.goto(`/watch/${encodeURIComponent(title)}`);
  await page.waitForFunction(() => document.querySelector("video")?.readyState >= 2);
  await page.evaluate(async (at_s) => {
    const video = document.querySelector("video");
    video.pause();
    video.currentTime = at_s;
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  }, at_s);
};

async function page(folder) {
  const server = await startServer(folder, path.join(scratch, "data"), "screenshots.log");
  const browser = await launchBrowser();
  const wide = { viewport: { width: 1200, height: 750 } };
  const phone = { viewport: { width: 390, height: 750 }, isMobile: true, hasTouch: true };
  await picture(browser, server.url, "page", wide, (page) => page.goto("/"));
  await picture(browser, server.url, "watch", wide, watch("Zoom.mp4", 40));
  await picture(browser, server.url, "phone", phone, watch("Dusk.mp4", 60));
  await browser.close();
  await server.stop();
}

// ---- The report ----

/** The lines of a report that the picture shows: of each of these sections so many, without some. */
const SECTIONS = [["film.mp4", 5], ["track 1", 5], ["fixed while", 3], ["needs transcoding", 3], ["players", 9], ["problems", 3]];
const LEFT_OUT = /^  (version|boxes|colour) /;

function report(folder) {
  const film = path.join(folder, "film.mp4");
  ffmpeg("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=24:duration=40", "-f", "lavfi", "-i", "sine=duration=40",
    "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=240:min-keyint=240:scenecut=0",
    "-tag:v", "hev1", "-c:a", "ac3", film);
  const text = execFileSync(HEADWATER, ["inspect", "film.mp4"], { cwd: folder, encoding: "utf8" });
  const sections = text.split("\n\n").map((section) => section.trimEnd().split("\n").filter((line) => !LEFT_OUT.test(line)));
  const lines = ["$ headwater inspect film.mp4"];
  for (const [heading, count] of SECTIONS) {
    const section = sections.find((section) => section[0].startsWith(heading));
    if (!section) throw new Error(`the report has no section ${heading}`);
    lines.push(...section.slice(0, count), ...(section.length > count ? ["  …"] : []), "");
  }
  fs.writeFileSync(path.join(IMAGES, "inspect.svg"), drawing(lines.slice(0, -1)));
  console.log("docs/images/inspect.svg");
}

/** Text as a terminal shows it; an SVG, so that it can be read at every size, and searched. */
function drawing(lines) {
  const [size, leading, margin] = [14, 20, 24];
  const columns = Math.max(...lines.map((line) => line.length));
  const [width, height] = [Math.ceil(columns * size * 0.602) + 2 * margin, lines.length * leading + 2 * margin - 4];
  const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const colour = (line) => (line.startsWith("$") ? "#7dd3a8" : /^\S/.test(line) ? "#ffffff" : "#c6d0d8");
  const text = lines.map((line, row) =>
    `<text x="${margin}" y="${margin + 12 + row * leading}" fill="${colour(line)}" xml:space="preserve">${escape(line)}</text>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"
  font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="${size}">
<rect width="100%" height="100%" rx="10" fill="#17212b"/>
${text.join("\n")}
</svg>
`;
}

// ---- All of them ----

const scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-screenshots-"));
try {
  fs.mkdirSync(IMAGES, { recursive: true });
  report(scratch);
  const library = path.join(scratch, "library");
  makeLibrary(library);
  await page(library);
} finally {
  fs.rmSync(scratch, { recursive: true });
}
