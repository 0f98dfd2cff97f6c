// The clips that the tests play. ffmpeg draws and encodes them, and target/clips/ caches them.
//
// Every frame carries its number, so that the tests can compare the frame on the screen with the time: ten
// squares along the top are the bits of the number, the lowest bit at the left, white for one.
// player/stage.js reads them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { ROOT } from "./site.mjs";

export const FRAMES_PER_SECOND = 25;
export const SQUARES = 10; // the numbers 0 to 1023
export const SQUARE = 32; // pixels: small enough to fit, large enough to survive the encoder

// B-frames, whose delay an edit list compensates, and a moov at the end, as cameras write it.
const H264 = ["libx264", "-preset", "veryfast", "-crf", "32", "-bf", "2", "-sc_threshold", "0"];
const AV1 = ["libsvtav1", "-preset", "12", "-crf", "50"];
const VP9 = ["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "45", "-b:v", "0"];
const AAC = ["aac", "-b:a", "48k"];
const OPUS = ["libopus", "-b:a", "32k"];
const MP3 = ["libmp3lame", "-b:a", "64k", "-ac", "2"];
// Without a channel configuration: a program config element tells the channels.
const AAC_SIDE = ["aac", "-b:a", "128k", "-af", "aformat=channel_layouts=5.1(side)"];

const WHOLE = { name: "H.264 with AAC", file: "h264-aac", video: H264, audio: AAC, seconds: 20, first: 0 };

/** One clip for each pair of codecs under test, and one that begins between two key frames. */
export const CLIPS = [
  WHOLE,
  { name: "AV1 with Opus", file: "av1-opus", video: AV1, audio: OPUS, seconds: 20, first: 0 },
  { name: "VP9 with Opus", file: "vp9-opus", video: VP9, audio: OPUS, seconds: 20, first: 0 },
  { name: "VP9 without audio", file: "vp9", video: VP9, audio: null, seconds: 20, first: 0 },
  { ...WHOLE, name: "a cut between key frames", file: "cut", seconds: 16.88, first: 78, cutFrom: WHOLE },
];

/** Audio that browsers play in files and not in segments: the server makes AAC of it. */
export const FILE_AUDIO = [
  { ...CLIPS[0], name: "H.264 with MP3", file: "h264-mp3", audio: MP3 },
  { ...CLIPS[0], name: "H.264 with AAC without a channel configuration", file: "h264-aac-side", audio: AAC_SIDE },
];

/** Replaces the first clip: its frames are numbered from 512, and it is shorter. */
export const REPLACEMENT = { ...CLIPS[0], file: "replacement", seconds: 12, first: 512 };

/** For the page: a title with a key frame in each second, and a smaller rendition of it. */
export const TITLE = { ...CLIPS[0], name: "a title", file: "title", seconds: 40, keyFrameEach: 1 };
export const SMALLER = { ...TITLE, name: "a smaller rendition", file: "title.100p", height: 100 };

/** More than any buffer and the cache of a server hold: two minutes of noise, and a smaller rendition of it. */
const NOISE = ["libx264", "-preset", "ultrafast", "-b:v", "4M"];
export const LONG = { name: "two minutes", file: "long", video: NOISE, audio: AAC, seconds: 120, first: 0, isNoisy: true };
export const LONG_SMALLER = { ...LONG, name: "a smaller rendition of two minutes", file: "long.100p", height: 100 };
/** Settings of a server that sends them slowly, so that most of them is in no buffer for a while. */
export const SLOW = { HEADWATER_RATE_LIMIT_KIB_S: "1500" };

/** Encodes the clips that target/clips/ does not have. */
export async function makeClips(clips) {
  fs.mkdirSync(path.dirname(fileOf(REPLACEMENT)), { recursive: true });
  const isMissing = (clip) => !fs.existsSync(fileOf(clip));
  await Promise.all(clips.filter((clip) => !clip.cutFrom && isMissing(clip)).map(encode));
  await Promise.all(clips.filter(isMissing).map(encode));
}

/** The path of a clip; its name depends on the recipe, so that a new recipe makes a new file. */
export function fileOf(clip) {
  const recipe = createHash("sha256").update(recipeOf(clip).join("\n")).digest("hex").slice(0, 8);
  return path.join(ROOT, "target/clips", `${clip.file}-${recipe}.mp4`);
}

async function encode(clip) {
  const unfinished = `${fileOf(clip)}.${process.pid}`;
  const ffmpeg = spawn("ffmpeg", [...recipeOf(clip), "-f", "mp4", unfinished], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, SVT_LOG: "1" }, // errors only
  });
  const [code] = await once(ffmpeg, "exit");
  assert.equal(code, 0, `ffmpeg could not encode ${clip.name}`);
  fs.renameSync(unfinished, fileOf(clip));
}

/** ffmpeg's arguments, without the output. */
function recipeOf({ video, audio, seconds, first, height, keyFrameEach = 2, cutFrom, isNoisy }) {
  if (cutFrom) {
    const start = String(first / FRAMES_PER_SECOND);
    return ["-v", "error", "-nostdin", "-y", "-ss", start, "-i", fileOf(cutFrom), "-c", "copy"];
  }
  const bits = Array.from({ length: SQUARES }, (_, bit) => 2 ** bit);
  const filters = [
    `testsrc2=size=${SQUARE * SQUARES}x180:rate=${FRAMES_PER_SECOND}:duration=${seconds}`,
    `drawbox=width=iw:height=${SQUARE}:color=black:thickness=fill`,
    ...bits.map((bit, index) => `drawbox=x=${index * SQUARE}:width=${SQUARE}:height=${SQUARE}:color=white` +
      `:thickness=fill:enable='bitand(n+${first},${bit})'`),
    ...(isNoisy ? ["noise=alls=40:allf=t"] : []),
    ...(height ? [`scale=-2:${height}`] : []),
    "format=yuv420p",
  ];
  const tone = ["-f", "lavfi", "-i", `sine=frequency=440:beep_factor=4:sample_rate=48000:duration=${seconds}`];
  return [
    "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", filters.join(","), ...(audio ? tone : []),
    // Segments begin at key frames.
    "-c:v", ...video, "-g", String(keyFrameEach * FRAMES_PER_SECOND), ...(audio ? ["-c:a", ...audio] : []),
  ];
}
