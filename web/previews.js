// Moving previews: a card that the pointer or the focus rests on shows some seconds of its title.

import { whenRendered } from "./server.js";

/** How long the pointer rests before a preview is requested: each is a job of the server. */
const REST_MS = 300;
const PREVIEW = "preview.webp?width=320&wait=0";

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

/** Shows previews in the cards of a list. */
export function movePreviews(list) {
  let current = null; // the card's link, with the controller that ends its preview

  const end = () => {
    current?.controller.abort();
    current?.image?.remove();
    current = null;
  };

  const begin = (link) => {
    if (current?.link === link) return;
    end();
    const title = link?.parentElement.entry?.title;
    // Files that the server cannot read itself have posters only.
    if (title?.kind !== "video" || title.width === null || stillness.matches) return;
    current = { link, controller: new AbortController(), image: null };
    move(current, title);
  };

  const cardOf = (target) => (target instanceof Element ? target.closest("a.title") : null);
  list.addEventListener("pointerover", ({ target, pointerType }) => pointerType === "mouse" && begin(cardOf(target)));
  list.addEventListener("pointerleave", end);
  list.addEventListener("focusin", ({ target }) => target.matches(":focus-visible") && begin(cardOf(target)));
  list.addEventListener("focusout", end);
}

async function move(preview, title) {
  const { signal } = preview.controller;
  try {
    await rest(signal);
    const url = title.views + PREVIEW;
    await whenRendered(url, title.path, signal);
    const image = new Image();
    Object.assign(image, { alt: "", className: "moving", src: url });
    await image.decode();
    if (signal.aborted) return;
    preview.image = image;
    preview.link.querySelector(".poster").append(image);
  } catch {
    // The poster stays.
  }
}

const rest = (signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, REST_MS);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(signal.reason);
  });
});
