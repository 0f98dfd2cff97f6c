// The player alone, on a page of the tests: /stage/?title=<path>&keys=page|stage&play=&shape=<width>x<height>.

import { Controls } from "/assets/player/controls.js";
import { Playback } from "/assets/player/playback.js";

const parameters = new URL(location.href).searchParams;
const stage = document.querySelector(".stage");
const video = stage.querySelector("video");
const [width, height] = parameters.get("shape")?.split("x") ?? [];
if (width) Object.assign(video, { width, height }); // as the server writes them

const playback = new Playback(video);
const controls = new Controls(stage, playback, { keys: parameters.get("keys") ?? "page" });
const heard = [];
for (const name of ["next", "theatre"]) controls.addEventListener(name, () => heard.push(name));

let shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shift += entry.hadRecentInput ? 0 : entry.value;
}).observe({ type: "layout-shift", buffered: true });

playback.load(encodeURI(parameters.get("title")), { play: parameters.has("play") });

/** For the tests. */
globalThis.player = { playback, controls, heard, get shift() { return shift; } };
