// The source: how this browser plays a title, or what the server must make first. It decides and does nothing.

import { canDecode, hasMediaSource, playsFile } from "./capabilities.js";

/** @typedef {import("./title.js").Title} Title */

/**
 * The next step with a title:
 * - `play`: by `file` (the file as it is), `mp4` (play.mp4), `hls` (hls.js) or `native-hls`;
 * - `remux`: the file's container is not for browsers, so the server copies it into an MP4;
 * - `transcode`: this browser has no decoder for the `track`, so the server makes a version that it decodes;
 * - `refuse`: nothing helps. `text` says why.
 *
 * @typedef {{ step: "play", by: "file" | "mp4" | "hls" | "native-hls", url: string }
 *   | { step: "remux" }
 *   | { step: "transcode", track: import("./title.js").Track }
 *   | { step: "refuse", text: string }} Step
 */

/**
 * What is known about the attempts to play a title in this browser.
 *
 * @typedef {object} Attempts
 * @property {Set<string>} failed ways to play that have failed here
 * @property {Set<string>} missing what a way did not decode although the browser claimed it: "mp4 audio"
 * @property {Set<string>} made what the server has made meanwhile: "remux", "video", "audio"
 */

/** A title with nothing known. @returns {Attempts} */
export const noAttempts = () => ({ failed: new Set(), missing: new Set(), made: new Set() });

const NATIVE_HLS = "application/vnd.apple.mpegurl";

/**
 * Chooses the next step.
 *
 * @param {Title} title
 * @param {Attempts} attempts
 * @returns {Promise<Step>}
 */
export async function chooseStep(title, attempts) {
  const { failed, missing, made } = attempts;
  if (!title.tracks.length) return chooseFile(title, attempts);
  const video = title.tracks.find(({ kind }) => kind === "video");
  const audios = title.tracks.filter(({ kind }) => kind === "audio");
  const [audio] = audios;
  if (!video && !audio) return refuse(title);

  const decodes = async (track, by, way) => !track || (!missing.has(`${way} ${track.kind}`) && await canDecode(track, by));
  const [videoInFile, audioInFile, videoInSegments, audioInSegments] = await Promise.all([
    decodes(video, "file", "mp4"), decodes(audio, "file", "mp4"),
    decodes(video, "media-source", "hls"), decodes(audio, "media-source", "hls"),
  ]);
  const plays = {
    mp4: videoInFile && audioInFile,
    // A rendition is H.264 or what a person asked for; hls.js leaves out what the browser does not decode.
    hls: (videoInSegments || hasOtherVideo(title) || made.has("video")) && (audioInSegments || made.has("audio")),
  };
  const prefersHls = isLadder(title) || new Set(audios.map(({ language }) => language)).size > 1;
  for (const way of prefersHls ? ["hls", "mp4"] : ["mp4", "hls"]) {
    const by = way === "hls" && !hasMediaSource ? nativeHls() : way;
    if (by && plays[way] && !failed.has(way)) return play(title, by);
  }
  if (video && !videoInFile && !videoInSegments && !made.has("video")) return { step: "transcode", track: video };
  if (audio && !audioInFile && !audioInSegments && !made.has("audio")) return { step: "transcode", track: audio };
  // What the browser says of its decoders may be wrong in either direction: what nobody tried is tried last.
  if (!failed.has("mp4") && !missing.has("mp4 video") && !missing.has("mp4 audio")) return play(title, "mp4");
  return refuse(title);
}

/** A file that is no movie of the server's: the browser plays it as it is, or the server remuxes it. */
function chooseFile(title, { failed, missing, made }) {
  const hasFailed = failed.has("file") || missing.has("file video") || missing.has("file audio");
  if (!hasFailed && playsFile(title.media_type)) return play(title, "file");
  return made.has("remux") ? refuse(title) : { step: "remux" };
}

const nativeHls = () => (document.createElement("video").canPlayType(NATIVE_HLS) ? "native-hls" : null);

/** Whether the title has video in several heights. */
const isLadder = ({ renditions }) => new Set(renditions.map(({ height }) => height)).size > 1;
const hasOtherVideo = ({ renditions }) => renditions.length > 1;

function play(title, by) {
  const url = { file: title.href, mp4: `${title.views}play.mp4` }[by] ?? `${title.views}index.m3u8`;
  return { step: "play", by, url };
}

/** The server's own reason, if it has one. */
function refuse({ playable, tracks }) {
  const [reason] = playable.reasons;
  if (reason) return { step: "refuse", text: sentence(reason) };
  const codecs = tracks.filter(({ kind }) => kind === "video" || kind === "audio").map(nameOfCodec).join(" and ");
  const text = codecs ? `This browser does not decode ${codecs}.` : "This browser does not play this file.";
  return { step: "refuse", text: `${text} Download it and open it in another player.` };
}

/** "HEVC Main 10" of "HEVC Main 10, level 4". */
export const nameOfCodec = ({ codec }) => codec.replace(/,.*/, "");

/** A reason of the server as a sentence: it writes them in lower case and without a full stop. */
export const sentence = (reason) => `${reason[0].toUpperCase()}${reason.slice(1)}${/[.!?]$/.test(reason) ? "" : "."}`;
