// The watch page: a title in the player, and what there is to know and to do about it.

import { viewsOf, watchHref } from "./addresses.js";
import { keepFocus, liveJobsOf, showJobs } from "./jobs.js";
import { nextTitle } from "./library.js";
import { Controls } from "./player/controls.js";
import { Playback } from "./player/playback.js";
import { timeIn } from "./player/time.js";
import { offerHeights } from "./renditions.js";
import { onJob } from "./server.js";
import { byId, clock, date, decoded, element, nameOf, showFacts, sizeText } from "./words.js";

/** What a finished job means for the title that plays. */
const UPDATES = { rendition: "A new quality is available.", audio: "Its audio now plays in this browser." };

const SET = /\.set$/;

const video = /** @type {HTMLVideoElement} */ (byId("video"));
const playback = new Playback(video);
const controls = new Controls(byId("stage"), playback, { keys: "page" });

let shown = null; // the title object on the page
let hasOpened = false; // whether a title was on the page

/** Shows a title; `path` is percent-encoded. The title that is on the page already goes on. */
export function open(path, { play = false } = {}) {
  if (playback.path === path) return;
  shown = null;
  const name = nameOf({ path: decoded(path) });
  const views = viewsOf(path);
  byId("name").textContent = name;
  byId("facts").replaceChildren();
  if (hasOpened) byId("missing").replaceChildren(); // what the server wrote about the first title stays
  hasOpened = true;
  document.title = `${name} · Headwater`;
  byId("download").href = SET.test(path) ? `${views}play.mp4` : `/media/${path}`;
  byId("hls").href = `${views}index.m3u8`;
  byId("dash").href = `${views}manifest.mpd`;
  byId("mp4").href = `${views}play.mp4`;
  byId("inspect").href = `${views}inspect`;
  for (const id of ["next", "update", "chapters-list", "renditions", "addresses"]) byId(id).hidden = true;
  controls.hasNext = false;
  document.body.classList.toggle("theatre", controls.isTheatre);
  showTitleJobs();
  playback.load(path, { at_s: timeIn(location), play });
}

/** Stops, for a page without a player. */
export function close() {
  document.body.classList.remove("theatre");
  playback.unload();
  shown = null;
}

/** Shows which title follows in the list, once the list is there. */
export async function showNext() {
  const { path } = playback;
  const title = path && await nextTitle().catch(() => null);
  if (path !== playback.path) return;
  controls.hasNext = Boolean(title);
  byId("next").hidden = !title;
  if (!title) return;
  byId("next").setAttribute("href", watchHref(title));
  byId("next-name").textContent = nameOf(title);
}

// ---- What the server knows about the title -----------------------------------

playback.addEventListener("change", () => {
  if (playback.title || playback.notice) document.body.classList.remove("opening");
  if (playback.notice?.job !== shownByNotice) showTitleJobs();
  if (!playback.title || playback.title === shown) return;
  shown = playback.title;
  byId("missing").replaceChildren();
  const { width, height, playable, size_bytes, modified, duration_s } = shown;
  document.body.classList.toggle("audio", shown.kind === "audio");
  byId("name").textContent = nameOf(shown);
  document.title = `${nameOf(shown)} · Headwater`;
  showFacts(byId("facts"), [
    duration_s && clock(duration_s), width && height && `${width} × ${height}`,
    size_bytes && sizeText(size_bytes), modified && date.format(new Date(modified)),
  ]);
  showChapters();
  byId("addresses").hidden = false;
  byId("streams").hidden = !playable.segments;
  if (height && playable.segments) offerHeights(shown.path, height, shown.renditions.map((rendition) => rendition.height));
  else byId("renditions").hidden = true;
});

function showChapters() {
  const { chapters } = playback;
  byId("chapters-list").hidden = !chapters.length;
  byId("chapters").replaceChildren(...chapters.map(({ start_s, title }) => {
    const button = element("button", "", element("span", "at", clock(start_s)), element("bdi", "", title));
    button.type = "button";
    button.addEventListener("click", () => {
      video.currentTime = start_s;
      video.play().catch(() => {});
    });
    return element("li", "", button);
  }));
  markChapter();
}

function markChapter() {
  const current = playback.chapters.findLastIndex(({ start_s }) => start_s <= video.currentTime);
  [...byId("chapters").children].forEach((item, index) => {
    if (index === current) item.setAttribute("aria-current", "true");
    else item.removeAttribute("aria-current");
  });
}
for (const event of ["timeupdate", "seeking"]) video.addEventListener(event, markChapter);

// ---- Jobs ----------------------------------------------------------------------

const pathOnPage = () => shown?.path ?? (playback.path && decoded(playback.path));

let shownByNotice; // the kind of job whose progress the player shows

/** Shows the jobs of the title, without the one that the player shows. */
function showTitleJobs() {
  shownByNotice = playback.notice?.job;
  const jobs = playback.path ? liveJobsOf(pathOnPage()).filter(({ kind }) => kind !== shownByNotice) : [];
  keepFocus(byId("title-jobs"), byId("share"), () => showJobs(byId("title-jobs"), jobs));
}
document.addEventListener("jobs", showTitleJobs);

onJob((job) => {
  if (job.title !== shown?.path || job.state !== "done" || !(job.kind in UPDATES) || job.kind === shownByNotice) return;
  byId("update-text").textContent = UPDATES[job.kind];
  byId("update").hidden = false;
});

byId("update-switch").addEventListener("click", () => {
  byId("update").hidden = true;
  playback.load(playback.path, { at_s: video.currentTime, play: true });
});

// ---- What to do next -------------------------------------------------------------

controls.addEventListener("next", () => byId("next").hidden || byId("next").click());
controls.addEventListener("theatre", () => document.body.classList.toggle("theatre", controls.isTheatre));

byId("share").addEventListener("click", async () => {
  const { openShare } = await import("./share.js");
  if (shown) openShare({ title: shown, at_s: video.currentTime });
});
