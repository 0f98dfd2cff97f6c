// The watch page around the player: facts about the title, its notices, jobs and renditions.

import { MEDIA, VIEWS, WATCH } from "./library.js";
import { liveJobsOf, showJobs } from "./jobs.js";
import { Playback } from "./player/playback.js";
import { timeInHash } from "./player/time.js";
import { offerHeights } from "./renditions.js";
import * as seekbar from "./seekbar.js";
import { onJob } from "./server.js";
import { byId, clock, date, decoded, element, showFacts, sizeText, splitPath } from "./words.js";

/** Folders of renditions, which have no file of their own. */
const SET = /\.set$/;

/** What a finished job means for the title that plays. */
const UPDATES = { rendition: "A new quality is available.", audio: "Its audio now plays in this browser." };

const video = byId("video");
const playback = new Playback(video);
const menu = byId("quality");
let shown = null; // the title whose facts are shown

/** Unloads the current title. */
export function stop() {
  playback.unload();
  seekbar.reset();
}

/** Shows the title of a percent-encoded path, from `at_s` seconds on. */
export function watch(path, { play = false, at_s = timeInHash(location.hash) } = {}) {
  stop();
  const { folder, name } = splitPath(decoded(path));
  const views = `${VIEWS}${path}/`;
  document.title = `${name} · Headwater`;
  byId("name").textContent = name;
  byId("download").href = SET.test(path) ? `${views}play.mp4` : MEDIA + path;
  byId("hls").href = `${views}index.m3u8`;
  byId("dash").href = `${views}manifest.mpd`;
  byId("inspect").href = `${views}inspect`;
  for (const id of ["packaged", "renditions", "update"]) byId(id).hidden = true;
  showFacts(byId("facts"), [folder]);
  playback.load(path, { at_s, play });
}

playback.addEventListener("change", () => {
  showNotice();
  showQualities();
  showTitleJobs();
  if (playback.title !== shown) showTitle(playback.title);
  if (playback.storyboard) seekbar.setStoryboard(playback.storyboard);
});

function showTitle(title) {
  shown = title;
  if (!title) return;
  const { folder } = splitPath(title.path);
  showFacts(byId("facts"), [
    folder, title.duration_s && clock(title.duration_s), title.height ? `${title.width} × ${title.height}` : title.media_type,
    title.size_bytes && sizeText(title.size_bytes), title.modified && date.format(new Date(title.modified)),
  ]);
  seekbar.showChapters(title.chapters.map(({ start_s, title }) => ({ start: start_s, title })));
  byId("packaged").hidden = !title.tracks.length;
  if (title.height) offerHeights(title.path, title.height, title.renditions.map(({ height }) => height));
}

/** A notice beside a video that plays or waits, or in place of one that cannot play. */
function showNotice() {
  const { notice } = playback;
  byId("preparing").hidden = !notice;
  byId("preparing-text").textContent = notice?.text ?? "";
  byId("preparing-progress").hidden = notice?.percent === undefined;
  byId("preparing-progress").value = notice?.percent ?? 0;
  byId("notice-action").hidden = !notice?.action;
  byId("notice-action").textContent = notice?.action?.label ?? "";
  video.hidden = notice !== null && !video.getAttribute("src");
  byId("timeline").hidden = video.hidden;
}

byId("notice-action").addEventListener("click", () => playback.notice?.action?.run());

function showQualities() {
  const { qualities } = playback;
  byId("quality-choice").hidden = !qualities.length;
  menu.replaceChildren(...qualities.map(({ id, label }) => Object.assign(element("option", "", label), { value: id })));
  menu.value = playback.quality;
}

menu.addEventListener("change", () => { playback.quality = menu.value; });

function showTitleJobs() {
  showJobs(byId("title-jobs"), playback.title ? liveJobsOf(playback.title.path) : []);
}

document.addEventListener("jobs", showTitleJobs);
onJob((job) => {
  if (job.title !== playback.title?.path || job.state !== "done" || !(job.kind in UPDATES)) return;
  byId("update-text").textContent = UPDATES[job.kind];
  byId("update").hidden = false;
});

/** Loads the title again at the same position, to use a new rendition. */
byId("update-switch").addEventListener("click", () => {
  if (playback.path) watch(playback.path, { play: true, at_s: video.currentTime });
});

/** The path of the title in an address, or "". */
export const pathIn = ({ pathname }) => (pathname.startsWith(WATCH) ? pathname.slice(WATCH.length) : "");
