// Preparing: what the server must make before this browser can play a title.

import { getJson, onJob, post, request, subscribe } from "../server.js";

const POLL_MS = 3000;

/** The heights that make a quick first rendition: larger video is made only on request. */
const HEIGHT_MAX = 720;

/** @typedef {import("./title.js").Title} Title */
/** @typedef {(job: { state: string, progress: { percent: number } }) => void} OnProgress */

/**
 * Waits until the server has made an MP4 of a title in another container.
 *
 * @param {Title} title @param {AbortSignal} signal @param {OnProgress} onProgress
 */
export async function prepareRemux(title, signal, onProgress) {
  const job = await requestJob({ kind: "remux", title: title.path }) ?? await jobOf(`${title.views}play.mp4`, signal);
  if (job) await jobDone(job, signal, onProgress);
}

/**
 * Waits until the server has transcoded a track that this browser does not decode: video to H.264, audio to AAC.
 *
 * @param {Title} title @param {import("./title.js").Track} track @param {AbortSignal} signal @param {OnProgress} onProgress
 */
export async function prepareTranscode(title, track, signal, onProgress) {
  const wanted = track.kind === "video"
    ? { kind: "rendition", title: title.path, height: Math.min(HEIGHT_MAX, track.width, track.height), codec: "h264" }
    : { kind: "audio", title: title.path };
  const job = await requestJob(wanted, track.kind === "audio" || !title.renditions.length) ?? await jobOf(`${title.views}index.m3u8`, signal, title);
  if (job) await jobDone(job, signal, onProgress);
}

/**
 * Requests a job, and returns its id; null if that needs the API token and the job is `isAutomatic`: the server starts
 * it at the first request for the movie or the playlist.
 */
async function requestJob(wanted, isAutomatic = true) {
  try {
    return (await post("/api/jobs", wanted)).id;
  } catch (error) {
    if (isAutomatic && [401, 403, 422].includes(error.status)) return null;
    throw error;
  }
}

/** Requests a movie or a playlist, and returns the id of the job that this starts, or null. */
async function jobOf(url, signal, title = null) {
  try {
    const response = await request(url, { headers: { Range: "bytes=0-1" }, signal });
    await response.body?.cancel();
  } catch (error) {
    if (!error.job) throw error;
    return error.job;
  }
  if (!title) return null;
  const { jobs } = await getJson(`/api/jobs?${new URLSearchParams({ title: title.path })}`, signal);
  return jobs.find(({ kind, finished }) => kind === "audio" && !finished)?.id ?? null;
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
