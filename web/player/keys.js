// Keys, the same as on YouTube. A focused field, slider, menu or list keeps those that it needs.

/**
 * A key or a group of keys, and what it does. `shown` is how the list of keys names it.
 * @typedef {object} Binding
 * @property {string[]} keys
 * @property {string} shown
 * @property {string} label
 * @property {(key: string) => void} run
 */

const FIELDS = "input:not([type=range], [type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select, [contenteditable]";
const LISTS = "nav, [role=listbox], [role=grid], [role=list], [role=menu], [role=tablist], [role=radiogroup]";
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

/**
 * Listens to the keys of the page or of an element, until the signal ends.
 * @param {Document | HTMLElement} target
 * @param {Binding[]} bindings
 * @param {(run: () => void) => boolean} press  Runs a binding, unless there is nothing to play.
 * @param {AbortSignal} signal
 */
export function listenToKeys(target, bindings, press, signal) {
  target.addEventListener("keydown", (event) => {
    const pressed = /** @type {KeyboardEvent} */ (event);
    if (pressed.defaultPrevented || pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
    const key = pressed.key.length === 1 ? pressed.key.toLowerCase() : pressed.key;
    const binding = bindings.find(({ keys }) => keys.includes(key));
    if (!binding || belongsTo(/** @type {Element} */ (pressed.target), key)) return;
    if (press(() => binding.run(key))) pressed.preventDefault();
  }, { signal });
}

/**
 * Whether the focused element uses a key itself.
 * @param {Element} focused
 * @param {string} key
 */
function belongsTo(focused, key) {
  if (document.querySelector("dialog:modal")) return true;
  if (!(focused instanceof Element)) return false;
  if (focused.closest(FIELDS)) return true;
  if (key === " ") return focused.matches("a, button, summary, input, [role=button]");
  if (!MOVES.includes(key)) return false;
  return focused.matches("input, video[controls]") || focused.closest(LISTS) !== null;
}
