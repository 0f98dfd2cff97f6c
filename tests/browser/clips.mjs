// The clips that players are given: drawn and encoded by ffmpeg, and kept in target/clips/.
//
// Every picture carries its own number, so that what is on the screen can be compared with the time
// that it is shown for: ten squares along the top are the bits of the number, the lowest at the left,
// white for one. player/stage.js reads them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { ROOT } from "./site.mjs";

export const FRAMES_PER_SECOND = 25;
export const SQUARES = 10; // the numbers 0 to 1023
export const SQUARE = 32; // pixels, few enough to fit and enough to outlive the encoder

// B-frames, whose delay an edit list takes back, and a moov at the end, as cameras write it.
const H264 = ["libx264", "-preset", "veryfast", "-crf", "32", "-bf", "2", "-sc_threshold", "0"];
const AV1 = ["libsvtav1", "-preset", "12", "-crf", "50"];
const VP9 = ["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "45", "-b:v", "0"];
const AAC = ["aac", "-b:a", "48k"];
const OPUS = ["libopus", "-b:a", "32k"];

/** One clip for each pair of codecs that is to play. */
export const CLIPS = [
  { name: "H.264 with AAC", file: "h264-aac", video: H264, audio: AAC, seconds: 20, first: 0 },
  { name: "AV1 with Opus", file: "av1-opus", video: AV1, audio: OPUS, seconds: 20, first: 0 },
  { name: "VP9 with Opus", file: "vp9-opus", video: VP9, audio: OPUS, seconds: 20, first: 0 },
  { name: "VP9 without sound", file: "vp9", video: VP9, audio: null, seconds: 20, first: 0 },
];

/** What the first clip is replaced by: its pictures are numbered from 512, and it is shorter. */
export const REPLACEMENT = { ...CLIPS[0], file: "replacement", seconds: 12, first: 512 };

/** What is on the page: a film with a key frame in each second, and another rendition of the same. */
export const FILM = { ...CLIPS[0], name: "a film", file: "film", seconds: 40, keyFrameEach: 1 };
export const SMALLER = { ...FILM, name: "a smaller film", file: "film.100p", height: 100 };

/** Makes those clips that are not there yet. */
export async function makeClips(clips) {
  fs.mkdirSync(path.dirname(fileOf(REPLACEMENT)), { recursive: true });
  const missing = clips.filter((clip) => !fs.existsSync(fileOf(clip)));
  await Promise.all(missing.map(make));
}

/** Where a clip lies: under a name that changes when its recipe does. */
export function fileOf(clip) {
  const recipe = createHash("sha256").update(recipeOf(clip).join("\n")).digest("hex").slice(0, 8);
  return path.join(ROOT, "target/clips", `${clip.file}-${recipe}.mp4`);
}

async function make(clip) {
  const unfinished = `${fileOf(clip)}.${process.pid}`;
  const ffmpeg = spawn("ffmpeg", [...recipeOf(clip), "-f", "mp4", unfinished], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, SVT_LOG: "1" }, // errors only
  });
  const [code] = await once(ffmpeg, "exit");
  assert.equal(code, 0, `ffmpeg could not make ${clip.name}`);
  fs.renameSync(unfinished, fileOf(clip));
}

/** ffmpeg's arguments, without those that name the output. */
function recipeOf({ video, audio, seconds, first, height, keyFrameEach = 2 }) {
  const bits = Array.from({ length: SQUARES }, (_, bit) => 2 ** bit);
  const picture = [
    `testsrc2=size=${SQUARE * SQUARES}x180:rate=${FRAMES_PER_SECOND}:duration=${seconds}`,
    `drawbox=width=iw:height=${SQUARE}:color=black:thickness=fill`,
    ...bits.map((bit, place) => `drawbox=x=${place * SQUARE}:width=${SQUARE}:height=${SQUARE}:color=white` +
      `:thickness=fill:enable='bitand(n+${first},${bit})'`),
    ...(height ? [`scale=-2:${height}`] : []),
    "format=yuv420p",
  ];
  const sound = ["-f", "lavfi", "-i", `sine=frequency=440:beep_factor=4:sample_rate=48000:duration=${seconds}`];
  return [
    "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture.join(","), ...(audio ? sound : []),
    // At a key frame segments can be cut.
    "-c:v", ...video, "-g", String(keyFrameEach * FRAMES_PER_SECOND), ...(audio ? ["-c:a", ...audio] : []),
  ];
}
