// The server: requests, changes, events, and waiting for images that it renders on demand.

/** A failed request; `status` is 0 if the server did not respond, `type` the server's problem type if it has one. */
export class RequestError extends Error {
  constructor(status, text, retryAfterS = 0, type = "") {
    super(text);
    this.status = status;
    this.type = type;
    this.retryAfterS = retryAfterS;
  }
}

/** The response of a successful request; else throws a RequestError. */
export async function request(url, options = {}) {
  const response = await fetch(url, options).catch((error) => {
    throw options.signal?.aborted ? error : new RequestError(0, "The server does not respond.");
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({})); // RFC 9457, unless a proxy responded
  const retryAfterS = Number(response.headers.get("retry-after")) || 0;
  const text = problem.detail ?? problem.title ?? `HTTP status ${response.status}`;
  throw new RequestError(response.status, text, retryAfterS, problem.type);
}

export const getJson = async (url, signal) => (await request(url, { signal })).json();

// ---- Changes ---------------------------------------------------------------

const TOKEN = "headwater-token";

let token = readToken();

/** A browser may refuse storage, as to a frame of another page. */
function readToken() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

/** Keeps the API token for requests that change something, while this tab is open; without storage, this document. */
export function saveToken(text) {
  token = text;
  try {
    sessionStorage.setItem(TOKEN, text);
  } catch {
    // Storage is refused or full.
  }
}

export async function post(url, content = {}) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  return (await request(url, { method: "POST", headers, body: JSON.stringify(content) })).json();
}

// ---- Events ----------------------------------------------------------------

const RECONNECT_MS = 10_000;

const events = new EventTarget();
let source = null;
let reconnectTimer;
let last = null; // the number of the last known change of a job
let titlesSince = null; // the number of a change of titles that no later list may lack
let isWanted = false;
let isBehind = false; // whether changes of titles may have been missed that the server does not repeat

const listen = (name, call, signal) =>
  events.addEventListener(name, (event) => call(/** @type {CustomEvent} */ (event).detail), { signal });

/**
 * Calls back with each changed job, and at each change of the titles: `{ added: [title…], changed: [title…],
 * removed: [path…] }`, or `{ all: true }` if any title may have changed.
 */
export const onJob = (call, signal = undefined) => listen("job", call, signal);
export const onTitles = (call, signal = undefined) => listen("titles", call, signal);

/** Subscribes to all changes of jobs after this one. */
export function subscribeSince(changed) {
  if (last === null) disconnect(); // a stream from now on may miss changes after this one
  last = Math.max(last ?? 0, changed);
  subscribe();
}

/** Has the events begin with what changed after the first list of titles was read. */
export function noteTitles(changed) {
  if (titlesSince !== null) return;
  isBehind ||= source !== null; // what else the page has read may be older than this list
  disconnect();
  titlesSince = changed;
  connect();
}

/** Subscribes to all changes from now on. */
export function subscribe() {
  isWanted = true;
  connect();
}

/**
 * Connects while the page is visible only: browsers allow six HTTP/1.1 connections to a server, for all
 * tabs together. No change is lost, since the server sends all since the last numbers, or says to read all titles.
 */
function connect() {
  clearTimeout(reconnectTimer);
  if (!isWanted || source || document.hidden) return;
  const since = { ...(last !== null && { since: last }), ...(titlesSince !== null && { titles_since: titlesSince }) };
  source = new EventSource(`/api/events?${new URLSearchParams(since)}`);
  source.addEventListener("job", (event) => {
    last = Number(event.lastEventId);
    events.dispatchEvent(new CustomEvent("job", { detail: JSON.parse(event.data) }));
  });
  source.addEventListener("titles", ({ data }) => dispatchTitles(titleChanges(data)));
  source.addEventListener("open", () => {
    if (isBehind) dispatchTitles({ all: true });
    isBehind = false;
  });
  source.addEventListener("error", () => {
    isBehind ||= titlesSince === null;
    if (source?.readyState !== EventSource.CLOSED) return; // the browser reconnects
    source = null;
    reconnectTimer = setTimeout(connect, RECONNECT_MS);
  });
}

function disconnect() {
  source?.close();
  source = null;
}

const dispatchTitles = (detail) => events.dispatchEvent(new CustomEvent("titles", { detail }));

function titleChanges(data) {
  const changes = JSON.parse(data || "{}");
  return Array.isArray(changes.changed) ? changes : { all: true };
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return connect();
  isBehind ||= source !== null && titlesSince === null;
  disconnect();
});

// ---- Images rendered on demand ---------------------------------------------

const RETRY_MIN_MS = 2000;
const RETRY_MAX_MS = 30_000;

/** Waits until the server has rendered an image of a title: by events of its job, and by retries with growing pauses. */
export async function whenRendered(url, title, signal) {
  for (let pauseMs = RETRY_MIN_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
    try {
      const response = await request(url, { signal });
      await response.blob(); // fills the browser's cache
      if (response.status !== 202) return;
    } catch (error) {
      if (error.status !== 503) throw error;
      pauseMs = Math.max(pauseMs, 1000 * error.retryAfterS);
    }
    await whenJobEnds(title, pauseMs, signal);
  }
}

/** Waits until a job of a title ends, or until the timeout. */
function whenJobEnds(title, timeoutMs, signal) {
  return new Promise((resolve, reject) => {
    const listeners = new AbortController();
    const end = (settle) => () => {
      clearTimeout(timer);
      listeners.abort();
      settle(signal?.reason);
    };
    const timer = setTimeout(end(resolve), timeoutMs);
    signal?.addEventListener("abort", end(reject), { signal: listeners.signal });
    onJob((job) => job.title === title && job.finished && end(resolve)(), listeners.signal);
  });
}
