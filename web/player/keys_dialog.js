// The list of keys.

import { element } from "../words.js";
import { iconButton } from "./icons.js";

/** @typedef {import("./keys.js").Binding} Binding */

/**
 * A dialog that lists keys.
 * @param {Binding[]} bindings
 */
export function keysDialog(bindings) {
  const heading = element("h2", "", "Keys");
  heading.id = "player-keys-heading";
  const close = iconButton("close", "Close", () => dialog.close());
  const rows = bindings.map(({ shown, label }) => {
    const keys = shown.split(" ").map((key) => element("kbd", "", key));
    return element("div", "", element("dt", "", ...keys.flatMap((key) => [key, " "])), element("dd", "", label));
  });
  const dialog = /** @type {HTMLDialogElement} */ (
    element("dialog", "player-keys", element("div", "head", heading, close), element("dl", "", ...rows))
  );
  dialog.setAttribute("aria-labelledby", heading.id);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside it
  return dialog;
}
