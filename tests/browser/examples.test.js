// The minimal clients of examples/, where the machine can run them.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Service } from "./service.js";

const examples = resolve(dirname(fileURLToPath(import.meta.url)), "../../examples");
const run = promisify(execFile);
const works = (command, ...given) => spawnSync(command, given).status === 0;

let service;
let url;
before(async () => {
  service = await Service.start('[[answers]]\nsays = "[joy]您说的是：{said}。"\n');
  url = service.address.replace("http", "ws") + "/ws";
});
after(() => service?.remove());

test("the_client_in_python_talks", async (context) => {
  if (!works("python3", "-c", "import websockets")) {
    context.skip("pip install websockets");
    return;
  }
  const { stdout } = await run("python3", [join(examples, "python", "talk.py"), "--url", url, "--once", '你好"😊'], { timeout: 20_000 });
  assert.match(stdout, /😊 您说的是：你好"😊。/);
});

test("the_client_in_c_sharp_talks", async (context) => {
  if (!works("mcs", "--version") || !works("mono", "--version")) {
    context.skip("apt-get install mono-mcs libmono-system-runtime-serialization4.0-cil");
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "anima-csharp-"));
  try {
    const program = join(folder, "talk.exe");
    const sources = ["AnimaClient.cs", "Talk.cs"].map((name) => join(examples, "csharp", name));
    await run("mcs", ["-langversion:latest", "-nowarn:0649", `-out:${program}`, "-r:System.Runtime.Serialization", ...sources]);
    const { stdout } = await run("mono", [program, url, '你好"😊'], { timeout: 20_000 });
    assert.match(stdout, /\[joy\].*你好"😊。.*\(complete\)/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
