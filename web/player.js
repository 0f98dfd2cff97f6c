// The player: what plays, in which way, and what is said when it does not.

import { MADE, MEDIA, WATCH } from "./library.js";
import { liveJobsOf, showJobs } from "./jobs.js";
import * as quality from "./quality.js";
import { offer } from "./renditions.js";
import * as seekbar from "./seekbar.js";
import { ask, changeOf, getJson, onJob, whenMade } from "./server.js";
import { cues, Storyboard } from "./storyboard.js";
import { byId, clock, date, decoded, percent, showFacts, sizeText, splitPath } from "./words.js";

/** Files of which the server makes an MP4 that begins to play at once, wherever their index is. */
const PACKAGED = /\.(mp4|m4v|m4a|mov)$/i;
/** What browsers take up and then play without sound, or not to the end. */
const NOT_AS_IT_IS = /matroska|mp2t|x-msvideo|video\/mpeg/;

/** What there is to say when a job of this kind has made something of what plays. */
const BETTER = { rendition: "There is a new quality.", sound: "Its sound plays in this browser now." };

const HLS = "application/vnd.apple.mpegurl";
const AGAIN_S = 5;

const video = byId("video");

/** What plays: its names and addresses, the promised answer to HEAD, and what ends all that is done for it. */
let watched = null;

/** Lets go of what plays. */
export function stop() {
  watched?.ends.abort();
  watched = null;
  quality.stop();
  seekbar.reset();
  video.removeAttribute("poster");
  video.removeAttribute("src");
  video.load(); // lets go of the connection
}

/** Shows the title of a path as it stands in addresses, from `at` seconds on. */
export function watch(path, { play = false, at = 0 } = {}) {
  stop();
  const { folder, name } = splitPath(decoded(path));
  const ends = new AbortController();
  const href = MEDIA + path;
  const title = {
    path, href, folder, ends, play, at, others: [], heights: Promise.resolve([]),
    title: decoded(path), made: `${MADE}${path}/`, signal: ends.signal,
    head: fetch(href, { method: "HEAD" }).catch(() => null),
  };
  watched = title;
  document.title = `${name} · Headwater`;
  byId("name").textContent = name;
  byId("download").href = href;
  byId("hls").href = `${title.made}index.m3u8`;
  byId("dash").href = `${title.made}manifest.mpd`;
  byId("inspect").href = `${title.made}inspect`;
  byId("packaged").hidden = true;
  byId("renditions").hidden = true;
  byId("better").hidden = true;
  showFacts(byId("facts"), [folder]);
  hideTrouble();
  showTitleJobs();
  describe(title);
  begin(title);
}

// ---- Ways to play ----------------------------------------------------------

/** What somebody else was chosen for meanwhile is none of our business any more. */
const isOver = (title) => title !== watched;

async function begin(title) {
  if (PACKAGED.test(title.path)) return playPackaged(title);
  const type = (await title.head)?.headers.get("content-type") ?? "";
  if (isOver(title)) return;
  if (video.canPlayType(type) && !NOT_AS_IT_IS.test(type)) setSource(title, title.href);
  else playWhatIsMade(title);
}

/** By HLS where more was made than is in the file, else as one file. */
async function playPackaged(title) {
  const playlist = `${title.made}index.m3u8`;
  const offered = quality.offered(playlist, title.signal).catch(() => ({ heights: [], more: false }));
  title.heights = offered.then(({ heights }) => heights);
  const { more } = await offered;
  if (isOver(title)) return;
  title.others = [`${title.made}play.mp4`, title.href]; // as it is, if nothing could be made of it
  if (more && quality.canChange()) {
    await quality.play(video, playlist, title.at, title.signal, (status) => hlsFailed(title, status));
    if (!isOver(title) && title.play) video.play().catch(() => {});
  } else {
    setSource(title, more && video.canPlayType(HLS) ? playlist : title.others.shift());
  }
}

function setSource(title, url) {
  video.src = url;
  if (title.at) video.currentTime = title.at;
  // A refusal to play unasked is the browser's right; a failure raises "error".
  if (title.play) video.play().catch(() => {});
}

/** The file was replaced while it played: its streams are gone, and others are there. Else there is the whole. */
function hlsFailed(title, status) {
  if (isOver(title)) return;
  const at = video.currentTime;
  if (status === 404 && !title.wasReplaced) {
    watch(title.path, { play: true, at });
    watched.wasReplaced = true;
  } else {
    Object.assign(title, { at, play: true });
    setSource(title, title.others.shift());
  }
}

/** Plays what a job makes of a title that browsers cannot play, once it is there. */
async function playWhatIsMade(title) {
  for (;;) {
    try {
      await ask(`${title.made}play.mp4`, { headers: { Range: "bytes=0-1" }, signal: title.signal });
      if (isOver(title)) return;
      hideTrouble();
      describeMade(title);
      return playPackaged(title);
    } catch (error) {
      if (isOver(title)) return;
      if (error.status !== 503) return showTrouble(title, 0, error.message);
      title.reason = error.message;
      showMaking(title);
      await changeOf(title.title, 1000 * (error.again || AGAIN_S), title.signal).catch(() => {});
      if (isOver(title)) return;
    }
  }
}

function showMaking(title) {
  byId("making").hidden = false;
  video.hidden = true;
  byId("timeline").hidden = true;
  const [job] = liveJobsOf(title.title);
  const how = job ? `It is being made playable: ${percent(job.progress.percent)}.` : `The server says: ${title.reason}.`;
  byId("making-text").textContent = `This browser cannot play this file as it is. ${how}`;
  byId("making-progress").hidden = !job;
  byId("making-progress").value = job?.progress.percent ?? 0;
}

// ---- What is known of it ---------------------------------------------------

/** Asks the file itself: unlike the list, it knows titles that are not in the page shown. */
async function describe(title) {
  const [head, report] = await Promise.all([
    title.head, title.head.then((head) => head?.ok && getJson(`${title.made}inspect`, title.signal)).catch(() => null),
  ]);
  if (isOver(title) || !head?.ok) return;
  const size = Number(head.headers.get("content-length"));
  const modified = head.headers.get("last-modified");
  const type = head.headers.get("content-type");
  const picture = report?.tracks?.find((track) => track.video)?.video;
  showFacts(byId("facts"), [
    title.folder, report?.duration_s && clock(report.duration_s),
    picture ? `${picture.shown_width} × ${picture.shown_height}` : type,
    size && sizeText(size), modified && date.format(new Date(modified)),
  ]);
  if (!report?.playable) return;
  seekbar.showChapters(report.chapters.map(({ start_s, title }) => ({ start: start_s, title })));
  showWhatIsMade(title, picture?.shown_height);
}

/** What the server makes of a title that it can take apart, this many lines high if it has pictures. */
async function showWhatIsMade(title, height) {
  byId("packaged").hidden = false;
  if (!height) return;
  title.heights.then((heights) => isOver(title) || offer(title.title, height, heights));
  showPoster(title).catch(() => {}); // without one there is the first picture
  const storyboard = await Storyboard.of(`${title.made}storyboard.vtt`, title.title, title.signal).catch(() => null);
  if (isOver(title)) storyboard?.close();
  else seekbar.setStoryboard(storyboard);
}

/** The file itself says nothing of what was made of it: that is asked, and the video. */
async function describeMade(title) {
  const chapters = await cues(`${title.made}chapters.vtt`, title.signal).catch(() => []);
  if (video.readyState === video.HAVE_NOTHING) await new Promise((resolve) => video.addEventListener("loadedmetadata", resolve, { once: true }));
  if (isOver(title)) return;
  seekbar.showChapters(chapters.map(({ start, text }) => ({ start, title: text })));
  showWhatIsMade(title, video.videoHeight);
}

async function showPoster(title) {
  const url = `${title.made}poster.jpg?wait=0`;
  await whenMade(url, title.title, title.signal);
  if (!isOver(title)) video.poster = url;
}

function showTitleJobs() {
  showJobs(byId("title-jobs"), watched ? liveJobsOf(watched.title) : []);
  if (watched && !byId("making").hidden) showMaking(watched);
}

document.addEventListener("jobs", showTitleJobs);
onJob((job) => {
  if (job.title !== watched?.title || job.state !== "done" || !(job.kind in BETTER)) return;
  byId("better-text").textContent = BETTER[job.kind];
  byId("better").hidden = false;
});

// ---- What is in the way ----------------------------------------------------

video.addEventListener("error", async () => {
  const title = watched;
  const code = video.error?.code;
  if (!title || !video.getAttribute("src")) return;
  if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && title.others.length) {
    setSource(title, title.others.shift());
    return;
  }
  const head = await title.head;
  if (isOver(title)) return;
  if (code !== MediaError.MEDIA_ERR_NETWORK && head?.ok && !PACKAGED.test(title.path)) return playWhatIsMade(title);
  showTrouble(title, code);
});

async function showTrouble(title, code, reason = "") {
  const head = await title.head;
  if (isOver(title)) return;
  let text = `This browser cannot decode this video. Download it and open it in a player of your own.`;
  if (code === MediaError.MEDIA_ERR_NETWORK) text = "The connection broke off.";
  else if (!head) text = "The server cannot be reached.";
  else if (head.status === 404) text = "This title is not in the library, or not any more.";
  else if (!head.ok) text = `The server answered ${head.status}.`;
  else if (reason) text += ` (The server: ${reason}.)`;
  byId("trouble-text").textContent = text;
  byId("download").hidden = head?.status === 404;
  byId("making").hidden = true;
  video.hidden = code !== MediaError.MEDIA_ERR_NETWORK; // a picture that stopped is worth keeping
  byId("timeline").hidden = video.hidden;
  byId("trouble").hidden = false;
}

function hideTrouble() {
  for (const id of ["trouble", "making"]) byId(id).hidden = true;
  for (const id of ["download", "video", "timeline"]) byId(id).hidden = false;
}

/** Plays it anew where it is: after a trouble, or because there is a better way by now. */
function again() {
  if (watched) watch(watched.path, { play: true, at: video.currentTime });
}

byId("trouble-retry").addEventListener("click", again);
byId("better-use").addEventListener("click", again);

/** The path of the title that an address names, if it names one. */
export const pathIn = ({ pathname }) => (pathname.startsWith(WATCH) ? pathname.slice(WATCH.length) : "");
