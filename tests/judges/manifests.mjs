// Parsers and validators of others read every playlist, manifest and WebVTT file of the library, and the bit
// rates that these declare are measured on the segments.
//
//   hls-parser    RFC 8216, strict mode: each violation is an error
//   m3u8-parser   HLS as Video.js reads it, with warnings
//   webvtt-parser the W3C's validator of WebVTT
//   mpd-parser    DASH as Video.js reads it, with warnings
//   xmllint       the structure of ISO/IEC 23009-1 (mpd.rng)

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import HLS from "hls-parser";
import { Parser } from "m3u8-parser";
import { parse as parseMpd } from "mpd-parser";
import webvtt from "webvtt-parser";
import { startLibrary, STREAMS, TITLES } from "./library.mjs";

HLS.setOptions({ strictMode: true });

let library;
before(async () => { library = await startLibrary("judges-manifests.log"); });
after(() => library?.stop());

// ---- Reading ------------------------------------------------------------------

async function read(url) {
  const response = await fetch(url);
  assert.equal(response.status, 200, url);
  return response.text();
}

/** The size of a segment, from its response. */
async function size(url) {
  const response = await fetch(url, { method: "HEAD" });
  assert.equal(response.status, 200, url);
  return Number(response.headers.get("content-length"));
}

/** Parses a playlist with both parsers; `url` is added to what hls-parser returns. */
async function readPlaylist(url) {
  const text = await read(url);
  const parser = new Parser({ url });
  const findings = [];
  // "info" is about attributes that the RFC makes optional, such as EXT-X-DISCONTINUITY-SEQUENCE.
  for (const level of ["warn", "error"]) parser.on(level, ({ message }) => findings.push(`${level}: ${message}`));
  parser.push(text);
  parser.end();
  assert.deepEqual(findings, [], url);
  try {
    return Object.assign(HLS.parse(text), { url });
  } catch (error) {
    throw new Error(`hls-parser: ${error.message}\n${url}\n${text}`, { cause: error });
  }
}

const resolve = (playlist, uri) => new URL(uri, playlist.url).href;

/** The multivariant playlist of a title. */
const readMain = (title) => readPlaylist(library.urlOf(title, "index.m3u8"));

/** The media playlist behind a URI of a multivariant playlist. */
const readMedia = (main, { uri }) => readPlaylist(resolve(main, uri));

/** The renditions of a multivariant playlist: every EXT-X-MEDIA with a URI, once. */
const renditionsOf = (main) => [...new Map(main.variants.flatMap((variant) =>
  [...variant.audio, ...variant.subtitles].filter(({ uri }) => uri).map((rendition) => [rendition.uri, rendition]))).values()];

// ---- Bit rates (RFC 8216bis section 4.4.6.2) -------------------------------------

/** Bits and seconds of each segment of a media playlist. */
async function segmentsOf(playlist) {
  return Promise.all(playlist.segments.map(async ({ uri, byterange, duration }) => ({
    bits: 8 * (byterange ? byterange.length : await size(resolve(playlist, uri))),
    seconds: duration,
  })));
}

/**
 * The peak segment bit rate: the largest of any contiguous segments that last together between 0.5 and 1.5
 * times the target duration. A playlist shorter than that has the rate of all its segments.
 */
function peak(segments, targetDuration) {
  let largest = 0;
  for (let first = 0; first < segments.length; first++) {
    let [bits, seconds] = [0, 0];
    for (const segment of segments.slice(first)) {
      bits += segment.bits;
      seconds += segment.seconds;
      if (seconds > 1.5 * targetDuration) break;
      if (seconds >= 0.5 * targetDuration) largest = Math.max(largest, bits / seconds);
    }
  }
  return largest || average(segments);
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const average = (segments) => sum(segments.map(({ bits }) => bits)) / sum(segments.map(({ seconds }) => seconds));

/** Peak and average bit rate of a media playlist. */
async function rates(playlist) {
  const segments = await segmentsOf(playlist);
  return { peak: peak(segments, playlist.targetDuration), average: average(segments) };
}

/** The largest peak and average of some renditions; 0 without any. */
async function largestRates(main, renditions) {
  const all = await Promise.all(renditions.filter(({ uri }) => uri).map(async (it) => rates(await readMedia(main, it))));
  return { peak: Math.max(0, ...all.map((it) => it.peak)), average: Math.max(0, ...all.map((it) => it.average)) };
}

/** Apple's HLS Authoring Specification, 9.5 and 9.6: a declared rate is at most a tenth above the measured one. */
const EXCESS = 1.1;
/** The rate that Headwater declares for each subtitle track, whose segments are smaller. */
const SUBTITLES = 1024;

function assertDeclares(declared, measured, margin, what) {
  assert.ok(declared >= Math.floor(measured), `${what} declares ${declared} bit/s, measured ${measured}`);
  assert.ok(declared <= EXCESS * measured + margin, `${what} declares ${declared} bit/s, measured only ${measured}`);
}

// ---- HLS --------------------------------------------------------------------

describe("HLS", { concurrency: 2 }, () => {
  for (const title of TITLES) {
    test(`hls-parser and m3u8-parser accept each playlist: ${title.name}`, async () => {
      const main = await readMain(title);
      assert.ok(main.isMasterPlaylist && main.variants.length > 0);
      const playlists = await Promise.all([...main.variants, ...renditionsOf(main)].map((it) => readMedia(main, it)));
      for (const { segments } of playlists) assert.ok(segments.length > 0);
      for (const image of (await read(main.url)).matchAll(/^#EXT-X-IMAGE-STREAM-INF:.*URI="([^"]*)"/gm)) {
        await readPlaylist(resolve(main, image[1]));
      }
    });
  }

  for (const title of STREAMS) {
    test(`BANDWIDTH and AVERAGE-BANDWIDTH are those of the segments: ${title.name}`, async () => {
      const main = await readMain(title);
      for (const variant of main.variants) {
        const own = await rates(await readMedia(main, variant));
        // The playlist of audio alone is a variant and a rendition at once.
        const isRendition = variant.audio.some(({ uri }) => uri === variant.uri);
        const audio = isRendition ? { peak: 0, average: 0 } : await largestRates(main, variant.audio);
        const text = await largestRates(main, variant.subtitles);
        const margin = variant.subtitles.length > 0 ? SUBTITLES : 1;
        assertDeclares(variant.bandwidth, own.peak + audio.peak + text.peak, margin, `${variant.uri}: BANDWIDTH`);
        assertDeclares(variant.averageBandwidth, own.average + audio.average + text.average, margin,
          `${variant.uri}: AVERAGE-BANDWIDTH`);
      }
    });
  }
});

// ---- WebVTT --------------------------------------------------------------------

/**
 * RFC 8216bis section 3.1.4 puts X-TIMESTAMP-MAP into the header of a WebVTT segment, right after the
 * signature; the W3C's validator takes that line for a lost blank line.
 */
const TIMESTAMP_MAP = { message: "No blank line after the signature.", line: 2 };

for (const title of STREAMS.filter(({ hasSubtitles }) => hasSubtitles)) {
  test(`webvtt-parser accepts each WebVTT file: ${title.name}`, async () => {
    const main = await readMain(title);
    const tracks = renditionsOf(main).filter(({ type }) => type === "SUBTITLES");
    assert.equal(tracks.length, 2, "a track of the file and a sidecar");
    for (const track of tracks) {
      const playlist = await readMedia(main, track);
      const urls = playlist.segments.map(({ uri }) => resolve(playlist, uri));
      let cues = 0;
      for (const url of [...urls, new URL("all.vtt", playlist.url).href]) {
        const text = await read(url);
        const found = new webvtt.WebVTTParser().parse(text, "subtitles/captions");
        const isExpected = ({ line, message }) =>
          /^X-TIMESTAMP-MAP=/.test(text.split("\n")[1]) && line === TIMESTAMP_MAP.line && message === TIMESTAMP_MAP.message;
        assert.deepEqual(found.errors.filter((error) => !isExpected(error)), [], `${url}\n${text}`);
        cues += found.cues.length;
      }
      assert.ok(cues > 0);
    }
  });
}

// ---- DASH ---------------------------------------------------------------------

/** Runs xmllint on a document; its output. */
function xmllint(xml, ...options) {
  const { status, stdout, stderr } = spawnSync("xmllint", [...options, "-"], { input: xml, encoding: "utf8" });
  return { status, output: `${stdout}${stderr}` };
}

/**
 * The Representations without SegmentTemplate that claim the profile isoff-live, which demands one
 * (ISO/IEC 23009-1 section 8.4.3).
 */
const NOT_LIVE = `count(//*[local-name() = "Representation"]
  [contains(ancestor-or-self::*[@profiles][1]/@profiles, "isoff-live")]
  [not(*[local-name() = "SegmentTemplate"] or ../*[local-name() = "SegmentTemplate"])])`;

describe("DASH", { concurrency: 2 }, () => {
  for (const title of TITLES) {
    test(`the manifest has the structure of ISO/IEC 23009-1: ${title.name}`, async () => {
      const mpd = await read(library.urlOf(title, "manifest.mpd"));
      const { status, output } = xmllint(mpd, "--noout", "--relaxng", path.join(import.meta.dirname, "mpd.rng"));
      assert.equal(status, 0, `${output}\n${mpd}`);
      assert.equal(xmllint(mpd, "--xpath", NOT_LIVE).output.trim(), "0", mpd);
    });
  }

  for (const title of STREAMS) {
    test(`mpd-parser finds every track, and bandwidth holds for its segments: ${title.name}`, async () => {
      const url = library.urlOf(title, "manifest.mpd");
      const findings = [];
      const mpd = await read(url);
      const manifest = parseMpd(mpd, { manifestUri: url, eventHandler: (event) => findings.push(event) });
      assert.deepEqual(findings, []);
      const audio = Object.values(manifest.mediaGroups.AUDIO.audio ?? {}).flatMap(({ playlists }) => playlists);
      const text = Object.values(manifest.mediaGroups.SUBTITLES.subs ?? {}).flatMap(({ playlists }) => playlists);
      assert.equal(manifest.playlists.length > 0, !title.isAudioOnly);
      assert.equal(audio.length > 0, title.from.audio !== null);
      assert.equal(text.length, title.hasSubtitles ? 2 : 0);

      const buffer = Number(mpd.match(/ minBufferTime="PT([\d.]+)S"/)[1]);
      for (const { segments, attributes } of [...manifest.playlists, ...audio]) {
        await assertBandwidth(segments, attributes.BANDWIDTH, buffer);
        const seconds = sum(segments.map(({ duration }) => duration));
        assert.ok(Math.abs(seconds - title.seconds) < 0.1, `${attributes.NAME} lasts ${seconds} s`);
      }
    });
  }
});

/**
 * ISO/IEC 23009-1 section 5.3.5.2: a client that starts at any segment, receives at `bandwidth` and waits for
 * `buffer` seconds has each later segment in time.
 */
async function assertBandwidth(segments, bandwidth, buffer) {
  const all = await Promise.all(segments.map(async ({ resolvedUri, duration }) => ({ bits: 8 * await size(resolvedUri), duration })));
  for (let first = 0; first < all.length; first++) {
    let [bits, seconds] = [0, buffer];
    for (const [index, segment] of all.slice(first).entries()) {
      bits += segment.bits;
      assert.ok(bits <= bandwidth * seconds, `segment ${first + index + 1} is late for who starts at ${first + 1} with ${bandwidth} bit/s`);
      seconds += segment.duration;
    }
  }
}
