// Builds ../static: the page by Vite, the client library by the TypeScript compiler (readable, with its comments and
// types), and a compressed form of whatever is large enough to gain by it. `node build.js --check` builds into a folder
// of its own and says whether the committed files are what the source gives; `node build.js FOLDER` builds there.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { build } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const committed = join(here, "..", "static");
/** Below this size compression saves less than its header costs to look up. */
const WORTH_COMPRESSING = 1024;

/** Every file of a folder, by its path in there. */
function files(folder) {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
}

async function make(folder) {
  await build({ root: here, configFile: join(here, "vite.config.js"), logLevel: "warn", build: { outDir: folder } });
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript")), "tsc.js");
  const arguments_ = [compiler, "--project", join(here, "tsconfig.client.json"), "--outDir", folder];
  execFileSync(process.execPath, arguments_, { stdio: "inherit" });
  // The types of frames are all that this module has; at run time it is empty.
  rmSync(join(folder, "frames.js"));
  for (const name of files(folder)) {
    const content = readFileSync(join(folder, name));
    if (content.length >= WORTH_COMPRESSING) writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }));
  }
}

/** What differs between two builds. Compressors of other versions write other bytes for the same content. */
function differences(one, other) {
  const [names, others] = [files(one), files(other)];
  const missing = [...names.filter((name) => !others.includes(name)), ...others.filter((name) => !names.includes(name))];
  const content = (folder, name) => {
    const bytes = readFileSync(join(folder, name));
    return name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
  };
  const changed = names.filter((name) => others.includes(name) && !content(one, name).equals(content(other, name)));
  return [...missing, ...changed];
}

if (process.argv.includes("--check")) {
  const folder = mkdtempSync(join(tmpdir(), "anima-page-"));
  try {
    await make(folder);
    const different = differences(committed, folder);
    if (different.length > 0) {
      console.error(`static/ is not what web/ gives; run \`make page\` and commit it:\n  ${different.join("\n  ")}`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
} else {
  const folder = process.argv[2] ? resolve(process.argv[2]) : committed;
  await make(folder);
  for (const name of files(folder)) console.log(`${relative(process.cwd(), join(folder, name))}  ${statSync(join(folder, name)).size}`);
}
