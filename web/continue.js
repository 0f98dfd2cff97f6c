// "Continue watching": the titles that this browser has begun, and how far.

import { encodePath, viewsOf, watchPathHref } from "./addresses.js";
import { POSTER } from "./cards.js";
import { forgetPosition, positions } from "./memory.js";
import { dropPoster, showPoster } from "./posters.js";
import { byId, button, clock, element, isAudioPath, nameOf, showFacts, splitPath } from "./words.js";

const CARDS_MAX = 12;

const list = byId("positions");

/** Shows the begun titles at the top of the library, and nowhere else. */
export function showPositions({ isHome }) {
  const shown = isHome ? positions().slice(0, CARDS_MAX) : [];
  for (const poster of list.querySelectorAll(".poster")) dropPoster(poster);
  list.replaceChildren(...shown.map(positionCard));
  document.body.classList.toggle("begun", shown.length > 0);
}

function positionCard({ path, at_s, duration_s }) {
  const name = nameOf({ path });
  const { folder } = splitPath(path);
  const bar = element("span", "watched");
  bar.style.setProperty("--part", String(at_s / duration_s));
  const poster = element("span", "poster", bar, element("span", "length", `${clock(duration_s - at_s)} left`));
  const facts = showFacts(element("span", "facts"), [folder.slice(folder.lastIndexOf("/") + 1)]);
  const link = element("a", "title", poster, element("span", "words", element("bdi", "name", name), facts));
  link.setAttribute("href", watchPathHref(path));
  link.title = name;
  if (isAudioPath(path)) poster.classList.add("audio");
  else showPoster(poster, viewsOf(encodePath(path)) + POSTER, path);
  const forget = button("×", null, () => {
    forgetPosition(path);
    const next = item.nextElementSibling ?? item.previousElementSibling;
    dropPoster(poster);
    item.remove();
    document.body.classList.toggle("begun", list.children.length > 0);
    (next?.querySelector("button") ?? byId("titles")).focus();
  });
  forget.className = "forget";
  forget.setAttribute("aria-label", `Remove from Continue watching: ${name}`);
  const item = element("li", "", link, forget);
  return item;
}
