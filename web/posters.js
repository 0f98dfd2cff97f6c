// Posters of visible titles, a few at a time: ten thousand titles must not cause ten thousand jobs.

import { whenRendered } from "./server.js";

const LOADING_MAX = 3; // of the browser's six connections, so that the video keeps its own
const LOAD_TIMEOUT_MS = 20_000;

const queue = new Set(); // visible boxes without an image, in the order of appearance
const loading = new Map(); // boxes whose image is loading, with their AbortController

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) queue.add(target);
    else cancel(target);
  }
  loadNext();
}, { rootMargin: "200px" });

/** Loads the poster of a title into a box as soon as the box is visible. */
export function showPoster(box, url, title) {
  Object.assign(box, { posterUrl: url, posterTitle: title });
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

function loadNext() {
  for (const box of queue) {
    if (loading.size >= LOADING_MAX) return;
    queue.delete(box);
    load(box);
  }
}

async function load(box) {
  const controller = new AbortController();
  loading.set(box, controller);
  // A slow poster goes back to the end of the queue.
  const timer = setTimeout(() => { queue.add(box); controller.abort(); }, LOAD_TIMEOUT_MS);
  try {
    await whenRendered(box.posterUrl, box.posterTitle, controller.signal);
    const image = new Image();
    image.alt = "";
    image.src = box.posterUrl;
    await image.decode();
    box.replaceChildren(image, ...box.querySelectorAll("span"));
    observer.unobserve(box);
  } catch {
    // The box keeps its background. A title without a poster is not retried.
    if (!controller.signal.aborted) observer.unobserve(box);
  }
  clearTimeout(timer);
  if (loading.get(box) === controller) loading.delete(box);
  loadNext();
}
