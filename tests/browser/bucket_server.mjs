// A bucket for the tests: moto, the S3 server of the Rust tests, behind a proxy that can refuse everything.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "./site.mjs";

const NAME = "films";

/** Serves, prints its port, and ends when its input ends: with the tests, however they end. */
const SCRIPT = `
import logging, sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger('werkzeug').setLevel(logging.ERROR)
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
`;

/** moto takes every signature, but wants one. */
const SIGNED = { Authorization: "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0" };

/** A bucket with these objects: keys and files. Nothing of it responds while `isAway`. */
export async function startBucket(objects) {
  const python = path.join(ROOT, "target/bucket/bin/python");
  assert.ok(fs.existsSync(python), "moto is missing: run scripts/setup test");
  const moto = spawn(python, ["-c", SCRIPT], { stdio: ["pipe", "pipe", "ignore"] });
  const [port] = await once(createInterface({ input: moto.stdout }), "line");
  const put = (target, body) => fetch(`http://127.0.0.1:${port}/${target}`, { method: "PUT", headers: SIGNED, body });
  await put(NAME);
  for (const [key, file] of objects) assert.ok((await put(`${NAME}/${key}`, fs.readFileSync(file))).ok);

  const bucket = { isAway: false, name: NAME, endpoint: "", stop: () => {} };
  const proxy = createServer((request, response) => {
    if (bucket.isAway) return response.writeHead(503, { "Content-Length": 0 }).end();
    const { method, url, headers } = request;
    const forwarded = httpRequest({ port, host: "127.0.0.1", method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  bucket.endpoint = `http://127.0.0.1:${proxy.address().port}`;
  bucket.stop = () => {
    proxy.closeAllConnections();
    proxy.close();
    moto.stdin.end();
  };
  return bucket;
}
