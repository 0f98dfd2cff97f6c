// A tutorial's video server in Node.js: a stream from the file piped into the response, one range at
// most. Argument: the folder with the media files.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { pipeline } from "node:stream";

const folder = process.argv[2];

async function respond(request, response) {
  const path = join(folder, basename(request.url));
  const { size } = await stat(path);
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const start = range ? Number(range[1]) : 0;
  const end = range ? Math.min(Number(range[2]), size - 1) : size - 1;
  response.writeHead(range ? 206 : 200, {
    "Content-Type": "video/mp4",
    "Accept-Ranges": "bytes",
    "Content-Length": end - start + 1,
    ...(range && { "Content-Range": `bytes ${start}-${end}/${size}` }),
  });
  pipeline(createReadStream(path, { start, end }), response, () => {});
}

const server = createServer((request, response) => {
  respond(request, response).catch(() => response.writeHead(404).end());
});
// Like the other peers: persistent connections, and a long backlog.
server.keepAliveTimeout = 600_000;
server.requestTimeout = 0;
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
