// Posters of titles on the screen, a few at a time: ten thousand titles must not cause ten thousand jobs.

import { whenRendered } from "./server.js";

const LOADING_MAX = 3; // of the browser's six connections, so that the video keeps its own
const LOAD_TIMEOUT_MS = 20_000;

const queue = new Set(); // boxes near the screen without an image, in the order of appearance
const loading = new Map(); // boxes whose image is loading, with their AbortController

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) queue.add(target);
    else cancel(target);
  }
  loadNext();
}, { rootMargin: "200px" });

/** Loads the poster of a title into a box as soon as the box is on the screen; again only for another version. */
export function showPoster(box, url, title, version = "") {
  if (box.posterUrl === url && box.posterVersion === version) return;
  dropPoster(box);
  for (const image of box.querySelectorAll("img")) image.remove();
  Object.assign(box, { posterUrl: url, posterTitle: title, posterVersion: version });
  observer.observe(box);
}

/** Cancels the poster of a box that leaves the document. */
export function dropPoster(box) {
  observer.unobserve(box);
  cancel(box);
}

function cancel(box) {
  queue.delete(box);
  loading.get(box)?.abort();
}

function isOnScreen(box) {
  const { top, bottom } = box.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

function loadNext() {
  while (queue.size && loading.size < LOADING_MAX) {
    const waiting = [...queue];
    const box = waiting.find(isOnScreen) ?? waiting[0];
    queue.delete(box);
    load(box);
  }
}

async function load(box) {
  const { posterUrl: url, posterTitle: title } = box;
  const controller = new AbortController();
  loading.set(box, controller);
  // A slow poster goes back to the end of the queue.
  const timer = setTimeout(() => { queue.add(box); controller.abort(); }, LOAD_TIMEOUT_MS);
  try {
    await whenRendered(url, title, controller.signal);
    const image = new Image();
    image.alt = "";
    image.src = url;
    await image.decode();
    if (!controller.signal.aborted) {
      box.prepend(image);
      observer.unobserve(box);
    }
  } catch {
    // The box keeps its background. A title without a poster is not retried.
    if (!controller.signal.aborted) observer.unobserve(box);
  }
  clearTimeout(timer);
  if (loading.get(box) === controller) loading.delete(box);
  loadNext();
}
