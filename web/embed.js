// The player of a title in a frame of another page: /embed/<title>?t=83&autoplay=1&muted=1&loop=1
//
// A parameter with a bad value counts as absent, because the viewer of the other page can do nothing about it; its
// author finds a warning in the console.

import { byId } from "./words.js";

const EMBED = "/embed/";

/** A time as 83, 83.5, 1m23s or 1h2m3s; NaN for anything else. */
function seconds(text) {
  const [, hours, minutes, rest] = text.match(/^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/) ?? [];
  if (hours === undefined && minutes === undefined && rest === undefined) return Number.NaN;
  return 3600 * Number(hours ?? 0) + 60 * Number(minutes ?? 0) + Number(rest ?? 0);
}

const warn = (name, expected) => console.warn(`Headwater: the parameter ${name} must be ${expected}; it is ignored.`);

/** What the address asks for. */
export function optionsOf(search) {
  const parameters = new URLSearchParams(search);
  const flag = (name) => {
    const value = parameters.get(name);
    if (value === null || ["0", "false"].includes(value)) return false;
    if (["", "1", "true"].includes(value)) return true;
    warn(name, "1 or 0");
    return false;
  };
  const at_s = parameters.has("t") ? seconds(parameters.get("t")) : 0;
  if (Number.isNaN(at_s)) warn("t", "a time such as 83 or 1m23s");
  return { at_s: at_s || 0, autoplay: flag("autoplay"), muted: flag("muted"), loop: flag("loop") };
}

const video = /** @type {HTMLVideoElement} */ (byId("video"));
const path = location.pathname.slice(EMBED.length);

if (video) {
  const { at_s, autoplay, muted, loop } = optionsOf(location.search);
  Object.assign(video, { muted, loop, controls: true });
  video.src = `/v/${path}/play.mp4${at_s ? `#t=${at_s}` : ""}`;
  if (autoplay) video.play().catch(() => {}); // the browser may refuse it; its button starts the video
}
