// The source: how this browser plays a title, or what the server must make first. It decides and does nothing.

import { canDecode, hasMediaSource, playsFile } from "./capabilities.js";
import { leadingTracks } from "./title.js";

/** @typedef {import("./title.js").Title} Title */
/** @typedef {import("./title.js").Track} Track */

/**
 * The next step with a title:
 * - `play`: by `file` (the file unchanged), `mp4` (play.mp4), `hls` (hls.js) or `native-hls`;
 * - `remux`: browsers do not play the file's container, so the server makes an MP4 of it;
 * - `transcode`: this browser has no decoder for the `track`, so the server transcodes it;
 * - `refuse`: nothing helps. `text` says why.
 *
 * @typedef {{ step: "play", by: "file" | "mp4" | "hls" | "native-hls", url: string }
 *   | { step: "remux" }
 *   | { step: "transcode", track: Track }
 *   | { step: "refuse", text: string }} Step
 */

/**
 * What is known about the attempts to play a title in this browser.
 *
 * @typedef {object} Attempts
 * @property {Set<string>} failed ways to play that have failed here
 * @property {Set<string>} missing what a way did not decode although the browser claimed it: "mp4 audio"
 * @property {Set<string>} made what the server has made meanwhile: "remux", "video", "audio"
 * @property {boolean} isSilent whether the viewer wants to see the title without its audio
 * @property {boolean} isReplaced whether the file was replaced while it played: browsers keep the media of an address
 *   for a while, and the addresses of segments have a version
 */

/** A title with nothing known. @returns {Attempts} */
export const noAttempts = () => ({ failed: new Set(), missing: new Set(), made: new Set(), isSilent: false, isReplaced: false });

const NATIVE_HLS = "application/vnd.apple.mpegurl";

/**
 * Chooses the next step.
 *
 * @param {Title} title
 * @param {Attempts} attempts
 * @returns {Promise<Step>}
 */
export async function chooseStep(title, attempts) {
  if (!title.tracks.length) return chooseFile(title, attempts);
  const { failed, missing, made, isReplaced } = attempts;
  const { video, audio } = leadingTracks(title);
  if ((!video && !audio) || video?.is_encrypted || audio?.is_encrypted) return refuse(title);

  const [inFile, inSegments] = await Promise.all([decodedInFile(title, attempts), decodedInSegments(title, attempts)]);
  const plays = { mp4: inFile.video && inFile.audio, hls: inSegments.video && inSegments.audio };
  for (const way of isReplaced || prefersHls(title) ? ["hls", "mp4"] : ["mp4", "hls"]) {
    const by = way === "hls" && !hasMediaSource ? nativeHls() : way;
    if (by && plays[way] && !failed.has(by)) return play(title, by, made);
  }
  if (!inFile.video && !inSegments.video && !made.has("video")) return { step: "transcode", track: video };
  if (!inFile.audio && !inSegments.audio && !made.has("audio")) return { step: "transcode", track: audio };
  // A way that plays the video and another one that plays the audio: segments of both can be made.
  if (!inSegments.audio && !made.has("audio")) return { step: "transcode", track: audio };
  if (!inSegments.video && !made.has("video")) return { step: "transcode", track: video };
  // What the browser says of its decoders may be wrong: a way that has not failed here comes last.
  if (!failed.has("mp4") && !missing.has("mp4 video") && !missing.has("mp4 audio")) return play(title, "mp4");
  return refuse(title);
}

async function decodedInFile(title, { missing, isSilent }) {
  const { video, audio } = leadingTracks(title);
  const decodes = async (track) => !track || (!missing.has(`mp4 ${track.kind}`) && await canDecode(track, "file"));
  const [plain, audible] = await Promise.all([decodes(video), decodes(audio)]);
  return { video: plain, audio: audible || isSilent };
}

async function decodedInSegments(title, { missing, made, isSilent }) {
  const { video, audio } = leadingTracks(title);
  const canSee = title.renditions.map(({ codecs, height }) =>
    canDecode({ kind: "video", codecs, height, width: Math.round(height * 16 / 9) }, "media-source"));
  const canHear = audio ? canDecode(audio, "media-source") : true;
  return {
    video: !video || (!missing.has("hls video") && (await Promise.all(canSee)).includes(true)),
    audio: isSilent || made.has("audio") || (!missing.has("hls audio") && await canHear),
  };
}

/**
 * A file that the server has no tracks of: the browser plays it unchanged, or the server makes an MP4 of it.
 *
 * @returns {Step}
 */
function chooseFile(title, { failed, missing, made }) {
  const { file, segments, reasons } = title.playable;
  const hasFailed = failed.has("file") || missing.has("file video") || missing.has("file audio");
  if (file && !hasFailed && playsFile(title.media_type)) return play(title, "file");
  if (segments && !made.has("remux")) return { step: "remux" };
  return reasons.length || hasFailed ? refuse(title) : play(title, "file");
}

const nativeHls = () => (document.createElement("video").canPlayType(NATIVE_HLS) ? "native-hls" : null);

/** Whether there is something to choose from: heights or languages. */
function prefersHls({ renditions, tracks }) {
  const audios = tracks.filter(({ kind }) => kind === "audio");
  return new Set(renditions.map(({ height }) => height)).size > 1 || audios.length > 1;
}

/** @returns {Step} */
function play(title, by, made = new Set()) {
  const url = { file: title.href, mp4: `${title.views}play.mp4` }[by] ?? `${title.views}index.m3u8${required(made)}`;
  return { step: "play", by, url };
}

/** Caches may have a manifest from before a track was made, but none that must have it. @param {Set<string>} made */
function required(made) {
  const codecs = [made.has("video") && "h264", made.has("audio") && "aac"].filter(Boolean);
  return codecs.length ? `?require=${codecs}` : "";
}

/** The server's own reason, if it has one. @returns {Step} */
function refuse({ size_bytes, playable, tracks }) {
  const advice = "Download it and open it in another player.";
  if (size_bytes === 0) return { step: "refuse", text: "The file is empty: it has no bytes." };
  if (!playable.file && !playable.segments && playable.reasons.length) return { step: "refuse", text: sentence(playable.reasons[0]) };
  const codecs = tracks.filter(({ kind }) => kind !== "text").map(nameOfCodec).join(" and ");
  return { step: "refuse", text: codecs ? `This browser does not decode ${codecs}. ${advice}` : `This browser does not play this file. ${advice}` };
}

/** "HEVC Main 10" of "HEVC Main 10, level 4". */
export const nameOfCodec = ({ codec }) => codec.replace(/,.*/, "");

/** A reason of the server as a sentence: it writes them in lower case and without a full stop. */
export const sentence = (reason) => `${reason[0].toUpperCase()}${reason.slice(1)}${/[.!?]$/.test(reason) ? "" : "."}`;
