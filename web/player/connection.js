// The connection: whether the server responds, and when it is back.

const TIMEOUT_MS = 5000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 5000;

/**
 * What the server says about itself, which takes no disk and no bucket; null if it does not respond.
 *
 * @returns {Promise<{ buckets?: { root: string | null, error: string | null }[] } | null>}
 */
async function readStatus() {
  try {
    const response = await fetch("/api/status", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.status === 502 || response.status === 504) return null; // of a proxy, in place of the server
    return response.ok ? await response.json() : {};
  } catch {
    return null;
  }
}

/** Whether the server responds. */
export const isReachable = async () => (await readStatus()) !== null;

/**
 * Waits until the server responds again.
 *
 * @param {AbortSignal} signal
 */
export async function whenReachable(signal) {
  for (let pauseMs = PAUSE_MIN_MS; !await isReachable(); pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    signal.throwIfAborted();
  }
  signal.throwIfAborted();
}

/**
 * Why the bucket of a title does not send what its cache does not have; null if it does, or if the title is in no bucket.
 *
 * @param {string} path decoded
 * @returns {Promise<string | null>}
 */
export async function bucketTrouble(path) {
  const status = await readStatus();
  const bucket = status?.buckets?.find(({ root }) => root === null || path.startsWith(`${root}/`));
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
