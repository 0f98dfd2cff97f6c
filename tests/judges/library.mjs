// The library that the judges look at: one title for each codec, and for each kind of title whose streams
// differ in shape. Its clips are those of the browser tests, so that ffmpeg encodes them once.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { CLIPS, fileOf, makeClips, SMALLER, TITLE } from "../browser/clips.mjs";
import { startServer } from "../browser/site.mjs";

const [H264, AV1, VP9] = CLIPS;
/** x265 writes open GOPs unless told otherwise. */
const HEVC = {
  ...H264, name: "HEVC with open GOPs", file: "hevc-aac",
  video: ["libx265", "-preset", "ultrafast", "-crf", "34", "-tag:v", "hvc1", "-x265-params", "log-level=error"],
};

/** 16 bytes in hex, as `cenc` wants them. */
const KEY = "0123456789abcdef0123456789abcdef";

const SRT = `1
00:00:01,000 --> 00:00:03,000
Plain, <i>italic</i> & <b>bold</b>

2
00:00:11,500 --> 00:00:12,500
First line
second line --> with an arrow
`;

/** The titles. ffmpeg copies `from` with `options`, where there are any. */
export const TITLES = [
  { name: "H.264 and AAC", file: "h264.mp4", from: H264 },
  { name: "HEVC with open GOPs", file: "hevc.mp4", from: HEVC },
  { name: "AV1 and Opus", file: "av1.mp4", from: AV1 },
  { name: "VP9 and Opus", file: "vp9.mp4", from: VP9 },
  { name: "a fragmented file", file: "fragmented.mp4", from: H264, options: [
    "-c", "copy", "-movflags", "frag_keyframe+delay_moov",
  ] },
  { name: "audio only", file: "audio.m4a", from: H264, options: ["-vn", "-c", "copy"], isAudioOnly: true },
  { name: "subtitles", file: "subtitles.mp4", from: H264, hasSubtitles: true, options: [
    "-i", "SRT", "-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text", "-metadata:s:s:0", "language=deu",
  ] },
  { name: "an encrypted file", file: "encrypted.mp4", from: H264, isEncrypted: true, options: [
    "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid", KEY,
  ] },
  { name: "a ladder", file: "ladder.mp4", from: TITLE, isLadder: true },
].map((title) => ({
  isAudioOnly: false, isEncrypted: false, hasSubtitles: false, isLadder: false, seconds: title.from.seconds, ...title,
}));

/** The titles that Headwater can send in segments. */
export const STREAMS = TITLES.filter(({ isEncrypted }) => !isEncrypted);

/** Makes the library in a new folder, and starts a server of it. `stop` ends the server and removes the folder. */
export async function startLibrary(log) {
  await makeClips([...new Set(TITLES.map(({ from }) => from)), SMALLER]);
  const scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-judges-"));
  const library = path.join(scratch, "library");
  fs.mkdirSync(library);
  fs.writeFileSync(path.join(library, "subtitles.en.srt"), SRT);
  for (const { from, file, options } of TITLES) {
    const made = path.join(library, file);
    if (options) copy(fileOf(from), options.map((it) => (it === "SRT" ? path.join(library, "subtitles.en.srt") : it)), made);
    else fs.copyFileSync(fileOf(from), made);
  }
  fs.copyFileSync(fileOf(SMALLER), path.join(library, "ladder.100p.mp4"));

  const server = await startServer(library, path.join(scratch, "data"), log);
  return {
    url: server.url,
    urlOf: ({ file }, view) => new URL(`v/${file}/${view}`, server.url).href,
    stop: async () => {
      await server.stop();
      fs.rmSync(scratch, { recursive: true });
    },
  };
}

/** Copies a clip into another file with ffmpeg. */
function copy(from, options, to) {
  const { status } = spawnSync("ffmpeg", ["-v", "error", "-nostdin", "-i", from, ...options, to], { stdio: "inherit" });
  assert.equal(status, 0, `ffmpeg could not make ${path.basename(to)}`);
}
