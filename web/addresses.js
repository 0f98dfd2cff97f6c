// Addresses of the page, and of the server's views.
//
// The page uses the server's addresses unchanged where it has them: only the server knows the encoding of a name
// that is not UTF-8.

import { decoded } from "./words.js";

const WATCH = "/watch/";
const LIBRARY = "/library/";
const VIEWS = "/v/";

/** Encodes a path as the server does, so that equal paths have equal addresses. */
export const encodePath = (path) => path.split("/").map(encodeURIComponent).join("/")
  .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/** The watch page of a title of the list. */
export const watchHref = ({ views }) => WATCH + views.slice(VIEWS.length, -1);

/** The watch page of a title by its decoded path. */
export const watchPathHref = (path) => WATCH + encodePath(path);

/** The page of a folder by its decoded path; "" is the top. */
export const folderHref = (path) => (path ? `${LIBRARY}${encodePath(path)}/` : "/");

/** Where all views of a title begin; `title` is its path, percent-encoded. */
export const viewsOf = (title) => `${VIEWS}${title}/`;

/** A path in the server's encoding, from any spelling of it. */
function canonical(path) {
  try {
    return encodePath(decodeURIComponent(path));
  } catch {
    return path; // not UTF-8: only the server's own spelling leads to it
  }
}

/**
 * What an address shows: a title of a folder, or a folder. Paths are percent-encoded.
 *
 * @returns {{ title: string | null, folder: string, search: string }}
 */
export function parse({ pathname, search }) {
  if (pathname.startsWith(WATCH) && pathname.length > WATCH.length) {
    const title = canonical(pathname.slice(WATCH.length));
    return { title, folder: title.slice(0, Math.max(title.lastIndexOf("/"), 0)), search: "" };
  }
  const folder = pathname.startsWith(LIBRARY) ? canonical(pathname.slice(LIBRARY.length).replace(/\/+$/, "")) : "";
  return { title: null, folder, search: new URLSearchParams(search).get("search")?.trim() ?? "" };
}

/** The folders above a folder, from the top: name and address. */
export function foldersAbove(folder) {
  const names = folder === "" ? [] : folder.split("/");
  return names.map((name, index) => {
    return { name: decoded(name), href: `${LIBRARY}${names.slice(0, index + 1).join("/")}/` };
  });
}
