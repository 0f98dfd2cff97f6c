// Memory: positions in titles, and preferences. They stay in this browser (localStorage), and without storage the
// page works the same and forgets.

const POSITIONS = "headwater-positions";
const PREFERENCES = "headwater-preferences";
const POSITIONS_MAX = 200;

/** Positions that mean nothing: the viewer only looked in, or has seen the whole title. */
const START_S = 20;
const END_PART = 0.95;

/**
 * @typedef {object} Position
 * @property {string} path the title's path, decoded, as in the list
 * @property {number} at_s
 * @property {number} duration_s
 * @property {number} when milliseconds since 1970
 * @property {boolean} [is_gone] whether the title was not in the library the last time
 */

/** Whatever the storage holds, other versions of this page and people may have written it. */
function read(key, isValid, otherwise) {
  try {
    const value = JSON.parse(localStorage.getItem(key) ?? "null");
    return isValid(value) ? value : otherwise;
  } catch {
    return otherwise; // storage is refused, or this is no JSON
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is refused or full.
  }
}

// ---- Positions -------------------------------------------------------------

const isPosition = (value) => typeof value?.path === "string" &&
  [value.at_s, value.duration_s, value.when].every(Number.isFinite);

/** @returns {Position[]} the positions to resume at, the newest first */
export const positions = () => read(POSITIONS, Array.isArray, []).filter(isPosition);

/** @param {string} path @returns {Position | undefined} */
export const positionOf = (path) => positions().find((position) => position.path === path);

/**
 * Remembers a position, unless the title has only begun or is almost over.
 *
 * @param {string} path @param {number} at_s @param {number} duration_s
 */
export function rememberPosition(path, at_s, duration_s) {
  if (!Number.isFinite(duration_s) || duration_s <= 0) return;
  const others = positions().filter((position) => position.path !== path);
  const isWithin = at_s >= START_S && at_s <= END_PART * duration_s;
  const kept = isWithin ? [{ path, at_s, duration_s, when: Date.now() }, ...others] : others;
  write(POSITIONS, kept.slice(0, POSITIONS_MAX));
}

/**
 * Notes which titles of some paths are in the library. Those of others keep their positions: a disk may come back.
 *
 * @param {string[]} paths @param {Set<string>} existing
 */
export function notePresence(paths, existing) {
  const noted = positions().map((position) => {
    const { is_gone, ...rest } = position;
    if (!paths.includes(position.path)) return position;
    return existing.has(position.path) ? rest : { ...rest, is_gone: true };
  });
  write(POSITIONS, noted);
}

/** @param {string} path */
export function forgetPosition(path) {
  write(POSITIONS, positions().filter((position) => position.path !== path));
}

// ---- Preferences -----------------------------------------------------------

const preferences = () => read(PREFERENCES, (value) => value !== null && typeof value === "object" && !Array.isArray(value), {});

/** @param {string} name @returns {any} undefined if it was never set */
export const preference = (name) => preferences()[name];

/** @param {string} name @param {unknown} value */
export const setPreference = (name, value) => write(PREFERENCES, { ...preferences(), [name]: value });
