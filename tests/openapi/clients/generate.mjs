// Generates TypeScript clients from the description, by three generators, and compiles a small program on top
// of each: `node clients/generate.mjs`.

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const description = fileURLToPath(new URL("../../../src/http/routes/openapi.json", import.meta.url));
const into = (name) => `${here}generated/${name}`;

/** Runs a program of node_modules; its output shows only if it fails. */
function run(program, ...options) {
  try {
    execFileSync(`${here}../node_modules/.bin/${program}`, options, { cwd: here, encoding: "utf8", stdio: "pipe" });
  } catch (failure) {
    console.error(`${program}: ${failure.stdout}${failure.stderr}`);
    process.exit(1);
  }
}

rmSync(into(""), { recursive: true, force: true });
mkdirSync(into(""));
// By default it takes a member with a default for one that requests must have.
run("openapi-typescript", description, "--default-non-nullable", "false", "--output", `${into("openapi-typescript")}/api.ts`);
run("openapi-ts", "--input", description, "--output", into("hey-api"), "--silent");
run("swagger-typescript-api", "generate", "--path", description, "--output", into("swagger-typescript-api"), "--name", "api.ts");
run("tsc", "--project", here);
console.log("openapi-typescript, @hey-api/openapi-ts, swagger-typescript-api: clients compile");
