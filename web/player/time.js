// Times in addresses: `#t=83`, `#t=83.5`, `#t=1m23s`, `#t=1:23` and `?t=…` (Media Fragments URI 1.0, and what people
// know from YouTube).

const UNITS = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/;
const CLOCK = /^(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$/;

/**
 * The seconds of a time in an address; null if it is none.
 *
 * @param {string | null | undefined} text
 * @returns {number | null}
 */
export function parseTime(text) {
  const match = text ? text.trim().match(CLOCK) ?? text.trim().match(UNITS) : null;
  if (!match) return null;
  const [hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return 3600 * hours + 60 * minutes + seconds;
}

/**
 * The time in an address, in its fragment or in its query; null if there is none.
 *
 * @param {{ hash: string, search: string }} address
 * @returns {number | null}
 */
export const timeIn = ({ hash, search }) =>
  parseTime(new URLSearchParams(hash.replace(/^#/, "")).get("t") ?? new URLSearchParams(search).get("t"));
