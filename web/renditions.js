// Renditions: the form that starts jobs for further heights of a title.

import { showRequestError } from "./jobs.js";
import { post } from "./server.js";
import { byId, element } from "./words.js";

const HEIGHTS = [2160, 1440, 1080, 720, 480, 360, 240];

let title = null;

/** Offers the usual heights up to the title's `height`, without those that it already has (`existing`). */
export function offerHeights(path, height, existing) {
  title = path;
  const offered = HEIGHTS.filter((lower) => lower < height && !existing.includes(lower));
  if (HEIGHTS.includes(height)) offered.unshift(height); // the same height, for browsers that cannot decode the original
  byId("renditions").hidden = !offered.length;
  byId("renditions").open = false;
  byId("heights").replaceChildren(...offered.map((value) => {
    const box = element("input", "");
    Object.assign(box, { type: "checkbox", name: "height", value });
    return element("label", "choice", box, `${value}p`);
  }));
  updateButton();
}

const chosen = () => [...byId("heights").querySelectorAll("input:checked")].map(({ value }) => Number(value));

function updateButton() {
  byId("renditions-start").disabled = !chosen().length;
}

byId("heights").addEventListener("change", updateButton);

byId("renditions-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("renditions-start").disabled = true;
  const path = title; // the page may show another title before the server has responded
  try {
    for (const height of chosen()) await post("/api/jobs", { kind: "rendition", title: path, height, codec: "h264" });
    if (path !== title) return;
    byId("renditions").open = false;
    for (const box of byId("heights").querySelectorAll("input")) box.checked = false;
  } catch (error) {
    showRequestError(error);
  }
  updateButton();
});
