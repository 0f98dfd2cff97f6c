// What this browser can decode. The answer is about a codec in MP4: as one file, and as segments of Media Source.

/** The Media Source that hls.js uses: Safari on iPhones has the managed one only. */
const MediaSourceOfBrowser = /** @type {any} */ (window).ManagedMediaSource ?? window.MediaSource;

/** Whether hls.js can run. A browser without Media Source plays HLS natively or not at all. */
export const hasMediaSource = Boolean(MediaSourceOfBrowser);

/** What the API requires and the title may not tell. The answer is about the codec, not about speed. */
const USUAL = { bitrate: 2_000_000, framerate: 25, width: 1280, height: 720, channels: 2, samplerate: 48_000 };

/** Names that browsers know for one file only: Chromium plays MP3 in MP4, but not by the name in manifests. */
const NAMES_IN_FILE = { "mp4a.40.34": "mp4a.6B" };

/**
 * Whether this browser decodes a track, `by` one file or by Media Source.
 *
 * @param {{ kind: string, codecs: string, width?: number | null, height?: number | null, channels?: number | null }} track
 * @param {"file" | "media-source"} by
 * @returns {Promise<boolean>}
 */
export async function canDecode({ kind, codecs, width, height, channels }, by) {
  if (!codecs) return false;
  if (by === "media-source" && !hasMediaSource) return false;
  const name = by === "file" ? NAMES_IN_FILE[codecs] ?? codecs : codecs;
  const contentType = `${kind}/mp4; codecs="${name}"`;
  const configuration = kind === "video"
    ? { contentType, width: width || USUAL.width, height: height || USUAL.height, bitrate: USUAL.bitrate, framerate: USUAL.framerate }
    : { contentType, channels: String(channels || USUAL.channels), bitrate: USUAL.bitrate, samplerate: USUAL.samplerate };
  try {
    const { supported } = await navigator.mediaCapabilities.decodingInfo(/** @type {any} */ ({ type: by, [kind]: configuration }));
    return supported;
  } catch {
    // Without this API (pages that are not secure contexts), or for a codec that it does not know.
    if (by === "media-source") return MediaSourceOfBrowser.isTypeSupported(contentType);
    return document.createElement("video").canPlayType(contentType) !== "";
  }
}

/** Media types that browsers claim to play, but play without audio or not to the end. */
const UNRELIABLE = /matroska|mp2t|x-msvideo|video\/mpeg/;

/**
 * Whether this browser plays a file of another container than MP4 unchanged.
 *
 * @param {string} mediaType
 */
export const playsFile = (mediaType) =>
  !UNRELIABLE.test(mediaType) && document.createElement("video").canPlayType(mediaType) !== "";
