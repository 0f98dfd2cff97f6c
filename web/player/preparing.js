// Preparing: what the server must make before this browser can play a title.

import { getJson, onJob, post, request, subscribe } from "../server.js";

const POLL_MS = 3000;

/** The heights that make a quick first rendition: larger video is made only on request. */
const HEIGHT_MAX = 720;

/** @typedef {import("./title.js").Title} Title */
/** @typedef {(job: { state: string, progress: { percent: number } }) => void} OnProgress */

/**
 * Waits until the server has copied a title into an MP4. The request for the movie starts the job.
 *
 * @param {Title} title @param {AbortSignal} signal @param {OnProgress} onProgress
 */
export async function prepareRemux(title, signal, onProgress) {
  for (;;) {
    try {
      await request(`${title.views}play.mp4`, { headers: { Range: "bytes=0-1" }, signal });
      return;
    } catch (error) {
      if (!error.job) throw error;
      await jobDone(error.job, signal, onProgress);
    }
  }
}

/**
 * Waits until the server has transcoded a track that this browser does not decode: video to H.264, audio to AAC.
 *
 * @param {Title} title @param {import("./title.js").Track} track @param {AbortSignal} signal @param {OnProgress} onProgress
 */
export async function prepareTranscode(title, track, signal, onProgress) {
  const job = await post("/api/jobs", track.kind === "video"
    ? { kind: "rendition", title: title.path, height: Math.min(HEIGHT_MAX, track.width, track.height), codec: "h264" }
    : { kind: "audio", title: title.path });
  signal.throwIfAborted();
  await jobDone(job.id, signal, onProgress);
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
        wake = resolve;
        setTimeout(resolve, POLL_MS);
        if (known || signal.aborted) resolve();
      });
      signal.throwIfAborted();
    }
  } finally {
    listeners.abort();
  }
}
