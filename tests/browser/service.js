// A service of the tests' own: the program with a playbook instead of models, on a free port and in a folder of its own.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const PATIENCE_MS = 20_000;

/** The program: that of the environment, else the one that `make run` builds. */
export const program = resolve(root, process.env.ANIMA_BINARY ?? "target/release/anima");

function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.on("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Waits until something is so. */
export async function until(what, check, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/** A running service. */
export class Service {
  static async start(answers, { settings = "", files = {} } = {}) {
    const folder = mkdtempSync(join(tmpdir(), "anima-browser-"));
    const service = new Service(folder, await freePort());
    mkdirSync(join(folder, "config"));
    cpSync(join(root, "prompts"), join(folder, "prompts"), { recursive: true });
    cpSync(join(root, "config", "base.toml"), join(folder, "config", "base.toml"));
    writeFileSync(join(folder, "config", "local.toml"), `
[turn]
provider = "playbook"
persona = "companion"
# A turn that is made to fail leaves the next test its provider.
[turn.breaker]
failures = 0
[providers.demo]
enabled = false
[providers.playbook]
kind = "scripted"
file = "playbook.toml"
[providers.other]
kind = "scripted"
file = "other.toml"
${settings}
`);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
    writeFileSync(join(folder, "playbook.toml"), answers);
    writeFileSync(join(folder, "other.toml"), '[[answers]]\nsays = "[joy]另一个模型在回答。"\n');
    await service.run();
    return service;
  }

  constructor(folder, port) {
    this.folder = folder;
    this.port = port;
    this.address = `http://127.0.0.1:${port}`;
    this.log = "";
  }

  /** Starts the program, or starts it again. */
  async run() {
    const settings = ["serve", "--port", String(this.port), "--config", join(this.folder, "config")];
    this.process = spawn(program, settings, { stdio: ["ignore", "pipe", "pipe"] });
    this.ended = new Promise((done) => this.process.once("exit", done));
    let failed;
    this.process.once("error", (error) => { failed = error; });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on("data", (data) => { this.log = (this.log + data).slice(-20_000); });
    }
    await until("the service listens", async () => {
      if (failed || this.process.exitCode !== null) throw new Error(`${program} did not start: ${failed?.message ?? this.log}`);
      return fetch(`${this.address}/healthz`).then((response) => response.ok, () => false);
    });
  }

  /** Ends it as an operator does, or at once. */
  async stop(signal = "SIGTERM") {
    this.process.kill(signal);
    await this.ended;
  }

  /** Ends it for good. */
  async remove() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.stop("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
