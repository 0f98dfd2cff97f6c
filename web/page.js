// The page: the library as a list of links, and one player.
//
// Names come from file systems and are hostile: they reach the document as text
// nodes, never as markup. Addresses come ready from the server and are used as
// given, since only it knows how a name that is not UTF-8 is written in a URL.

const PAGE_SIZE = 100;
const SCAN_POLL_MS = 2000;
const TYPING_PAUSE_MS = 150;

const WATCH = "/watch/";
const MEDIA = "/media/";
const MADE = "/v/";

/** Files of which the server makes an MP4 that begins to play at once, wherever their index is. */
const PACKAGED = /\.(mp4|m4v|m4a|mov)$/i;

const byId = (id) => document.getElementById(id);
const list = byId("titles");
const search = byId("search");
const video = byId("video");

// ---- Words -----------------------------------------------------------------

const count = new Intl.NumberFormat();
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

function sizeText(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  let step = 0;
  for (; bytes >= 1000 && step < units.length - 1; step++) bytes /= 1000;
  const maximumFractionDigits = bytes < 10 ? 1 : 0;
  return new Intl.NumberFormat(undefined, {
    style: "unit", unit: units[step], unitDisplay: step ? "short" : "long", maximumFractionDigits,
  }).format(bytes);
}

/** The readable form of a percent-encoded path; as it stands if that is not UTF-8. */
function decoded(urlPath) {
  try {
    return decodeURIComponent(urlPath);
  } catch {
    return urlPath;
  }
}

/** "Été/Horloge.mp4" is "Horloge.mp4" in the folder "Été". */
function splitPath(path) {
  const slash = path.lastIndexOf("/");
  return { folder: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1) };
}

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children); // strings become text nodes
  return node;
}

/** Fills a line with facts, skipping those not known; each apart from the next, whatever its script. */
function showFacts(line, facts) {
  line.replaceChildren(...facts.filter(Boolean).map((fact) => element("bdi", "fact", fact)));
  return line;
}

// ---- The list --------------------------------------------------------------

let listing = new AbortController(); // the listing under way: a newer one ends it
let scanPoll;
let shown = []; // the titles in the list
let next = null; // where the titles after them are found

const firstPage = () =>
  `/api/titles?${new URLSearchParams({ search: search.value.trim(), sort: "path", offset: 0, limit: PAGE_SIZE })}`;

async function getJson(url, signal) {
  const response = await fetch(url, { signal }).catch((error) => {
    throw signal.aborted ? error : new Error("The server cannot be reached.");
  });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({})); // RFC 9457, if the server got so far
  throw new Error(problem.detail ?? problem.title ?? `The server answered ${response.status}.`);
}

/** Lists the titles from `from` on behind those in `kept`, page by page until there are `atLeast`. */
async function load({ from = firstPage(), kept = [], atLeast = 0 } = {}) {
  listing.abort();
  clearTimeout(scanPoll);
  listing = new AbortController();
  const { signal } = listing;
  try {
    let titles = kept;
    let page;
    do {
      page = await getJson(from, signal);
      titles = titles.concat(page.titles);
      from = page.next;
    } while (from && titles.length < atLeast);
    showListing(titles, page);
    if (page.scanning) scanPoll = setTimeout(refresh, SCAN_POLL_MS);
  } catch (error) {
    if (!signal.aborted) showListingTrouble(error.message);
  }
}

/** Lists anew without taking away what "Show more" has brought. */
const refresh = () => load({ atLeast: shown.length });

function showListing(titles, page) {
  shown = titles;
  next = page.next;
  const searched = search.value.trim() !== "";
  const noun = page.total === 1 ? "title" : "titles";
  byId("count").textContent =
    `${page.scanning ? "scanning… " : ""}${count.format(page.total)} ${noun}${searched ? " found" : ""}`;
  byId("listing-trouble").hidden = true;
  byId("empty").hidden = page.total > 0 || searched || page.scanning;
  byId("no-match").hidden = page.total > 0 || !searched;
  byId("more").hidden = !next;
  showRows(titles);
  markCurrent();
}

function showListingTrouble(text) {
  byId("listing-trouble-text").textContent = text;
  byId("listing-trouble").hidden = false;
}

/** Rows that stay are not moved, so that focus and scrolling survive a refresh. */
function showRows(titles) {
  const keyOf = (title) => `${title.href} ${title.version}`;
  const wanted = new Set(titles.map(keyOf));
  const rows = new Map();
  for (const row of [...list.children]) {
    if (wanted.has(row.dataset.key)) rows.set(row.dataset.key, row);
    else row.remove();
  }
  titles.forEach((title, index) => {
    const row = rows.get(keyOf(title)) ?? titleRow(title, keyOf(title));
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
}

function titleRow(title, key) {
  const { folder, name } = splitPath(title.path);
  const facts = [folder, sizeText(title.size_bytes), date.format(new Date(title.modified))];
  const link = element("a", "title", element("bdi", "name", name), showFacts(element("span", "facts"), facts));
  link.href = WATCH + title.href.slice(MEDIA.length);
  const row = element("li", "", link);
  row.dataset.key = key;
  return row;
}

/** Marks the row of the title being watched, however its address was spelled. */
function markCurrent() {
  const here = decoded(location.pathname);
  for (const link of list.querySelectorAll("a")) {
    if (decoded(link.pathname) === here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

let typing;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(load, TYPING_PAUSE_MS);
});
byId("clear-search").addEventListener("click", () => {
  search.value = "";
  search.focus();
  load();
});
byId("more").addEventListener("click", () => load({ from: next, kept: shown }));
byId("listing-retry").addEventListener("click", refresh);

// ---- The player ------------------------------------------------------------

/** What plays: its address, the promised answer to HEAD, and where else it can be had if that fails. */
let watched = null;

/** Shows what the address bar names. */
function route({ play = false } = {}) {
  const watching = location.pathname.startsWith(WATCH) && location.pathname !== WATCH;
  byId("hint").hidden = watching;
  byId("player").hidden = !watching;
  byId("trouble").hidden = true;
  byId("download").hidden = false;
  video.hidden = false;
  markCurrent();

  if (!watching) {
    watched = null;
    document.title = "Headwater";
    video.removeAttribute("src");
    video.load(); // lets go of the connection
    return;
  }

  const path = location.pathname.slice(WATCH.length);
  const href = MEDIA + path;
  const isPackaged = PACKAGED.test(path);
  const { folder, name } = splitPath(decoded(href.slice(MEDIA.length)));
  watched = { href, head: fetch(href, { method: "HEAD" }).catch(() => null), others: isPackaged ? [href] : [] };
  document.title = `${name} · Headwater`;
  byId("name").textContent = name;
  byId("download").href = href;
  byId("packaged").hidden = !isPackaged;
  byId("hls").href = `${MADE}${path}/index.m3u8`;
  byId("dash").href = `${MADE}${path}/manifest.mpd`;
  byId("inspect").href = `${MADE}${path}/inspect`;
  showFacts(byId("facts"), [folder]);
  describe(watched, folder);

  video.src = isPackaged ? `${MADE}${path}/play.mp4` : href;
  // A refusal to play unasked is the browser's right; a failure raises "error".
  if (play) video.play().catch(() => {});
  byId("player").scrollIntoView({ block: "nearest" });
}

/** Asks the file itself: unlike the list, it knows titles that are not in the page shown. */
async function describe(title, folder) {
  const head = await title.head;
  if (title !== watched || !head?.ok) return;
  const size = Number(head.headers.get("content-length"));
  const modified = head.headers.get("last-modified");
  const type = head.headers.get("content-type");
  showFacts(byId("facts"), [folder, type, size && sizeText(size), modified && date.format(new Date(modified))]);
}

video.addEventListener("error", async () => {
  const title = watched;
  const code = video.error?.code;
  if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED && title?.others.length) {
    video.src = title.others.shift(); // as it is, if nothing could be made of it
    return;
  }
  const head = await title?.head;
  if (!title || title !== watched) return; // another was chosen meanwhile

  let text = "This browser cannot decode this video. Download it and open it in a player of your own.";
  if (code === MediaError.MEDIA_ERR_NETWORK) text = "The connection broke off.";
  else if (!head) text = "The server cannot be reached.";
  else if (head.status === 404) text = "This title is not in the library, or not any more.";
  else if (!head.ok) text = `The server answered ${head.status}.`;
  byId("trouble-text").textContent = text;
  byId("download").hidden = head?.status === 404;
  video.hidden = code !== MediaError.MEDIA_ERR_NETWORK; // a picture that stopped is worth keeping
  byId("trouble").hidden = false;
});

byId("trouble-retry").addEventListener("click", () => {
  const { currentTime } = video;
  route({ play: true });
  video.currentTime = currentTime; // go on where it broke off
});

// ---- Moving about ----------------------------------------------------------

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.title, a.wordmark");
  const elsewhere = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!link || elsewhere) return; // a new tab or window is the browser's matter
  event.preventDefault();
  if (link.pathname !== location.pathname) history.pushState(null, "", link.pathname);
  route({ play: true });
});

window.addEventListener("popstate", () => route());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const focused = document.activeElement;
  if (event.key === "/" && focused !== search) {
    event.preventDefault();
    search.select();
    return;
  }

  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(focused); // -1 in the search box: the row above the first
  if (at === -1 && focused !== search) return;
  const target = {
    ArrowDown: links[at + 1],
    ArrowUp: at === 0 ? search : links[at - 1],
    Home: at === -1 ? undefined : links.at(0),
    End: at === -1 ? undefined : links.at(-1),
  }[event.key];
  if (target) {
    event.preventDefault();
    target.focus();
  }
});

route();
load();
