// Jobs: the indicator in the header, the drawer, and the list of a title.

import { getJson, onJob, post, RequestError, saveToken, subscribeSince } from "./server.js";
import { ago, button, byId, count, element, percent, showFacts, splitPath } from "./words.js";

/** Ended jobs in the list, of each final state. */
const ENDED_MAX = 30;
const RETRY_MS = 15_000;

/** Short jobs that come by the thousand: the drawer counts them and does not list them. */
const IMAGE_KINDS = new Set(["poster", "thumbnail", "storyboard", "preview"]);
const KIND_NAMES = {
  rendition: "Rendition", audio: "AAC audio", remux: "Remux", storyboard: "Storyboard", poster: "Poster",
  thumbnail: "Thumbnail", preview: "Preview", index: "Index",
};

const jobs = new Map(); // by id, without children: their parents show the progress
const drawer = byId("jobs");

const isLive = (job) => !job.finished;
const isImage = (job) => IMAGE_KINDS.has(job.kind);
const isListed = (job) => !isImage(job) || job.state === "failed";

/** The queued and running jobs of a title, without images. */
export const liveJobsOf = (title) => [...jobs.values()].filter((job) => job.title === title && isLive(job) && !isImage(job));

// ---- State -----------------------------------------------------------------

async function load() {
  try {
    const lists = [];
    for (const [state, limit] of [["running", 100], ["waiting", 100], ["queued", 100], ["failed", ENDED_MAX], ["done", ENDED_MAX]]) {
      lists.push(await getJson(`/api/jobs?state=${state}&limit=${limit}`));
    }
    lists.flatMap((list) => list.jobs).forEach(update);
    subscribeSince(lists[0].changed); // the events repeat what changed during the loop
    showError("");
  } catch (error) {
    showError(error.message);
    setTimeout(load, RETRY_MS);
  }
  show();
}

function update(job) {
  if (job.parent || jobs.get(job.id)?.changed > job.changed) return;
  jobs.set(job.id, job);
  for (const state of ["done", "failed", "cancelled"]) {
    const ended = [...jobs.values()].filter((other) => other.state === state && isListed(other));
    ended.sort(byFinished).slice(ENDED_MAX).forEach(({ id }) => jobs.delete(id));
  }
  if (!isLive(job) && !isListed(job)) jobs.delete(job.id);
}

let frame;
onJob((job) => {
  update(job);
  frame ??= requestAnimationFrame(() => { frame = undefined; show(); });
});

const byFinished = (one, other) => (one.finished < other.finished ? 1 : -1); // the latest first
const byCreated = (one, other) => (one.created < other.created ? -1 : 1); // the oldest first

// ---- Lists -----------------------------------------------------------------

function show() {
  const all = [...jobs.values()];
  const inState = (...states) => all.filter((job) => states.includes(job.state));
  const listed = (list) => list.filter(isListed);
  showIndicator(listed(inState("running", "waiting")), inState("running").some(isImage));
  if (drawer.open) keepFocus(drawer, byId("jobs-close"), () => {
    showSection("jobs-running", listed(inState("running", "waiting")).sort(byCreated));
    showSection("jobs-queued", listed(inState("queued")).sort(byCreated));
    showSection("jobs-failed", inState("failed").sort(byFinished));
    showSection("jobs-recent", listed(inState("done", "cancelled")).sort(byFinished));
    const images = all.filter((job) => isImage(job) && isLive(job)).length;
    byId("jobs-images").textContent = images ? `Queued images: ${count.format(images)}` : "";
    byId("jobs-none").hidden = listed(all).length > 0 || !byId("jobs-error").hidden;
  });
  document.dispatchEvent(new Event("jobs"));
}

function showIndicator(running, rendersImages) {
  const link = byId("jobs-link");
  const mean = running.reduce((sum, job) => sum + job.progress.percent, 0) / running.length;
  byId("jobs-word").textContent = running.length ? `${running.length} running · ${percent(mean)}` : "Jobs";
  link.classList.toggle("busy", running.length > 0 || rendersImages);
}

function showSection(id, list) {
  byId(id).hidden = !list.length;
  showJobs(byId(id).querySelector("ul"), list);
}

/** Fills a list with jobs. It updates existing rows in place, so that they keep the focus. */
export function showJobs(place, list) {
  const existing = new Map([...place.children].map((row) => [row.dataset.id, row]));
  const rows = list.map((job) => updateRow(existing.get(job.id) ?? jobRow(job), job));
  for (const row of [...place.children]) if (!rows.includes(row)) row.remove();
  rows.forEach((row, index) => {
    if (place.children[index] !== row) place.insertBefore(row, place.children[index] ?? null);
  });
}

/**
 * Changes lists of jobs within an element. A job that has the focus keeps it, also in another list and with another
 * button; if it leaves all lists, `otherwise` gets the focus.
 */
export function keepFocus(within, otherwise, change) {
  const active = /** @type {HTMLElement} */ (document.activeElement);
  const id = within.contains(active) && /** @type {HTMLElement | null} */ (active.closest(".job"))?.dataset.id;
  change();
  if (!id) return;
  const row = within.querySelector(`.job[data-id="${id}"]`);
  if (row?.contains(active) && !active.hidden) return;
  (row ? [row.cancel, row.retry].find((button) => !button.hidden) ?? row : otherwise).focus();
}

function jobRow(job) {
  const { name } = splitPath(job.title);
  const row = element("li", "job", element("bdi", "job-title", name), element("span", "job-facts facts"));
  const bar = element("progress", "");
  bar.max = 100;
  bar.setAttribute("aria-label", `${jobName(job)}, ${name}`);
  let isActing = false; // a disabled button would lose the focus
  const act = (verb) => async () => {
    if (isActing) return;
    isActing = true;
    try {
      update(await post(`/api/jobs/${job.id}/${verb}`));
      show();
    } catch (error) {
      showRequestError(error);
    }
    isActing = false;
  };
  const cancel = button("Cancel", name, act("cancel"));
  const retry = button("Retry", name, act("retry"));
  cancel.className = retry.className = "small";
  row.append(bar, element("p", "job-error"), element("span", "job-buttons", cancel, retry));
  Object.assign(row, { bar, cancel, retry });
  row.dataset.id = job.id;
  row.tabIndex = -1;
  return row;
}

/** "Rendition 720p" */
function jobName({ kind, height }) {
  return [KIND_NAMES[kind] ?? kind, height && `${height}p`].filter(Boolean).join(" ");
}

function updateRow(row, job) {
  const { stage, note, percent: done } = job.progress;
  row.dataset.state = job.state;
  const isRunning = job.state === "running" || job.state === "waiting";
  const states = {
    queued: job.attempts ? "queued for a retry" : "queued",
    running: percent(done), waiting: percent(done),
    done: `done ${ago(job.finished)}`, cancelled: `cancelled ${ago(job.finished)}`, failed: `failed ${ago(job.finished)}`,
  };
  const state = job.cancelling && isLive(job) ? "cancelling" : states[job.state];
  showFacts(row.querySelector(".job-facts"), [jobName(job), state, isRunning && stage, isRunning && note]);
  row.bar.hidden = !isRunning;
  row.bar.value = done;
  const error = row.querySelector(".job-error");
  error.textContent = job.state === "done" || job.state === "cancelled" ? "" : job.error ?? "";
  error.hidden = !error.textContent;
  row.cancel.hidden = !isLive(job) || job.cancelling;
  row.retry.hidden = job.state !== "failed" && job.state !== "cancelled";
  row.querySelector(".job-buttons").hidden = row.cancel.hidden && row.retry.hidden;
  return row;
}

// ---- Errors and status -----------------------------------------------------

function showError(text) {
  byId("jobs-error-text").textContent = text;
  byId("jobs-error").hidden = !text;
}

/** Shows why a change failed; asks for the API token if the server requires one. */
export function showRequestError(error) {
  location.hash = "jobs";
  open();
  const needsToken = error instanceof RequestError && error.status === 401;
  byId("token-form").hidden = !needsToken;
  showError(needsToken ? "Changes need the API token of this server." : error.message);
  if (needsToken) byId("token").focus();
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  saveToken(byId("token").value.trim());
  byId("token").value = "";
  byId("token-form").hidden = true;
  showError("");
});

/** Shows the state of the worker, or why no job can run. */
async function showStatus() {
  const status = await getJson("/api/status").catch(() => null);
  if (!status) return;
  byId("worker").textContent = status.unavailable ? `No job can run: ${status.unavailable}` : `Worker: ${status.worker}`;
  byId("worker").classList.toggle("unavailable", Boolean(status.unavailable));
}

// ---- Opening and closing: the drawer's address is /#jobs -------------------

function open() {
  if (drawer.open) return;
  drawer.showModal();
  show();
  showStatus();
}

function followHash() {
  if (location.hash === "#jobs") open();
  else if (drawer.open) drawer.close();
}

drawer.addEventListener("close", () => {
  if (location.hash === "#jobs") history.replaceState(history.state, "", location.pathname + location.search);
});
// A click outside closes the drawer. Its contents fill it, so the target is the drawer itself only outside.
drawer.addEventListener("click", (event) => event.target === drawer && drawer.close());
byId("jobs-close").addEventListener("click", () => drawer.close());
window.addEventListener("hashchange", followHash);
load();
followHash();
