// Preparing: what the server must make before this browser can play a title. A request for what plays starts it, so
// that every device may: other jobs need the API token.

import { getJson, onJob, request, subscribe } from "../server.js";

const POLL_MS = 3000;

/** @typedef {import("./title.js").Title} Title */
/** @typedef {(job: { state: string, progress: { percent: number } }) => void} OnProgress */

/**
 * Waits until the server has made an MP4 of a title in another container.
 *
 * @param {Title} title @param {AbortSignal} signal @param {OnProgress} onProgress
 */
export const prepareRemux = (title, signal, onProgress) =>
  prepare(`${title.views}play.mp4?wait=0`, signal, onProgress);

/**
 * Waits until the server has transcoded a track that this browser does not decode: video to H.264, audio to AAC.
 *
 * @param {Title} title @param {import("./title.js").Track} track @param {AbortSignal} signal @param {OnProgress} onProgress
 */
export const prepareTranscode = (title, track, signal, onProgress) =>
  prepare(`${title.views}index.m3u8?require=${track.kind === "video" ? "h264" : "aac"}&wait=0`, signal, onProgress);

/** Requests what plays; if a job has to make it first, waits for that. */
async function prepare(url, signal, onProgress) {
  const response = await request(url, { headers: { Range: "bytes=0-1" }, signal });
  if (response.status !== 202) return void await response.body?.cancel();
  await jobDone((await response.json()).job, signal, onProgress);
}

/** Waits until a job is done, and throws its error if it fails. A server that is away for a while is waited for. */
async function jobDone(id, signal, onProgress) {
  subscribe();
  let known = null;
  const listeners = new AbortController();
  let wake = () => {};
  signal.addEventListener("abort", () => wake(), { signal: listeners.signal });
  onJob((job) => { if (job.id === id) { known = job; wake(); } }, listeners.signal);
  try {
    for (;;) {
      const job = known ?? await getJson(`/api/jobs/${id}`, signal).catch((error) => {
        if (error.status !== 0) throw error;
        return null;
      });
      known = null;
      if (job) onProgress(job);
      if (job?.state === "done") return;
      if (job?.finished) throw new Error(job.error || "the job was cancelled");
      await new Promise((resolve) => {
        wake = () => resolve(null);
        setTimeout(wake, POLL_MS);
        if (known || signal.aborted) wake();
      });
      signal.throwIfAborted();
    }
  } finally {
    listeners.abort();
  }
}
