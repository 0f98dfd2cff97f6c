// Posters: those of the titles that can be seen, and never more than a few at a time, so that ten
// thousand titles are no ten thousand jobs.

import { whenMade } from "./server.js";

const AT_A_TIME = 3; // of the six connections that a browser has, so that a video keeps its own
const GIVE_WAY_MS = 20_000;

const waiting = new Set(); // boxes that are in sight and have no picture yet, in the order they came
const under = new Map(); // boxes whose picture is under way, with what ends that

const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) waiting.add(target);
    else forget(target);
  }
  next();
}, { rootMargin: "200px" });

/** Sees to it that a box gets a title's poster once it comes into sight. */
export function showPoster(box, url, title) {
  Object.assign(box, { posterUrl: url, posterTitle: title });
  sight.observe(box);
}

/** A box that is taken out of the document needs no poster. */
export function dropPoster(box) {
  sight.unobserve(box);
  forget(box);
}

function forget(box) {
  waiting.delete(box);
  under.get(box)?.abort();
}

function next() {
  for (const box of waiting) {
    if (under.size >= AT_A_TIME) return;
    waiting.delete(box);
    load(box);
  }
}

async function load(box) {
  const ends = new AbortController();
  under.set(box, ends);
  // What takes long lets others go first, and comes again behind them.
  const tired = setTimeout(() => { waiting.add(box); ends.abort(); }, GIVE_WAY_MS);
  try {
    await whenMade(box.posterUrl, box.posterTitle, ends.signal);
    const image = new Image();
    image.alt = "";
    image.src = box.posterUrl;
    await image.decode();
    box.replaceChildren(image, ...box.querySelectorAll("span"));
    sight.unobserve(box);
  } catch {
    // Without a picture: the box is calm by itself. A title of which none can be made is not asked again.
    if (!ends.signal.aborted) sight.unobserve(box);
  }
  clearTimeout(tired);
  if (under.get(box) === ends) under.delete(box);
  next();
}
