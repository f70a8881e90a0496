// The client library as others use it: imported by a page that is not ours, without anything around it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch, visit } from "./browser.js";
import { Service } from "./service.js";

const ANSWERS = `
[[answers]]
asks = ["慢"]
says = "第一句话在这里。第二句话在这里。第三句话在这里。"
characters = 1
every_ms = 30

[[answers]]
asks = ["不会"]
ends = "refused"

[[answers]]
says = "[joy]您说的是：{said}。"
`;

let browser;
let service;
before(async () => {
  browser = await launch();
  service = await Service.start(ANSWERS);
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

/** Runs code on a page with a client of its own, which is connected. */
async function withClient(code, before) {
  const { page, wrong, leave } = await visit(browser, service, { before });
  await page.evaluate(() => localStorage.clear());
  const result = await page.evaluate(`(async () => {
    const { AnimaClient, TurnError } = await import("/static/anima-client.js");
    const make = (options = {}) => new AnimaClient({ url: "ws://" + location.host + "/ws", ...options });
    const until = (check) => new Promise((done) => { const timer = setInterval(() => { if (check()) { clearInterval(timer); done(); } }, 10); });
    return (${String(code)})({ make, until, TurnError });
  })()`);
  assert.deepEqual(wrong, []);
  await leave();
  return result;
}

test("a_client_asks_and_is_told_sentences_and_the_end", async () => {
  const told = await withClient(async ({ make }) => {
    const anima = make();
    const sentences = [];
    anima.on("sentence", (sentence) => sentences.push(sentence));
    const welcome = await anima.connect();
    const end = await anima.ask("你好");
    anima.close();
    const said = sentences.map(({ text }) => text).join("");
    const emotions = [...new Set(sentences.map(({ emotion }) => emotion))];
    return { said, emotions, text: end.text, session: anima.session === welcome.session, state: anima.state };
  });
  assert.deepEqual(told, { said: "您说的是：你好。", emotions: ["joy"], text: "您说的是：你好。", session: true, state: "closed" });
});

test("words_said_before_the_connection_is_there_are_not_lost", async () => {
  const told = await withClient(async ({ make }) => {
    const anima = make();
    const end = anima.ask("早了");
    await anima.connect();
    return (await end).text;
  });
  assert.equal(told, "您说的是：早了。");
});

test("a_refused_turn_breaks_its_promise_with_the_code", async () => {
  const code = await withClient(async ({ make, TurnError }) => {
    const anima = make();
    await anima.connect();
    const codes = [];
    for (const ask of [() => anima.ask("   "), () => anima.ask("不会"), () => anima.ask("好", { provider: "nobody" })]) {
      await ask().catch((error) => codes.push(error instanceof TurnError && error.code));
    }
    return codes;
  });
  assert.deepEqual(code, ["empty_input", "content_filter", "model_not_found"]);
});

test("an_interruption_ends_the_turn_and_tells_what_was_heard", async () => {
  const told = await withClient(async ({ make }) => {
    const anima = make({ playback: "acknowledged" });
    await anima.connect();
    const heard = new Promise((done) => anima.on("heard", done));
    anima.on("sentence", ({ turn, index }) => {
      if (index !== 0) return;
      anima.spoken(turn, 0);
      anima.interrupt(turn, "第一句话在");
    });
    const end = await anima.ask("慢");
    return { reason: end.reason, heard: (await heard).text };
  });
  assert.deepEqual(told, { reason: "interrupted", heard: "第一句话在" });
});

test("a_client_resumes_and_tells_nothing_twice", async () => {
  const sockets = [];
  const told = await withClient(
    async ({ make, until }) => {
      const anima = make();
      const [sentences, states] = [[], []];
      anima.on("sentence", ({ index }) => sentences.push(index));
      anima.on("connection", ({ state }) => states.push(state));
      await anima.connect();
      const end = anima.ask("慢");
      await until(() => sentences.length === 1);
      await fetch("/cut");
      return { text: (await end).text, sentences, states, history: (await anima.history()).exchanges.length };
    },
    async (page) => {
      await page.routeWebSocket("**/ws", (socket) => sockets.push([socket, socket.connectToServer()]));
      await page.route("**/cut", async (route) => {
        const [socket, upstream] = sockets.at(-1);
        await upstream.close();
        await socket.close({ code: 4002 });
        await route.fulfill({ body: "" });
      });
    },
  );
  assert.equal(told.text, "第一句话在这里。第二句话在这里。第三句话在这里。");
  assert.deepEqual(told.sentences, [0, 1, 2]);
  assert.deepEqual(told.states, ["connecting", "open", "waiting", "connecting", "open"]);
  assert.equal(told.history, 1);
});

test("a_session_is_continued_by_another_client_and_can_be_watched", async () => {
  const told = await withClient(async ({ make, until }) => {
    const first = make();
    await first.connect();
    await first.ask("一");
    const watcher = make({ session: first.session, observe: true });
    const watched = [];
    watcher.on("finished", ({ text }) => watched.push(text));
    await watcher.connect();
    await first.ask("二");
    await until(() => watched.length === 1);
    const second = make({ session: first.session });
    const closed = new Promise((done) => first.on("connection", ({ state, code }) => { if (state === "closed") done(code); }));
    await second.connect();
    const { exchanges } = await second.history();
    return { watched, code: await closed, said: exchanges.map(({ said }) => said) };
  });
  assert.deepEqual(told, { watched: ["您说的是：二。"], code: 4501, said: ["一", "二"] });
});

test("the_library_is_readable_typed_and_stands_alone", async () => {
  const get = async (path) => (await fetch(`${service.address}/static/${path}`)).text();
  const code = await get("anima-client.js");
  assert.doesNotMatch(code, /\bimport\b.*from/);
  assert.match(code, /export class AnimaClient/);
  assert.match(await get("anima-client.d.ts"), /export declare class AnimaClient/);
  assert.match(await get("frames.d.ts"), /export interface SentenceFrame/);
  assert.equal(code, readFileSync(new URL("../../static/anima-client.js", import.meta.url), "utf8"));
});
