// The connection: whether the server responds, and when it is back.

import { getJson } from "../server.js";

const TIMEOUT_MS = 5000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 5000;

/**
 * Whether the server responds to a request for this address, with whatever status.
 *
 * @param {string} url
 * @returns {Promise<boolean>}
 */
export const isReachable = (url) =>
  fetch(url, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
    ({ status }) => status !== 502 && status !== 504, // a proxy responds in place of a server that is away
    () => false,
  );

/**
 * Waits until the server responds again.
 *
 * @param {string} url @param {AbortSignal} signal
 */
export async function whenReachable(url, signal) {
  for (let pauseMs = PAUSE_MIN_MS; !await isReachable(url); pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    signal.throwIfAborted();
  }
  signal.throwIfAborted();
}

/**
 * Why the bucket of a title does not send what its cache does not have; null if it does, or if the title is in no bucket.
 *
 * @param {string} path decoded @param {AbortSignal} signal
 * @returns {Promise<string | null>}
 */
export async function bucketTrouble(path, signal) {
  const status = await getJson("/api/status", signal).catch(() => null);
  const bucket = status?.buckets.find(({ root }) => root === null || path.startsWith(`${root}/`));
  return bucket?.error ?? null;
}

/**
 * Replaces what the browser's cache has of an address: media may be cached for a minute, and a replaced file must
 * not play from there.
 *
 * @param {string} url @param {AbortSignal} signal
 */
export async function forgetCached(url, signal) {
  const response = await fetch(url, { cache: "reload", headers: { Range: "bytes=0-1" }, signal }).catch(() => null);
  await response?.body?.cancel();
}
