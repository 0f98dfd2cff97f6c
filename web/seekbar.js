// The seek bar: position, chapters, and a preview of the time under the pointer.

import { byId, button, clock, element } from "./words.js";

const REST_MS = 80; // how long the pointer must rest before a sheet is requested
const ARROW_S = 5;
const PAGE_S = 60;

const video = byId("video");
const bar = byId("seek");
const preview = byId("preview");
const canvas = byId("preview-image");

let storyboard = null;
let chapters = [];
let isDragged = false;
let previewTime = null; // the time of the visible preview

/** Clears the bar for another title. */
export function reset() {
  storyboard?.close();
  storyboard = null;
  hidePreview();
  isDragged = false;
  showChapters([]);
  follow();
}

export function setStoryboard(board) {
  storyboard = board;
}

// ---- Position -----------------------------------------------------------

const duration = () => (Number.isFinite(video.duration) ? video.duration : 0);

function follow() {
  bar.max = duration();
  bar.disabled = !duration();
  if (!isDragged) bar.value = video.currentTime;
  paint();
}

/** Fills the bar up to the position, and paler up to the end of the buffer. */
function paint() {
  const fraction = (seconds) => (duration() ? seconds / duration() : 0);
  const at = Number(bar.value);
  const { buffered } = video;
  let loaded = at;
  for (let range = 0; range < buffered.length; range++) {
    if (buffered.start(range) <= at + 0.1) loaded = Math.max(loaded, Math.min(buffered.end(range), duration()));
  }
  bar.style.setProperty("--part", fraction(at));
  bar.style.setProperty("--loaded", fraction(loaded));
  const chapter = chapterAt(at);
  byId("time").textContent = `${clock(at)} / ${clock(duration())}`;
  bar.setAttribute("aria-valuetext", [`${clock(at)} of ${clock(duration())}`, chapter?.title].filter(Boolean).join(", "));
  for (const [index, mark] of [...byId("chapters").children].entries()) {
    if (chapters[index] === chapter) mark.setAttribute("aria-current", "true");
    else mark.removeAttribute("aria-current");
  }
}

for (const event of ["timeupdate", "durationchange", "progress", "seeking", "emptied"]) {
  video.addEventListener(event, follow);
}

// ---- Seeking -------------------------------------------------------

function seek(seconds) {
  video.currentTime = Math.min(Math.max(seconds, 0), duration());
}

bar.addEventListener("input", () => {
  isDragged = true;
  showPreview(Number(bar.value));
  paint();
});
bar.addEventListener("change", () => {
  isDragged = false;
  seek(Number(bar.value));
});

bar.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = video.currentTime;
  const target = {
    ArrowLeft: at - ARROW_S, ArrowDown: at - ARROW_S, ArrowRight: at + ARROW_S, ArrowUp: at + ARROW_S,
    PageDown: chapters.findLast(({ start }) => start < at - 2)?.start ?? at - PAGE_S,
    PageUp: chapters.find(({ start }) => start > at)?.start ?? at + PAGE_S,
    Home: 0, End: duration(),
  }[event.key];
  if (event.key === " ") {
    if (video.paused) video.play().catch(() => {});
    else video.pause();
  } else if (target === undefined) {
    return;
  } else {
    seek(target);
    follow();
    showPreview(video.currentTime);
  }
  event.preventDefault();
});

// ---- Preview ---------------------------------------------------------

/** The time under a pointer. The handle is as wide as the bar is high; its middle marks the time. */
function timeAt({ clientX }) {
  const { left, width, height } = bar.getBoundingClientRect();
  const inset = height / 2;
  return duration() * Math.min(Math.max((clientX - left - inset) / (width - 2 * inset), 0), 1);
}

bar.addEventListener("pointermove", (event) => showPreview(timeAt(event)));
bar.addEventListener("pointerdown", (event) => showPreview(timeAt(event)));
bar.addEventListener("pointerleave", hidePreview);
bar.addEventListener("pointercancel", hidePreview);
bar.addEventListener("pointerup", (event) => event.pointerType === "touch" && hidePreview());
bar.addEventListener("focus", () => bar.matches(":focus-visible") && showPreview(video.currentTime));
bar.addEventListener("blur", hidePreview);

let restTimer;

function hidePreview() {
  clearTimeout(restTimer);
  previewTime = null;
  preview.hidden = true;
}

function showPreview(seconds) {
  if (!duration()) return;
  previewTime = seconds;
  preview.hidden = false;
  byId("preview-time").textContent = clock(seconds);
  byId("preview-chapter").textContent = chapterAt(seconds)?.title ?? "";
  drawTile(seconds);
  movePreview(seconds);
}

/** Draws the tile of a time. Until the server has rendered its sheet, the preview shows the time only. */
function drawTile(seconds) {
  clearTimeout(restTimer);
  const tile = storyboard?.tile(seconds);
  canvas.hidden = !tile;
  if (!tile) return;
  const draw = (sheet) => {
    preview.classList.toggle("loading", !sheet);
    if (!sheet) return;
    if (canvas.width !== tile.width || canvas.height !== tile.height) Object.assign(canvas, { width: tile.width, height: tile.height });
    canvas.getContext("2d").drawImage(sheet, tile.x, tile.y, tile.width, tile.height, 0, 0, tile.width, tile.height);
    canvas.dataset.start = tile.start;
  };
  const kept = storyboard.peek(tile);
  draw(kept);
  if (kept) return;
  if (!canvas.dataset.start) Object.assign(canvas, { width: tile.width, height: tile.height });
  const board = storyboard;
  restTimer = setTimeout(async () => {
    const sheet = await board.sheet(tile);
    if (sheet && board === storyboard && previewTime !== null) drawTile(previewTime);
  }, REST_MS);
}

/** Moves the preview above its time, within the bar. */
function movePreview(seconds) {
  const { width, height } = bar.getBoundingClientRect();
  const half = preview.offsetWidth / 2;
  const middle = height / 2 + (seconds / duration()) * (width - height);
  preview.style.left = `${Math.min(Math.max(middle, half), Math.max(width - half, half))}px`;
}

// ---- Chapters --------------------------------------------------------------

const chapterAt = (seconds) => chapters.findLast(({ start }) => start <= seconds);

/** Shows chapters (`start` in seconds, `title`) as marks on the bar and as a list. */
export function showChapters(list) {
  chapters = list;
  byId("chapters-list").hidden = !list.length;
  byId("chapters").replaceChildren(...list.map(({ start, title }) => {
    const go = button("", null, () => seek(start));
    go.append(element("span", "at", clock(start)), element("bdi", "", title));
    return element("li", "", go);
  }));
  showMarks();
}

function showMarks() {
  byId("marks").replaceChildren(...chapters.filter(({ start }) => start > 0 && start < duration()).map(({ start }) => {
    const mark = element("i", "");
    mark.style.setProperty("--at", start / duration());
    return mark;
  }));
}

video.addEventListener("durationchange", showMarks);
