// openai-node: chat, streams, tools, texts, vectors, errors, and its Realtime client, which only dials wss.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const { ANIMA_URL, ANIMA_TLS_URL, UPSTREAM_URL } = process.env;
const TEXT = "慢慢呼吸几次，把大事拆成小步。再找人聊聊。";
const client = new OpenAI({ baseURL: ANIMA_URL, apiKey: "none", maxRetries: 0, timeout: 20_000 });
const ask = { model: "gpt-4o-mini", messages: [{ role: "user", content: "如何应对压力" }] };
const weather = { type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } };
const call = { index: 0, id: "call_1", type: "function", function: { name: "weather", arguments: "{}" } };
const called = [
  { index: 0, delta: { role: "assistant", tool_calls: [call] }, finish_reason: null },
  { index: 0, delta: {}, finish_reason: "tool_calls" },
];

const plan = (fault = "none", more = {}) =>
  fetch(`${UPSTREAM_URL}/control`, { method: "POST", body: JSON.stringify({ fault, ...more }) });

const failing = (fault, kind, code, model = ask.model) => async () => {
  await plan(fault);
  await assert.rejects(client.chat.completions.create({ ...ask, model }), (error) => {
    assert.equal(error.constructor, kind);
    assert.equal(error.code, code);
    return true;
  });
};

/** Talks over a Realtime socket until the first response is done; gives all events. */
const talk = () =>
  new Promise((done, fail) => {
    const secure = new OpenAI({ baseURL: ANIMA_TLS_URL, apiKey: "none" });
    const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime" }, secure);
    const events = [];
    const late = setTimeout(() => fail(new Error("no end of the response")), 20_000);
    realtime.on("error", fail);
    realtime.on("event", (event) => events.push(event));
    realtime.on("session.created", () => {
      const item = { type: "message", role: "user", content: [{ type: "input_text", text: "你好" }] };
      realtime.send({ type: "conversation.item.create", item });
      realtime.send({ type: "response.create" });
    });
    realtime.on("response.done", () => {
      clearTimeout(late);
      realtime.socket.on("close", (code) => done({ events, code }));
      realtime.close();
    });
  });

const cases = {
  async whole() {
    const answer = await client.chat.completions.create(ask);
    assert.equal(answer.choices[0].message.content, TEXT);
    assert.equal(answer.usage.completion_tokens, 6);
  },
  async stream() {
    let text = "";
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
      text += chunk.choices[0]?.delta?.content ?? "";
    }
    assert.equal(text, TEXT);
  },
  async "stream, put together"() {
    const runner = client.chat.completions.stream(ask);
    assert.equal(await runner.finalContent(), TEXT);
  },
  async "stream, left early"() {
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
      if (chunk.choices[0].delta.content) break;
    }
    await cases.whole();
  },
  async tools() {
    await plan("none", { choices: called });
    const answer = await client.chat.completions.create({ ...ask, tools: [weather] });
    assert.equal(answer.choices[0].message.tool_calls[0].function.name, "weather");
  },
  async "tools, streamed"() {
    await plan("none", { choices: called });
    const message = await client.chat.completions.stream({ ...ask, tools: [weather] }).finalMessage();
    assert.equal(message.tool_calls[0].function.arguments, "{}");
  },
  async texts() {
    const answer = await client.completions.create({ model: "playbook", prompt: "原话" });
    assert.equal(answer.choices[0].text, "原话");
  },
  async vectors() {
    const answer = await client.embeddings.create({ model: "text-embedding-3-small", input: ["a", "bc"] });
    assert.deepEqual(answer.data.map((entry) => entry.embedding), [[1, 97, 0.5], [2, 98, 0.5]]);
  },
  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes("companion"), names.join());
  },
  async "400"() {
    await assert.rejects(client.chat.completions.create({ ...ask, temperature: 9 }), (error) => {
      assert.equal(error.constructor, OpenAI.BadRequestError);
      assert.equal(error.param, "temperature");
      return true;
    });
  },
  async "404"() {
    await assert.rejects(client.chat.completions.create({ ...ask, model: "nobody" }), OpenAI.NotFoundError);
  },
  "429": failing("status-429-after-3", OpenAI.RateLimitError, "overloaded", "limited"),
  "500": failing("status-500", OpenAI.InternalServerError, "provider_unavailable"),
  "content filter": failing("blocked", OpenAI.BadRequestError, "content_filter"),
  async timeout() {
    const slow = { model: "playbook", messages: [{ role: "user", content: "慢" }] };
    await assert.rejects(client.chat.completions.create(slow, { timeout: 500 }), OpenAI.APIConnectionTimeoutError);
  },
  async "over TLS"() {
    const secure = new OpenAI({ baseURL: ANIMA_TLS_URL, apiKey: "none", maxRetries: 0 });
    assert.equal((await secure.chat.completions.create(ask)).choices[0].message.content, TEXT);
  },
  async realtime() {
    const { events, code } = await talk();
    const deltas = events.filter((event) => event.type === "response.output_text.delta");
    assert.equal(deltas.map((event) => event.delta).join(""), TEXT);
    assert.equal(events.at(-1).response.status, "completed");
    assert.equal(code, 1000);
  },
};

const failures = [];
for (const [name, attempt] of Object.entries(cases)) {
  await plan();
  try {
    await attempt();
  } catch (error) {
    failures.push(`${name}: ${error?.stack ?? error}`);
  }
}
await plan();
console.log(JSON.stringify({ passed: Object.keys(cases).length - failures.length, failures }));
process.exit(0);
