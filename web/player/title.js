// A title as the server describes it: tracks, texts, chapters, and whether it plays.

import { getJson, request } from "../server.js";

/**
 * @typedef {object} Track
 * @property {"video" | "audio" | "text" | "data"} kind
 * @property {string} codec for people: "HEVC Main 10, level 4"
 * @property {string} codecs as in manifests (RFC 6381)
 * @property {string | null} language
 * @property {string | null} label
 * @property {number} [width] as shown
 * @property {number} [height]
 * @property {number} [channels]
 */

/**
 * A subtitle or caption file of the title, as WebVTT.
 *
 * @typedef {object} TextFile
 * @property {string} url
 * @property {string | null} language
 * @property {string} label
 * @property {boolean} is_forced
 * @property {boolean} is_default
 * @property {"subtitles" | "captions"} kind
 */

/**
 * @typedef {object} Title
 * @property {string} path decoded, as in the list and in jobs
 * @property {string} href the file
 * @property {string} views what the addresses of all views begin with
 * @property {string} version
 * @property {string} media_type
 * @property {number} size_bytes
 * @property {string} modified
 * @property {number | null} duration_s
 * @property {number | null} width as shown
 * @property {number | null} height
 * @property {Track[]} tracks none while the file needs a remux, or if it is no movie
 * @property {{ start_s: number, title: string }[]} chapters
 * @property {{ height: number, codec: string }[]} renditions
 * @property {{ file: boolean, segments: boolean, reasons: string[] }} playable
 * @property {TextFile[]} texts
 */

/** Where all addresses of a title's views begin. */
export const VIEWS = "/v/";

/**
 * Reads a title from the server.
 *
 * @param {string} path percent-encoded, as in addresses
 * @param {AbortSignal} signal
 * @returns {Promise<Title>}
 */
export async function readTitle(path, signal) {
  const title = await getJson(`/api/titles/${path}`, signal);
  return "tracks" in title ? onThisOrigin(title) : { ...title, ...await inspected(title.views, signal) };
}

/** Behind a proxy the server may know another scheme or host than the address bar has. */
function onThisOrigin(title) {
  const texts = title.texts.map((text) => ({ ...text, url: new URL(text.url, location.origin).pathname }));
  return { ...title, texts };
}

// ---- From the report and the playlist --------------------------------------

/** Containers that the server packages without a job. */
const hasMovie = (report) => report.tracks.length > 0;

async function inspected(views, signal) {
  const report = await getJson(`${views}inspect`, signal);
  const playlist = hasMovie(report) ? await readPlaylist(views, signal) : { renditions: [], texts: [] };
  const video = report.tracks.find((track) => track.video)?.video;
  return {
    duration_s: report.duration_s,
    width: video?.shown_width ?? null,
    height: video?.shown_height ?? null,
    tracks: report.tracks.map((track) => ({
      kind: track.kind, codec: track.codec, codecs: track.codecs, language: track.language, label: track.name,
      width: track.video?.shown_width, height: track.video?.shown_height, channels: track.audio?.channels,
    })),
    chapters: report.chapters,
    renditions: playlist.renditions,
    playable: { file: hasMovie(report), segments: hasMovie(report), reasons: reasonsIn(report) },
    texts: playlist.texts,
  };
}

const reasonsIn = (report) => [...report.reasons, ...report.left_out.map(({ why }) => why)];

/** The renditions and texts in a multivariant playlist. */
async function readPlaylist(views, signal) {
  const playlist = await request(`${views}index.m3u8`, { signal }).then((response) => response.text()).catch(() => "");
  const attributes = (line) => Object.fromEntries(
    [...line.matchAll(/([A-Z-]+)=(?:"([^"]*)"|([^,]*))/g)].map(([, name, quoted, plain]) => [name, quoted ?? plain]),
  );
  const lines = (tag) => playlist.split("\n").filter((line) => line.startsWith(`#EXT-X-${tag}:`)).map(attributes);
  const renditions = lines("STREAM-INF").filter(({ RESOLUTION }) => RESOLUTION)
    .map(({ RESOLUTION, CODECS }) => ({ height: Number(RESOLUTION.split("x")[1]), codec: CODECS }));
  const texts = lines("MEDIA").filter(({ TYPE }) => TYPE === "SUBTITLES").map((text) => ({
    url: new URL(text.URI.replace(/media\.m3u8$/, "all.vtt"), new URL(`${views}index.m3u8`, location.origin)).pathname,
    language: text.LANGUAGE ?? null, label: text.NAME, is_forced: text.FORCED === "YES", is_default: text.DEFAULT === "YES",
    kind: /describes-music-and-sound/.test(text.CHARACTERISTICS ?? "") ? "captions" : "subtitles",
  }));
  return { renditions, texts };
}
