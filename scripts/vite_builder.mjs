// Builds the pages of .web as often as it is asked to: for `make dev`, where starting Node.js and Vite anew would
// take longer than the build. Answers each line of its input with one line: the error as JSON, empty if none.
import { createRequire, registerHooks } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// Vite is installed where we were started, in .web, not beside this file.
const vite = createRequire(`${process.cwd()}/package.json`).resolve("vite");
const { createBuilder } = await import(pathToFileURL(vite));
console.log = console.error; // the output is for the answers

// React Router renders the pages with a script that it has built, under the same name each time. Node.js would
// not read it again: it keeps modules by their address.
let builds = 0;
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return found.url.includes("/.web/build/server/") ? { ...found, url: `${found.url}?build=${builds}` } : found;
  },
});

for await (const _request of createInterface({ input: process.stdin })) {
  let error = "";
  builds += 1;
  try {
    // As `react-router build` does.
    const builder = await createBuilder({ mode: "production", logLevel: "warn" });
    await builder.buildApp();
  } catch (failure) {
    error = failure.stack ?? String(failure);
  }
  process.stdout.write(`${JSON.stringify(error)}\n`);
}
