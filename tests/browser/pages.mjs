// The web server of the players' page. It has an origin of its own, so each test of a player covers CORS too.

import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:http";
import * as path from "node:path";

/** The files of the players' origin. */
const PAGES = {
  "/": "player/index.html",
  "/stage.js": "player/stage.js",
  "/players/hls.js": "node_modules/hls.js/dist/hls.min.js",
  "/players/shaka-player": "node_modules/shaka-player/dist/shaka-player.compiled.js",
  "/players/dash.js": "node_modules/dashjs/dist/modern/umd/dash.all.min.js",
};

/**
 * Serves PAGES. Playwright's routes are unsuitable: with any route, playwright responds to CORS preflights
 * itself and disables the browser's cache.
 */
export async function startPages() {
  const types = { ".js": "text/javascript", ".html": "text/html" };
  const server = createServer((request, response) => {
    const file = PAGES[request.url];
    if (!file) return response.writeHead(404).end();
    response.setHeader("Content-Type", types[path.extname(file)]);
    fs.createReadStream(path.join(import.meta.dirname, file)).pipe(response);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { server, url: `http://127.0.0.1:${server.address().port}/` };
}
