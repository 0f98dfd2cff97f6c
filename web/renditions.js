// Renditions: the form by which a title is encoded in further qualities.

import { tell } from "./jobs.js";
import { post } from "./server.js";
import { byId, element } from "./words.js";

const HEIGHTS = [2160, 1440, 1080, 720, 480, 360, 240];

let title = null;

/** Offers what a title of this height can be encoded as: what is lower, and not among its `own` by now. */
export function offer(path, height, own) {
  title = path;
  const lower = HEIGHTS.filter((lines) => lines < height && !own.includes(lines));
  if (HEIGHTS.includes(height)) lower.unshift(height); // as it is, for browsers that cannot decode that
  byId("renditions").hidden = !lower.length;
  byId("renditions").open = false;
  byId("heights").replaceChildren(...lower.map((lines) => {
    const box = element("input", "");
    Object.assign(box, { type: "checkbox", name: "height", value: lines });
    return element("label", "choice", box, `${lines}p`);
  }));
  follow();
}

const chosen = () => [...byId("heights").querySelectorAll("input:checked")].map(({ value }) => Number(value));

function follow() {
  byId("renditions-make").disabled = !chosen().length;
}

byId("heights").addEventListener("change", follow);

byId("renditions-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("renditions-make").disabled = true;
  try {
    for (const height of chosen()) await post("/api/jobs", { kind: "rendition", title, height, codec: "h264" });
    byId("renditions").open = false;
    for (const box of byId("heights").querySelectorAll("input")) box.checked = false;
  } catch (error) {
    tell(error);
  }
  follow();
});
