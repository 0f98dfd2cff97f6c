// The player: chooses a way to play a title, shows facts about it, and explains failures.

import { MEDIA, VIEWS, WATCH } from "./library.js";
import { liveJobsOf, showJobs } from "./jobs.js";
import * as quality from "./quality.js";
import { offerHeights } from "./renditions.js";
import * as seekbar from "./seekbar.js";
import { getJson, onJob, request, whenJobEnds, whenRendered } from "./server.js";
import { cues, Storyboard } from "./storyboard.js";
import { byId, clock, date, decoded, percent, showFacts, sizeText, splitPath } from "./words.js";

/** Files that the server packages without a job: as MP4 with the index in front, and as HLS. */
const PACKAGED = /\.(mp4|m4v|m4a|mov|set)$/i;
/** Folders of renditions, which have no file of their own. */
const SET = /\.set$/;
/** Media types that browsers claim to play, but play without audio or not to the end. */
const UNRELIABLE = /matroska|mp2t|x-msvideo|video\/mpeg/;

/** What a finished job means for the title that plays. */
const UPDATES = { rendition: "A new quality is available.", audio: "Its audio now plays in this browser." };

const HLS = "application/vnd.apple.mpegurl";
const RETRY_S = 5;

const video = byId("video");

/** The current title: its addresses, the promised response to HEAD, and the signal that aborts its requests. */
let current = null;

/** Unloads the current title. */
export function stop() {
  current?.controller.abort();
  current = null;
  quality.stop();
  seekbar.reset();
  video.removeAttribute("poster");
  video.removeAttribute("src");
  video.load(); // closes the connection
}

/** Shows the title of a percent-encoded path, from `at` seconds on. */
export function watch(path, { play = false, at = 0 } = {}) {
  stop();
  const { folder, name } = splitPath(decoded(path));
  const controller = new AbortController();
  const views = `${VIEWS}${path}/`;
  const href = SET.test(path) ? `${views}play.mp4` : MEDIA + path;
  const title = {
    path, href, folder, controller, play, at, fallbacks: [], heights: Promise.resolve([]),
    title: decoded(path), views, signal: controller.signal,
    head: fetch(href, { method: "HEAD" }).catch(() => null),
  };
  current = title;
  document.title = `${name} · Headwater`;
  byId("name").textContent = name;
  byId("download").href = href;
  byId("hls").href = `${title.views}index.m3u8`;
  byId("dash").href = `${title.views}manifest.mpd`;
  byId("inspect").href = `${title.views}inspect`;
  byId("packaged").hidden = true;
  byId("renditions").hidden = true;
  byId("update").hidden = true;
  showFacts(byId("facts"), [folder]);
  hideNotices();
  showTitleJobs();
  describeFile(title);
  start(title);
}

// ---- Ways to play ----------------------------------------------------------

/** Whether the user has chosen another title meanwhile. */
const isStale = (title) => title !== current;

async function start(title) {
  if (PACKAGED.test(title.path)) return playPackaged(title);
  const type = (await title.head)?.headers.get("content-type") ?? "";
  if (isStale(title)) return;
  if (video.canPlayType(type) && !UNRELIABLE.test(type)) setSource(title, title.href);
  else playRemuxed(title);
}

/** Plays by HLS if there are renditions besides the file, else as one MP4. */
async function playPackaged(title) {
  const playlist = `${title.views}index.m3u8`;
  const reading = quality.readPlaylist(playlist, title.signal).catch(() => ({ heights: [], more: false }));
  title.heights = reading.then(({ heights }) => heights);
  const { more } = await reading;
  if (isStale(title)) return;
  title.fallbacks = [`${title.views}play.mp4`, title.href]; // the file itself, if the server cannot package it
  if (more && quality.isSupported()) {
    await quality.play(video, playlist, title.at, title.signal, (status) => recoverFromHls(title, status));
    if (!isStale(title) && title.play) video.play().catch(() => {});
  } else {
    setSource(title, more && video.canPlayType(HLS) ? playlist : title.fallbacks.shift());
  }
}

function setSource(title, url) {
  video.src = url;
  if (title.at) video.currentTime = title.at;
  // The browser may refuse autoplay; a real failure raises "error".
  if (title.play) video.play().catch(() => {});
}

/** After a 404 the file was replaced, so the title reloads once; after other errors the whole file plays. */
function recoverFromHls(title, status) {
  if (isStale(title)) return;
  const at = video.currentTime;
  if (status === 404 && !title.wasReplaced) {
    watch(title.path, { play: true, at });
    current.wasReplaced = true;
  } else {
    Object.assign(title, { at, play: true });
    setSource(title, title.fallbacks.shift());
  }
}

/** Plays a title that browsers cannot play, as soon as a job has remuxed it. */
async function playRemuxed(title) {
  for (;;) {
    try {
      await request(`${title.views}play.mp4`, { headers: { Range: "bytes=0-1" }, signal: title.signal });
      if (isStale(title)) return;
      hideNotices();
      describeRemux(title);
      return playPackaged(title);
    } catch (error) {
      if (isStale(title)) return;
      if (error.status !== 503) return showError(title, 0, error.message);
      title.reason = error.message;
      showPreparing(title);
      await whenJobEnds(title.title, 1000 * (error.retryAfterS || RETRY_S), title.signal).catch(() => {});
      if (isStale(title)) return;
    }
  }
}

function showPreparing(title) {
  byId("preparing").hidden = false;
  video.hidden = true;
  byId("timeline").hidden = true;
  const [job] = liveJobsOf(title.title);
  const state = job ? `The server is converting it: ${percent(job.progress.percent)}.` : `Server: ${title.reason}.`;
  byId("preparing-text").textContent = `This browser cannot play this file. ${state}`;
  byId("preparing-progress").hidden = !job;
  byId("preparing-progress").value = job?.progress.percent ?? 0;
}

// ---- Facts -----------------------------------------------------------------

/** Reads the file's headers and report: the title may not be in the loaded pages of the list. */
async function describeFile(title) {
  const [head, report] = await Promise.all([
    title.head, title.head.then((head) => head?.ok && getJson(`${title.views}inspect`, title.signal)).catch(() => null),
  ]);
  if (isStale(title) || !head?.ok) return;
  const size = Number(head.headers.get("content-length"));
  const modified = head.headers.get("last-modified");
  const type = head.headers.get("content-type");
  const track = report?.tracks?.find((track) => track.video)?.video;
  showFacts(byId("facts"), [
    title.folder, report?.duration_s && clock(report.duration_s),
    track ? `${track.shown_width} × ${track.shown_height}` : type,
    size && sizeText(size), modified && date.format(new Date(modified)),
  ]);
  if (!report?.playable) return;
  seekbar.showChapters(report.chapters.map(({ start_s, title }) => ({ start: start_s, title })));
  showViews(title, track?.shown_height);
}

/** Shows links, renditions, poster and storyboard; `height` is that of the video, if there is one. */
async function showViews(title, height) {
  byId("packaged").hidden = false;
  if (!height) return;
  title.heights.then((heights) => isStale(title) || offerHeights(title.title, height, heights));
  showPoster(title).catch(() => {}); // the first frame serves without a poster
  const storyboard = await Storyboard.load(`${title.views}storyboard.vtt`, title.title, title.signal).catch(() => null);
  if (isStale(title)) storyboard?.close();
  else seekbar.setStoryboard(storyboard);
}

/** The report describes the original file, so the facts of a remux come from its views and the video. */
async function describeRemux(title) {
  const chapters = await cues(`${title.views}chapters.vtt`, title.signal).catch(() => []);
  if (video.readyState === video.HAVE_NOTHING) await new Promise((resolve) => video.addEventListener("loadedmetadata", resolve, { once: true }));
  if (isStale(title)) return;
  seekbar.showChapters(chapters.map(({ start, text }) => ({ start, title: text })));
  showViews(title, video.videoHeight);
}

async function showPoster(title) {
  const url = `${title.views}poster.jpg?wait=0`;
  await whenRendered(url, title.title, title.signal);
  if (!isStale(title)) video.poster = url;
}

function showTitleJobs() {
  showJobs(byId("title-jobs"), current ? liveJobsOf(current.title) : []);
  if (current && !byId("preparing").hidden) showPreparing(current);
}

document.addEventListener("jobs", showTitleJobs);
onJob((job) => {
  if (job.title !== current?.title || job.state !== "done" || !(job.kind in UPDATES)) return;
  byId("update-text").textContent = UPDATES[job.kind];
  byId("update").hidden = false;
});

// ---- Failures --------------------------------------------------------------

video.addEventListener("error", async () => {
  const title = current;
  const code = video.error?.code;
  if (!title || !video.getAttribute("src")) return;
  if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && title.fallbacks.length) {
    setSource(title, title.fallbacks.shift());
    return;
  }
  const head = await title.head;
  if (isStale(title)) return;
  if (code !== MediaError.MEDIA_ERR_NETWORK && head?.ok && !PACKAGED.test(title.path)) return playRemuxed(title);
  showError(title, code);
});

async function showError(title, code, reason = "") {
  const head = await title.head;
  if (isStale(title)) return;
  let text = "This browser cannot decode this video. Download it and open it in another player.";
  if (code === MediaError.MEDIA_ERR_NETWORK) text = "The connection was lost.";
  else if (!head) text = "The server cannot be reached.";
  else if (head.status === 404) text = "This title is not in the library, or no longer.";
  else if (!head.ok) text = `The server responded with status ${head.status}.`;
  else if (reason) text += ` (Server: ${reason}.)`;
  byId("player-error-text").textContent = text;
  byId("download").hidden = head?.status === 404;
  byId("preparing").hidden = true;
  video.hidden = code !== MediaError.MEDIA_ERR_NETWORK; // keeps the last frame after a lost connection
  byId("timeline").hidden = video.hidden;
  byId("player-error").hidden = false;
}

function hideNotices() {
  for (const id of ["player-error", "preparing"]) byId(id).hidden = true;
  for (const id of ["download", "video", "timeline"]) byId(id).hidden = false;
}

/** Loads the title again at the same position: after a failure, or to use a new rendition. */
function reload() {
  if (current) watch(current.path, { play: true, at: video.currentTime });
}

byId("player-retry").addEventListener("click", reload);
byId("update-switch").addEventListener("click", reload);

/** The path of the title in an address, or "". */
export const pathIn = ({ pathname }) => (pathname.startsWith(WATCH) ? pathname.slice(WATCH.length) : "");
