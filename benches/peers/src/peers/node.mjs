// What a tutorial's video server looks like in Node.js: a stream from the file piped into the
// answer, one range at most. Arguments: the folder with the media files, and the workers.

import cluster from "node:cluster";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { pipeline } from "node:stream";

const [folder, workers] = [process.argv[2], Number(process.argv[3])];

async function answer(request, response) {
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

function serve() {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.writeHead(404).end());
  });
  // Like the other peers: connections stay, and many may come at once.
  server.keepAliveTimeout = 600_000;
  server.requestTimeout = 0;
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
    console.log(`http://127.0.0.1:${server.address().port}/`);
  });
}

if (workers > 1 && cluster.isPrimary) {
  // All get the same port.
  for (let count = 0; count < workers; count++) cluster.fork();
} else {
  serve();
}
