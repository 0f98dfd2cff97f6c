// The page: addresses, links and keys.

import { parse } from "./addresses.js";
import "./jobs.js";
import { showLibrary } from "./library.js";
import { byId } from "./words.js";

const SCROLL_PAUSE_MS = 150;

/** Links that this document follows without loading another one. */
const OWN = /^\/(?:$|watch\/|library\/)/;

const search = byId("search");

history.scrollRestoration = "manual"; // the list has its height only when the server has responded

let here = null; // the current address: a new hash alone changes nothing
let watching = null; // the module of the watch page, once loaded
let isRestoring = false;

/** Shows what the address bar says, from a scroll position; `null` keeps the one that is. */
async function route({ play = false, scroll_y = 0 } = {}) {
  here = location.pathname + location.search;
  const place = parse(location);
  isRestoring = true;
  document.body.classList.toggle("watching", place.title !== null);
  if (!place.title) watching?.close();
  await Promise.all([showLibrary(place), place.title && openTitle(place.title, play)]);
  if (here !== location.pathname + location.search) return;
  if (scroll_y !== null) scrollTo(0, scroll_y);
  isRestoring = false;
  rememberScroll();
  if (place.title) watching?.showNext();
}

async function openTitle(title, play) {
  try {
    watching ??= await import("./watch.js");
  } catch {
    return location.reload(); // the server is away: the browser says so, and loads the title when it is back
  }
  if (parse(location).title === title) watching.open(title, { play });
}

/** Goes to another address of this page. */
function go(url, options) {
  rememberScroll();
  if (url !== location.pathname + location.search) history.pushState(null, "", url);
  route(options);
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? /** @type {HTMLAnchorElement | null} */ (event.target.closest("a[href]")) : null;
  const opensNewTab = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!link || opensNewTab || link.origin !== location.origin || link.hash || !OWN.test(link.pathname)) return; // left to the browser
  event.preventDefault();
  go(link.pathname + link.search, { play: true });
});

window.addEventListener("popstate", ({ state }) => {
  if (location.pathname + location.search !== here) route({ scroll_y: state?.scroll_y ?? 0 });
});

// ---- The scroll position of each entry of the history ------------------------

function rememberScroll() {
  clearTimeout(scrollTimer);
  if (!isRestoring) history.replaceState({ ...history.state, scroll_y: scrollY }, "");
}

let scrollTimer;
document.addEventListener("scroll", () => {
  clearTimeout(scrollTimer);
  scrollTimer = setTimeout(rememberScroll, SCROLL_PAUSE_MS);
}, { passive: true });
window.addEventListener("pagehide", rememberScroll);

// ---- Keys --------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.key !== "/" || byId("jobs").open) return;
  if (document.activeElement.matches("input:not([type=range], [type=checkbox]), select, textarea")) return;
  event.preventDefault();
  search.select();
});

// A viewer may have scrolled through the cards that the server wrote.
route({ scroll_y: history.state?.scroll_y ?? null });

// The player is ready before the viewer chooses a title.
const whenIdle = window.requestIdleCallback ?? ((call) => setTimeout(call, 1000));
whenIdle(() => import("./watch.js").catch(() => {})); // else when it is needed
