// VLC plays the video and audio of each manifest: it decodes as fast as it can, and encodes the frames into a
// file, where ffprobe counts them.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { FRAMES_PER_SECOND } from "../browser/clips.mjs";
import { startLibrary, STREAMS } from "./library.mjs";

const run = promisify(execFile);

/** VLC drops audio that is decoded before its first video frame: some tenths of a second, from run to run. */
const AUDIO_TOLERANCE_S = 0.4;

/** VLC refuses to run as root; this is Debian's nobody. */
const USER = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};

let library, scratch;
before(async () => {
  library = await startLibrary("judges-vlc.log");
  scratch = fs.mkdtempSync(path.join(tmpdir(), "headwater-vlc-"));
  fs.chmodSync(scratch, 0o777);
});
after(async () => {
  await library?.stop();
  if (scratch) fs.rmSync(scratch, { recursive: true });
});

/** Of DASH it loses the last frame on most runs, when the decoder is emptied at the end. */
const LOST_FRAMES = 2;

/** Decodes a URL with VLC: the number of frames, the seconds of audio, and VLC's log. */
async function decode(url, name, logic) {
  const file = path.join(scratch, `${name}.mkv`);
  const sout = `#transcode{vcodec=mp4v,vb=1000,acodec=s16l,channels=1,samplerate=48000}:std{access=file,mux=mkv,dst=${file}}`;
  const options = [
    "--intf", "dummy", "--no-one-instance", "--verbose=1", "--avcodec-hw=none",
    // Its encoder fails when the size of the video changes, so it stays with one rendition. It also crashes on
    // subtitles, which it shows in a window.
    `--adaptive-logic=${logic}`, "--no-sout-spu", "--sout", sout,
  ];
  const { stderr } = await run("vlc", [...options, url, "vlc://quit"],
    { ...USER, env: { ...process.env, HOME: scratch }, timeout: 60_000 });
  const { stdout } = await run("ffprobe", ["-v", "error", "-show_entries", "packet=codec_type,size", "-of", "csv=p=0", file]);
  const packets = stdout.trim().split("\n").map((line) => line.split(","));
  const audio = packets.filter(([type]) => type === "audio").reduce((bytes, [, size]) => bytes + Number(size), 0);
  return {
    frames: packets.filter(([type]) => type === "video").length,
    audioSeconds: audio / 2 / 48000,
    log: stderr,
  };
}

describe("VLC", { concurrency: 2 }, () => {
  for (const title of STREAMS) {
    // Not play.mp4: of a file with B-frames VLC 3.0 drops the last two frames, of the source file as well.
    for (const view of ["index.m3u8", "manifest.mpd"]) {
      for (const logic of title.isLadder ? ["highest", "lowest"] : ["highest"]) {
        const rendition = title.isLadder ? `, ${logic} rendition` : "";
        test(`decodes each frame and all audio: ${title.name}, ${view}${rendition}`, async () => {
          const { frames, audioSeconds, log } = await decode(library.urlOf(title, view), `${title.file}-${view}-${logic}`, logic);
          const allFrames = title.isAudioOnly ? 0 : title.seconds * FRAMES_PER_SECOND;
          const lost = allFrames - frames;
          assert.ok(lost >= 0 && lost <= LOST_FRAMES, `${frames} of ${allFrames} frames\n${log}`);
          const expected = title.from.audio ? title.seconds : 0;
          assert.ok(Math.abs(audioSeconds - expected) < AUDIO_TOLERANCE_S, `${audioSeconds} s of audio, not ${expected}\n${log}`);
        });
      }
    }
  }
});
