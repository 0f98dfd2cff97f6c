// A library as people have at home: forty titles of all kinds. ffmpeg makes them, and target/home-library/ caches
// them; the folder's name depends on the recipes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { ROOT } from "./site.mjs";

export const SECONDS = 6;

const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"];
const HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=25"];
const HDR = [...HEVC, "-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"];
const VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25"];
const AAC = ["-c:a", "aac"];
const TAG = ["-tag:v", "hvc1"];
const ENCRYPTION = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
  "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"];

const VIDEO = ["-f", "lavfi", "-i", `testsrc2=size=320x180:rate=25:duration=${SECONDS}`];
const tone = (hertz) => ["-f", "lavfi", "-i", `sine=frequency=${hertz}:sample_rate=48000:duration=${SECONDS}`];
const BOTH = [...VIDEO, ...tone(440)];
const LANGUAGES = [...BOTH, ...tone(660), "-map", "0", "-map", "1", "-map", "2", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"];

const subtitle = (words) => `1\n00:00:00,500 --> 00:00:05,500\n${words}\n`;
const SRT = path.join(ROOT, "target/home-library/captions.srt");
const CHAPTERS = path.join(ROOT, "target/home-library/chapters.txt");
const INPUTS = [
  [SRT, subtitle("Good evening")],
  [CHAPTERS, `;FFMETADATA1\n${[["Begin", 0, 3], ["End", 3, 6]].map(([name, from, to]) =>
    `[CHAPTER]\nTIMEBASE=1/1\nSTART=${from}\nEND=${to}\ntitle=${name}\n`).join("")}`],
];
const WITH_CHAPTERS = ["-i", CHAPTERS, "-map_chapters", "3"];
const WITH_SRT = [...BOTH, "-i", SRT, ...WITH_CHAPTERS, "-map", "0", "-map", "1", "-map", "2", "-metadata:s:s:0", "language=eng"];

/**
 * Each title: how ffmpeg makes it (or its bytes), the files beside it, and what must play: "video", "audio" or
 * both; or what the page says instead.
 *
 * @type {{ name: string, make?: string[], bytes?: (made: (name: string) => Buffer) => string | Buffer, folder?: Record<string, string[]>, beside?: Record<string, string>, plays?: string, says?: RegExp }[]}
 */
export const TITLES = [
  // What browsers play unchanged
  { name: "Arrival.mp4", make: [...BOTH, ...H264, ...AAC], plays: "video audio" },
  { name: "Brazil, faststart.mp4", make: [...BOTH, ...H264, ...AAC, "-movflags", "+faststart"], plays: "video audio" },
  { name: "Casablanca.mov", make: [...BOTH, ...H264, ...AAC], plays: "video audio" },
  { name: "Alien.webm", make: [...BOTH, ...VP9, "-c:a", "libopus"], plays: "video audio" },
  { name: "Platoon.webm", make: [...BOTH, "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis"], plays: "video audio" },
  { name: "Rocky.mp4", make: [...BOTH, "-c:v", "libsvtav1", "-preset", "12", "-c:a", "libopus"], plays: "video audio" },
  { name: "Film without sound.mp4", make: [...VIDEO, ...H264], plays: "video" },
  { name: "Upright.mp4", make: [...BOTH, "-vf", "transpose", ...H264, ...AAC], plays: "video audio" },
  { name: "Phone.3gp", make: [...BOTH, ...H264, ...AAC, "-f", "3gp"], plays: "video audio" },
  { name: "Mp3 sound.mp4", make: [...BOTH, ...H264, "-c:a", "libmp3lame"], plays: "video audio" },
  // Video without a decoder in Chromium
  { name: "Brave.mp4", make: [...BOTH, ...HEVC, ...TAG, ...AAC], plays: "video audio" },
  { name: "Coco, hev1.mp4", make: [...BOTH, ...HEVC, "-tag:v", "hev1", ...AAC], plays: "video audio" },
  { name: "Dune, HDR.mp4", make: [...BOTH, ...HDR, ...TAG, ...AAC], plays: "video audio" },
  { name: "Elf.mkv", make: [...BOTH, ...HEVC, "-c:a", "ac3"], plays: "video audio" },
  { name: "Fargo, silent.mp4", make: [...VIDEO, ...HEVC, ...TAG], plays: "video" },
  { name: "Memento.mov", make: [...BOTH, "-c:v", "prores", "-c:a", "pcm_s16le"], plays: "video audio" },
  { name: "Xvid.mp4", make: [...BOTH, "-c:v", "mpeg4", ...AAC], plays: "video audio" },
  // Audio without a decoder in Chromium
  { name: "Gravity.mp4", make: [...BOTH, ...H264, "-c:a", "ac3"], plays: "video audio" },
  { name: "Heat.mp4", make: [...BOTH, ...H264, "-c:a", "eac3"], plays: "video audio" },
  { name: "Ikiru.mkv", make: [...BOTH, ...H264, "-strict", "-2", "-c:a", "dca"], plays: "video audio" },
  // Other containers
  { name: "Jaws.mkv", make: [...BOTH, ...H264, ...AAC], plays: "video audio" },
  { name: "Kino.avi", make: [...BOTH, "-c:v", "libxvid", "-c:a", "libmp3lame"], plays: "video audio" },
  { name: "Lolita.wmv", make: [...BOTH, "-c:v", "wmv2", "-c:a", "wmav2"], plays: "video audio" },
  { name: "Network.mpg", make: [...BOTH, "-c:v", "mpeg2video", "-c:a", "mp2"], plays: "video audio" },
  { name: "Oldboy.ts", make: [...BOTH, ...H264, ...AAC, "-f", "mpegts"], plays: "video audio" },
  { name: "Psycho.m2ts", make: [...BOTH, ...H264, "-c:a", "ac3", "-f", "mpegts", "-mpegts_m2ts_mode", "1"], plays: "video audio" },
  { name: "Quiz.flv", make: [...BOTH, "-c:v", "flv", "-ar", "44100", "-c:a", "libmp3lame"], plays: "video audio" },
  // Audio
  { name: "Song.mp3", make: [...tone(440), "-c:a", "libmp3lame"], plays: "audio" },
  { name: "Album.flac", make: [...tone(440), "-c:a", "flac"], plays: "audio" },
  { name: "Podcast.m4a", make: [...tone(440), ...AAC], plays: "audio" },
  { name: "Lossless.m4a", make: [...tone(440), "-c:a", "alac"], plays: "audio" },
  // Languages, subtitles, chapters
  { name: "Two languages.mp4", make: [...LANGUAGES, ...H264, ...AAC], plays: "video audio" },
  { name: "Two languages.mkv", make: [...LANGUAGES, ...H264, "-c:a:0", "aac", "-c:a:1", "ac3"], plays: "video audio" },
  {
    name: "Subtitles.mp4", make: [...BOTH, ...H264, ...AAC], plays: "video audio",
    beside: { "Subtitles.en.srt": subtitle("Good evening"), "Subtitles.de.srt": subtitle("Guten Abend") },
  },
  { name: "Subtitles within.mp4", make: [...WITH_SRT, ...H264, ...AAC, "-c:s", "mov_text"], plays: "video audio" },
  {
    name: "Chapters.mkv", plays: "video audio", make: [...WITH_SRT, ...H264, ...AAC, "-c:s", "srt"],
  },
  // Several files
  { name: "Ladder.mp4", make: [...BOTH, ...H264, ...AAC], plays: "video audio" },
  {
    name: "Set.set", plays: "video audio",
    folder: { "180p.mp4": [...BOTH, ...H264, ...AAC], "90p.mp4": [...BOTH, "-vf", "scale=-2:90", ...H264, ...AAC] },
  },
  // What no browser can play
  { name: "Encrypted.mp4", make: [...BOTH, ...H264, ...AAC, ...ENCRYPTION], says: /encrypted/i },
  { name: "Empty.mp4", bytes: () => "", says: /empty/i },
  { name: "Shopping list.mp4", bytes: () => "Milk, bread, butter.\n".repeat(50), says: /not an MP4/i },
  { name: "Interrupted.mp4", bytes: (made) => made("Arrival.mp4").subarray(0, 50_000), says: /no index \(moov\)/i },
  { name: "Zeroes.mkv", bytes: () => Buffer.alloc(100_000), says: /not an MP4/i },
];

/** Files beside a title that belong to it. */
const RENDITIONS = { "Ladder.100p.mp4": [...BOTH, "-vf", "scale=-2:100", ...H264, ...AAC] };

/** Makes the library, if it is not there yet, and returns its folder. */
export async function makeHomeLibrary() {
  const recipes = JSON.stringify([TITLES, RENDITIONS], (_, value) => (typeof value === "function" ? String(value) : value));
  const hash = createHash("sha256").update(recipes).digest("hex").slice(0, 8);
  const folder = path.join(ROOT, "target/home-library", hash);
  if (fs.existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  fs.mkdirSync(unfinished, { recursive: true });
  for (const [file, text] of INPUTS) fs.writeFileSync(file, text);
  for (const [name, make] of Object.entries(RENDITIONS)) await encode(path.join(unfinished, name), make);
  for (const { name, make, bytes, folder: files = {}, beside = {} } of TITLES) {
    const file = path.join(unfinished, name);
    if (make) await encode(file, make);
    if (bytes) fs.writeFileSync(file, bytes((other) => fs.readFileSync(path.join(unfinished, other))));
    if (Object.keys(files).length) fs.mkdirSync(file);
    for (const [member, recipe] of Object.entries(files)) await encode(path.join(file, member), recipe);
    for (const [neighbour, text] of Object.entries(beside)) fs.writeFileSync(path.join(unfinished, neighbour), text);
  }
  fs.renameSync(unfinished, folder);
  return folder;
}

async function encode(file, recipe) {
  const ffmpeg = spawn("ffmpeg", ["-v", "error", "-nostdin", "-y", ...recipe, file], {
    stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, SVT_LOG: "1" },
  });
  const [code] = await once(ffmpeg, "exit");
  assert.equal(code, 0, `ffmpeg could not make ${file}`);
}
