// A title as the server describes it: tracks, texts, chapters, and whether it plays.

import { getJson } from "../server.js";

/**
 * @typedef {object} Track
 * @property {"video" | "audio" | "text"} kind
 * @property {string} codec for people: "HEVC Main 10, level 4"
 * @property {string} codecs as in manifests (RFC 6381)
 * @property {string | null} language
 * @property {string | null} label
 * @property {boolean} is_default
 * @property {boolean} is_encrypted
 * @property {number | null} width as shown
 * @property {number | null} height
 * @property {number | null} channels
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
 * @property {"video" | "audio" | null} kind
 * @property {number | null} duration_s
 * @property {number | null} width as shown
 * @property {number | null} height
 * @property {Track[]} tracks none while the file needs a remux, or if it is no movie
 * @property {{ start_s: number, title: string }[]} chapters
 * @property {{ height: number, codec: string, codecs: string, is_original: boolean }[]} renditions the video in manifests
 * @property {{ file: boolean, segments: boolean, reasons: string[] }} playable
 * @property {TextFile[]} texts
 * @property {string | null} poster
 * @property {string | null} storyboard
 */

/**
 * Reads a title from the server.
 *
 * @param {string} path percent-encoded, as in addresses
 * @param {AbortSignal} signal
 * @returns {Promise<Title>}
 */
export async function readTitle(path, signal) {
  const title = await getJson(`/api/titles/${path}`, signal);
  // Behind a proxy the server may know another scheme or host than the address bar has.
  const here = (url) => url && new URL(url).pathname;
  const texts = title.texts.map((text) => ({ ...text, url: here(text.url) }));
  return { ...title, texts, poster: here(title.poster), storyboard: here(title.storyboard) };
}

/**
 * The video and the audio that play by default; without video for audio with a cover.
 *
 * @param {Title} title
 * @returns {{ video: Track | undefined, audio: Track | undefined }}
 */
export function leadingTracks({ tracks, kind }) {
  const leading = (wanted) => {
    const found = tracks.filter((track) => track.kind === wanted);
    return found.find(({ is_default }) => is_default) ?? found[0];
  };
  return { video: kind === "audio" ? undefined : leading("video"), audio: leading("audio") };
}
