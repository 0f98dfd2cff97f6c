// Jobs: what the server is making, as it goes on.

import { getJson, listenSince, onJob, post, Refused, rememberToken } from "./server.js";
import { ago, button, byId, count, element, percent, showFacts, splitPath } from "./words.js";

/** Jobs that have ended, of each kind of end, that are kept in the list. */
const ENDED_MAX = 30;
const AGAIN_MS = 15_000;

/** What goes by in a second, by the thousand: counted, not listed. */
const PICTURES = new Set(["poster", "thumbnail", "storyboard", "preview"]);
const NAMES = {
  rendition: "Rendition", sound: "Sound that plays", movie: "Copy that plays", storyboard: "Storyboard", poster: "Poster",
  thumbnail: "Thumbnail", preview: "Preview",
};

const jobs = new Map(); // by id; children are not among them, their parents tell of them
const rows = new Map(); // by id
const drawer = byId("jobs");

const isLive = (job) => !job.finished;
const isPicture = (job) => PICTURES.has(job.kind);
const isListed = (job) => !isPicture(job) || job.state === "failed";

/** The jobs of a title that still go on, and that are worth a word. */
export const liveJobsOf = (title) => [...jobs.values()].filter((job) => job.title === title && isLive(job) && !isPicture(job));

// ---- What is known ---------------------------------------------------------

async function load() {
  try {
    const lists = [];
    for (const [state, limit] of [["running", 100], ["waiting", 100], ["queued", 100], ["failed", ENDED_MAX], ["done", ENDED_MAX]]) {
      lists.push(await getJson(`/api/jobs?state=${state}&limit=${limit}`));
    }
    lists.flatMap((list) => list.jobs).forEach(note);
    listenSince(lists[0].changed); // what has changed since is told again
    explain("");
  } catch (error) {
    explain(error.message);
    setTimeout(load, AGAIN_MS);
  }
  show();
}

function note(job) {
  if (job.parent || jobs.get(job.id)?.changed > job.changed) return;
  jobs.set(job.id, job);
  for (const state of ["done", "failed", "cancelled"]) {
    const ended = [...jobs.values()].filter((other) => other.state === state && isListed(other));
    ended.sort(latest).slice(ENDED_MAX).forEach(({ id }) => jobs.delete(id));
  }
  if (!isLive(job) && !isListed(job)) jobs.delete(job.id);
}

let painting;
onJob((job) => {
  note(job);
  painting ??= requestAnimationFrame(() => { painting = undefined; show(); });
});

const latest = (one, other) => (one.finished < other.finished ? 1 : -1);
const oldest = (one, other) => (one.created < other.created ? -1 : 1);

// ---- What is shown ---------------------------------------------------------

function show() {
  const all = [...jobs.values()];
  const of = (...states) => all.filter((job) => states.includes(job.state));
  const listed = (list) => list.filter(isListed);
  showIndicator(listed(of("running", "waiting")), of("running").some(isPicture));
  if (drawer.open) {
    section("jobs-running", listed(of("running", "waiting")).sort(oldest));
    section("jobs-queued", listed(of("queued")).sort(oldest));
    section("jobs-failed", of("failed").sort(latest));
    section("jobs-done", listed(of("done", "cancelled")).sort(latest));
    const pictures = all.filter((job) => isPicture(job) && isLive(job)).length;
    byId("jobs-pictures").textContent = pictures ? `Posters and previews to be made: ${count.format(pictures)}` : "";
    byId("jobs-none").hidden = listed(all).length > 0 || !byId("jobs-trouble").hidden;
  }
  document.dispatchEvent(new Event("jobs"));
}

function showIndicator(running, makesPictures) {
  const link = byId("jobs-link");
  const mean = running.reduce((sum, job) => sum + job.progress.percent, 0) / running.length;
  byId("jobs-word").textContent = running.length ? `${running.length} running · ${percent(mean)}` : "Jobs";
  link.classList.toggle("busy", running.length > 0 || makesPictures);
}

function section(id, list) {
  byId(id).hidden = !list.length;
  showJobs(byId(id).querySelector("ul"), list);
}

/** Fills a list with jobs. Rows that stay are changed and not made anew, so that focus stays. */
export function showJobs(place, list) {
  const known = new Map([...place.children].map((row) => [row.dataset.id, row]));
  const wanted = list.map((job) => update(known.get(job.id) ?? jobRow(job), job));
  for (const row of [...place.children]) if (!wanted.includes(row)) row.remove();
  wanted.forEach((row, index) => {
    if (place.children[index] !== row) place.insertBefore(row, place.children[index] ?? null);
  });
}

function jobRow(job) {
  const { name } = splitPath(job.title);
  const row = element("li", "job", element("bdi", "job-title", name), element("span", "job-what facts"));
  const bar = element("progress", "");
  bar.max = 100;
  bar.setAttribute("aria-label", `${whatOf(job)}, ${name}`);
  const change = (verb) => async (event) => {
    event.target.disabled = true;
    try {
      note(await post(`/api/jobs/${job.id}/${verb}`));
      show();
    } catch (error) {
      tell(error);
    }
    event.target.disabled = false;
  };
  const cancel = button("Cancel", name, change("cancel"));
  const retry = button("Try again", name, change("retry"));
  cancel.className = retry.className = "small";
  row.append(bar, element("p", "job-error"), element("span", "job-buttons", cancel, retry));
  Object.assign(row, { bar, cancel, retry });
  row.dataset.id = job.id;
  return row;
}

function whatOf({ kind, make }) {
  const lines = make?.rendition?.rung?.lines;
  return [NAMES[kind] ?? kind, lines && `${lines}p`].filter(Boolean).join(" ");
}

function update(row, job) {
  const { stage, note, percent: done } = job.progress;
  row.dataset.state = job.state;
  const isRunning = job.state === "running" || job.state === "waiting";
  const states = {
    queued: job.attempts ? "waits for another attempt" : "waits for its turn",
    running: percent(done), waiting: percent(done),
    done: `done ${ago(job.finished)}`, cancelled: `cancelled ${ago(job.finished)}`, failed: `failed ${ago(job.finished)}`,
  };
  const state = job.cancelling && isLive(job) ? "is being cancelled" : states[job.state];
  showFacts(row.querySelector(".job-what"), [whatOf(job), state, isRunning && stage, isRunning && note]);
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

// ---- What is in the way ----------------------------------------------------

function explain(text) {
  byId("jobs-trouble-text").textContent = text;
  byId("jobs-trouble").hidden = !text;
}

/** Says why something was not changed; asks for the token where that is what is missing. */
export function tell(error) {
  location.hash = "jobs";
  open();
  const needsToken = error instanceof Refused && error.status === 401;
  byId("token-form").hidden = !needsToken;
  explain(needsToken ? "Changes need this server's token." : error.message);
  if (needsToken) byId("token").focus();
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  rememberToken(byId("token").value.trim());
  byId("token").value = "";
  byId("token-form").hidden = true;
  explain("");
});

/** Who makes it, and what is missing for that. */
async function showStatus() {
  const status = await getJson("/api/status").catch(() => null);
  if (!status) return;
  byId("worker").textContent = status.lacks ? `Nothing can be made: ${status.lacks}` : `Worker: ${status.worker}`;
  byId("worker").classList.toggle("lacks", Boolean(status.lacks));
}

// ---- Opening and closing: /#jobs is its address ----------------------------

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
  if (location.hash === "#jobs") history.replaceState(history.state, "", location.pathname);
});
// A click beside it closes it. What is inside fills it, so that its own ground is what lies beside.
drawer.addEventListener("click", (event) => event.target === drawer && drawer.close());
byId("jobs-close").addEventListener("click", () => drawer.close());
window.addEventListener("hashchange", followHash);
load();
followHash();
