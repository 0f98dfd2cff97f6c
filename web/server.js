// The server: asking it, changing something, listening to what changes, waiting for what it makes.

/** Why the server did not do as it was asked; `status` is 0 if it was not reached. */
export class Refused extends Error {
  constructor(status, text, again = 0) {
    super(text);
    this.status = status;
    this.again = again; // seconds until it may be asked again, if it said so
  }
}

/** An answer that is no refusal. */
export async function ask(url, options = {}) {
  const response = await fetch(url, options).catch((error) => {
    throw options.signal?.aborted ? error : new Refused(0, "The server cannot be reached.");
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({})); // RFC 9457, if the server got so far
  const again = Number(response.headers.get("retry-after")) || 0;
  throw new Refused(response.status, problem.detail ?? problem.title ?? `The server answered ${response.status}.`, again);
}

export const getJson = async (url, signal) => (await ask(url, { signal })).json();

// ---- Changing something ----------------------------------------------------

const TOKEN = "headwater-token";

/** What whoever changes something must know, where the server asks for it: kept while this tab is open. */
export function rememberToken(token) {
  if (token) sessionStorage.setItem(TOKEN, token);
  else sessionStorage.removeItem(TOKEN);
}

export async function post(url, content = {}) {
  const headers = { "Content-Type": "application/json" };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  return (await ask(url, { method: "POST", headers, body: JSON.stringify(content) })).json();
}

// ---- What changes ----------------------------------------------------------

const RECONNECT_MS = 10_000;

const events = new EventTarget();
let source = null;
let reconnecting;
let last = null; // the number of the last change that is known here

/** Calls with each job that changes, and with each change of the titles. */
export const onJob = (call, signal) => events.addEventListener("job", ({ detail }) => call(detail), { signal });
export const onTitles = (call) => events.addEventListener("titles", call);

/** Begins to listen to all changes after this one. */
export function listenSince(changed) {
  last = Math.max(last ?? 0, changed);
  listen();
}

/**
 * While nobody looks, nobody listens: browsers allow six connections to a server over HTTP/1.1, for all
 * tabs together. Nothing is missed, since the server tells what has changed since.
 */
function listen() {
  clearTimeout(reconnecting);
  if (last === null || source || document.hidden) return;
  source = new EventSource(`/api/events?since=${last}`);
  source.addEventListener("job", (event) => {
    last = Number(event.lastEventId);
    events.dispatchEvent(new CustomEvent("job", { detail: JSON.parse(event.data) }));
  });
  source.addEventListener("titles", () => events.dispatchEvent(new Event("titles")));
  source.addEventListener("error", () => {
    if (source?.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
    source = null;
    reconnecting = setTimeout(listen, RECONNECT_MS);
  });
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return listen();
  source?.close();
  source = null;
});

// ---- What is made when it is asked for -------------------------------------

const AGAIN_MS_MAX = 30_000;

/**
 * Waits until the server has made a picture of a title: by the events of its job, and else by asking
 * again, more and more seldom.
 */
export async function whenMade(url, title, signal) {
  for (let pauseMs = 2000; ; pauseMs = Math.min(2 * pauseMs, AGAIN_MS_MAX)) {
    try {
      const response = await ask(url, { signal });
      await response.blob(); // so that the browser has it, and asks no more
      if (response.status !== 202) return;
    } catch (error) {
      if (error.status !== 503) throw error;
      pauseMs = Math.max(pauseMs, 1000 * error.again);
    }
    await changeOf(title, pauseMs, signal);
  }
}

/** Waits until a job of a title ends, but no longer than this. */
export function changeOf(title, atMostMs, signal) {
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const end = (settle) => () => {
      clearTimeout(timer);
      done.abort();
      settle(signal?.reason);
    };
    const timer = setTimeout(end(resolve), atMostMs);
    signal?.addEventListener("abort", end(reject), { signal: done.signal });
    onJob((job) => job.title === title && job.finished && end(resolve)(), done.signal);
  });
}
