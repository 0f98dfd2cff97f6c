// REDbot judges the HTTP of each kind of URL: header fields, caching, validation, ranges, content codings.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "../browser/site.mjs";
import { startLibrary, TITLES } from "./library.mjs";

const PYTHON = path.join(ROOT, "target/judges/bin/python");

const title = (name) => TITLES.find(({ file }) => file === name);
const [H264, SUBTITLES] = [title("h264.mp4"), title("subtitles.mp4")];

let library;
before(async () => { library = await startLibrary("judges-http.log"); });
after(() => library?.stop());

/** Warnings of REDbot that do not apply. */
const EXCEPTIONS = {
  // RFC 9111 section 3.5: without "public" a shared cache does not keep what was requested with Authorization,
  // and players send that field to servers behind a proxy with a password.
  STORE_PUBLIC_UNNECESSARY: () => true,
  // Its sniffer (sniffpy 1.0) does not find the MP4 signature (WHATWG MIME Sniffing, section 6.2.1) and calls
  // every MP4 "undefined/undefined".
  CONTENT_TYPE_MISMATCH: (url) => /\.(mp4|m4s)$/.test(url),
};

/** A URL of each kind, from the playlists of two titles. */
async function urls() {
  const tracks = async (title, pattern) => {
    const main = await (await fetch(library.urlOf(title, "index.m3u8"))).text();
    return library.urlOf(title, main.match(pattern)[1]);
  };
  const video = await tracks(H264, /^(~.*\/video-1\/)media\.m3u8$/m);
  const text = await tracks(SUBTITLES, /URI="(~.*\/text-1\/)media\.m3u8"/);
  return [
    `${library.url}media/${H264.file}`,
    ...["index.m3u8", "manifest.mpd", "play.mp4", "poster.jpg", "storyboard.vtt", "inspect"].map((view) => library.urlOf(H264, view)),
    ...["media.m3u8", "iframes.m3u8", "init.mp4", "1.m4s"].map((file) => video + file),
    ...["media.m3u8", "1.vtt", "all.vtt"].map((file) => text + file),
    ...["", "api/titles", "api/openapi.json", "metrics", "healthz"].map((file) => library.url + file),
  ];
}

test("REDbot finds no fault with any kind of URL", { timeout: 60_000 }, async () => {
  const wanted = await urls();
  const script = path.join(import.meta.dirname, "lint_http.py");
  const { stdout } = await promisify(execFile)(PYTHON, [script, ...wanted], { timeout: 50_000 });
  const reports = JSON.parse(stdout);
  assert.deepEqual(reports.map(({ url }) => url), wanted);
  const faults = reports.flatMap(({ url, notes }) => notes
    .filter(({ id, level }) => ["warning", "bad"].includes(level) && !EXCEPTIONS[id]?.(url))
    .map(({ summary }) => `${url}: ${summary}`));
  assert.deepEqual(faults, []);
  for (const { url, status, notes } of reports) {
    assert.equal(status, 200, url);
    assert.ok(notes.length > 0, `REDbot says nothing about ${url}`);
  }
  const supports = (id, url) => reports.find((report) => report.url === url).notes.some((note) => note.id === id);
  assert.ok(supports("RANGE_CORRECT", `${library.url}media/${H264.file}`), "REDbot requests a range");
  assert.ok(supports("INM_304", library.urlOf(H264, "manifest.mpd")), "REDbot requests with If-None-Match");
});
