// The connection: whether the server sends a title from a place on, and what to say if it does not.

import { request, RequestError } from "../server.js";
import { sentence } from "./source.js";

const MEDIA_TIMEOUT_MS = 10_000;
const HEALTH_TIMEOUT_MS = 3000;

/** Statuses of a server that is away: 0 is no response, the others a proxy sends in its place. */
const AWAY = [0, 502, 504];
/** Statuses of a server that will respond later. */
const LATER = [429, 503];
/** The server lacks a resource until an operator adds it. */
const LACKING = "/errors/unavailable";

/**
 * What to say about an error that passes; null for any other error.
 *
 * @param {Error} error
 */
export function outageText(error) {
  if (!(error instanceof RequestError)) return null;
  if (AWAY.includes(error.status)) {
    return `${navigator.onLine ? "The server does not respond." : "This device is offline."} Reconnecting…`;
  }
  if (!LATER.includes(error.status) || error.type === LACKING) return null;
  return `${sentence(error.message.replace(/, retry later$/, ""))} Trying again…`;
}

/**
 * Throws the error of an outage if the server does not send a file at a place. It requests a byte of the place itself,
 * because the server may have other places in its cache.
 *
 * @param {string} url @param {number} offset in bytes @param {AbortSignal} signal
 */
export async function checkMedia(url, offset, signal) {
  const timeout = AbortSignal.timeout(MEDIA_TIMEOUT_MS);
  try {
    const headers = { Range: `bytes=${offset}-${offset}` };
    const response = await request(url, { cache: "no-store", headers, signal: AbortSignal.any([signal, timeout]) });
    await response.body?.cancel();
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) throw await timeoutError(signal);
    if (outageText(error)) throw error; // any other error shows itself when the title is loaded
  }
}

/** The error of a request that took too long: of the storage if the server itself responds. @param {AbortSignal} signal */
async function timeoutError(signal) {
  const timeout = AbortSignal.timeout(HEALTH_TIMEOUT_MS);
  const isAlive = await fetch("/healthz", { cache: "no-store", signal: AbortSignal.any([signal, timeout]) })
    .then(({ ok }) => ok, () => false);
  signal.throwIfAborted();
  return isAlive ? new RequestError(503, "the storage of this title does not respond") : new RequestError(0, "The server does not respond.");
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
