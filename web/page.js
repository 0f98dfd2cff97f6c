// The page: addresses, links and keys.

import { load, markCurrent } from "./library.js";
import { pathIn, stop, watch } from "./player.js";
import { byId } from "./words.js";

const list = byId("titles");
const search = byId("search");

let here = null; // the current path: a new hash alone changes nothing

/** Shows the title of the address bar, or the library. */
function route({ play = false } = {}) {
  here = location.pathname;
  const path = pathIn(location);
  document.body.classList.toggle("watching", path !== "");
  byId("hint").hidden = path !== "";
  byId("player").hidden = path === "";
  markCurrent();
  if (path) {
    watch(path, { play });
    byId("player").scrollIntoView({ block: "nearest" });
  } else {
    stop();
    document.title = "Headwater";
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.title, a.wordmark");
  const opensNewTab = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!link || opensNewTab) return; // left to the browser
  event.preventDefault();
  if (link.pathname !== location.pathname) history.pushState(null, "", link.pathname);
  route({ play: true });
});

window.addEventListener("popstate", () => location.pathname === here || route());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("jobs").open) return;
  const focused = document.activeElement;
  if (event.key === "/" && focused !== search) {
    event.preventDefault();
    search.select();
    return;
  }

  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(focused); // -1: in the search box, above the first row
  if (at === -1 && focused !== search) return;
  const inList = (link) => (at === -1 ? undefined : link);
  const before = at === 0 ? search : links[at - 1];
  const target = {
    ArrowDown: links[at + 1], ArrowRight: inList(links[at + 1]),
    ArrowUp: before, ArrowLeft: inList(before),
    Home: inList(links.at(0)), End: inList(links.at(-1)),
  }[event.key];
  if (target) {
    event.preventDefault();
    target.focus();
  }
});

route();
load();
