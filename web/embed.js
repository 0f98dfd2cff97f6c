// The player of a title in a frame of another page: /embed/<title>?t=83&autoplay=1&muted=1&loop=1
//
// A parameter with a bad value counts as absent, because the viewer of the other page can do nothing about it; its
// author finds a warning in the console.

import { Controls } from "./player/controls.js";
import { Playback } from "./player/playback.js";
import { parseTime } from "./player/time.js";
import { byId, element } from "./words.js";

const EMBED = "/embed/";
const WATCH = "/watch/";

/** @param {string} name @param {string} expected */
const warn = (name, expected) => console.warn(`Headwater ignores the parameter ${name}: it must be ${expected}`);

/**
 * The options in the address.
 *
 * @param {URLSearchParams} parameters
 */
function optionsOf(parameters) {
  /** @param {string} name */
  const flag = (name) => {
    const value = parameters.get(name);
    if (value === null || ["0", "false"].includes(value)) return false;
    if (["", "1", "true"].includes(value)) return true;
    warn(name, "1 or 0");
    return false;
  };
  const at_s = parseTime(parameters.get("t"));
  if (at_s === null && parameters.get("t")) warn("t", "a time such as 83 or 1m23s");
  return { at_s, autoplay: flag("autoplay"), muted: flag("muted"), loop: flag("loop") };
}

/** Without a title there is no video in the document. */
const video = /** @type {HTMLVideoElement | null} */ (document.querySelector("#video"));

if (video) {
  const path = location.pathname.slice(EMBED.length);
  const { at_s, autoplay, muted, loop } = optionsOf(new URLSearchParams(location.search));
  const stage = byId("stage");
  const playback = new Playback(video);
  new Controls(stage, playback, { keys: "stage" });
  stage.append(heading(WATCH + path));
  video.loop = loop;
  if (muted) video.muted = true;
  playback.load(path, { at_s, play: autoplay });
}

/** The name of the title, as a link to its own page. */
function heading(href) {
  const link = element("a", "", document.title.replace(/ · Headwater$/, ""));
  Object.assign(link, { href, target: "_blank", rel: "noopener" });
  return element("h1", "heading", element("bdi", "", link));
}
