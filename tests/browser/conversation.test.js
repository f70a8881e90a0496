// A person talks, cuts in, asks again, and goes back to what was said before.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ended, giveVoiceAndEar, launch, say, visit } from "./browser.js";
import { Service, until } from "./service.js";

const ANSWERS = `
[[answers]]
asks = ["压力"]
says = "[calm]先深呼吸几次。把大事拆成小步，一步一步来。[joy]再找朋友聊聊天！"
characters = 2
every_ms = 8

[[answers]]
asks = ["长故事"]
says = "从前有一座很高很高的山，山上住着一位会讲故事的老人。每天傍晚他都会坐在门前的石头上。孩子们围着他，听他讲很久很久以前的事情。"
characters = 1
first_ms = 20
every_ms = 80

[[answers]]
asks = ["坏掉"]
says = "我正要说这件事情。"
first_ms = 500
ends = "unavailable"

[[answers]]
asks = ["想什么"]
says = "我在想。"
first_ms = 1500

[[answers]]
says = "[curious]您说的是：{said}。"
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

test("a_person_talks_and_the_answer_streams_in_with_its_timing", async () => {
  const { page, wrong, leave } = await visit(browser, service);
  const seen = page.evaluate(() => new Promise((done) => {
    const lengths = new Set();
    new MutationObserver(() => {
      const words = document.querySelector(".words")?.textContent ?? "";
      if (words) lengths.add(words.length);
      if (document.querySelector('.turn[data-state="done"]')) done(lengths.size);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  }));
  await say(page, "如何应对压力");
  const turn = await ended(page);
  assert.ok((await seen) >= 3, "the answer grew sentence by sentence");
  assert.equal(await turn.locator(".said").textContent(), "如何应对压力");
  assert.match(await turn.locator(".words").textContent(), /^先深呼吸几次。.*聊聊天！$/);
  assert.match(await turn.locator(".facts").textContent(), /^playbook · 首句 \d+ ms · 共 \d+ ms/);
  assert.equal(await page.inputValue("textarea"), "");
  assert.deepEqual(wrong, []);
  await leave();
});

test("without_voices_sentences_pass_at_reading_speed_with_their_emotions_and_are_acknowledged", async () => {
  const frames = [];
  const { page, leave } = await visit(browser, service, {
    before: (page) => page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => frames.push(JSON.parse(payload)))),
  });
  await say(page, "如何应对压力");
  await page.waitForSelector('.stage[data-activity="speaking"][data-emotion="calm"]');
  await page.waitForFunction(() => document.querySelector(".caption .said-part").textContent.length > 2);
  assert.ok(await page.locator(".sentence.speaking").count(), "what is being said is marked");
  await page.waitForSelector('.stage[data-emotion="joy"]', { timeout: 15_000 });
  await page.waitForSelector('.stage[data-activity="idle"]', { timeout: 15_000 });
  const spoken = frames.filter(({ type }) => type === "spoken").map(({ sentence }) => sentence);
  assert.equal(frames.find(({ type }) => type === "hello").playback, "acknowledged");
  assert.deepEqual(spoken, [...spoken.keys()], "every sentence once, in order");
  assert.ok(spoken.length >= 3);
  const says = frames.find(({ type }) => type === "say");
  assert.deepEqual(says.sampling, { temperature: 0.3, top_p: 0.95 });
  await leave();
});

test("the_digital_human_thinks_while_it_waits", async () => {
  const { page, leave } = await visit(browser, service);
  await say(page, "你在想什么");
  await page.waitForSelector('.stage[data-activity="thinking"]');
  await ended(page);
  await leave();
});

test("the_button_interrupts_in_the_middle_of_a_sentence_and_only_what_was_heard_stays", async () => {
  const { page, leave } = await visit(browser, service);
  await say(page, "讲个长故事");
  await page.waitForFunction(() => document.querySelector(".caption .said-part").textContent.length >= 4);
  await page.getByRole("button", { name: "打断" }).click();
  const turn = await ended(page);
  assert.match(await turn.locator(".facts").textContent(), /^已打断/);
  assert.notEqual(await page.getAttribute(".stage", "data-activity"), "speaking");
  const session = await page.evaluate(() => JSON.parse(localStorage.anima).session);
  const exchange = await until("the service knows what was heard", async () => {
    const { exchanges } = await (await fetch(`${service.address}/v1/sessions/${session}/history`)).json();
    return exchanges[0]?.heard && exchanges[0];
  });
  assert.equal(exchange.reason, "interrupted");
  assert.ok(exchange.heard.length >= 4 && exchange.heard.length < 30, exchange.heard);
  assert.ok(exchange.text.startsWith(exchange.heard));
  const words = await turn.locator(".words").textContent();
  const unheard = (await turn.locator(".unheard").allTextContents()).join("");
  assert.equal(words.slice(0, words.length - unheard.length), exchange.heard);
  await leave();
});

test("typing_interrupts_at_once_and_escape_does_too", async () => {
  const { page, leave } = await visit(browser, service);
  for (const cut of [() => page.type("textarea", "等"), () => page.keyboard.press("Escape")]) {
    await page.fill("textarea", "");
    await say(page, "讲个长故事");
    await page.waitForSelector('.stage[data-activity="speaking"]');
    await cut();
    const turn = await ended(page);
    assert.match(await turn.locator(".facts").textContent(), /^已打断/);
  }
  await leave();
});

test("the_mouth_follows_the_browsers_voice_and_an_interruption_silences_it", async () => {
  const frames = [];
  const { page, leave } = await visit(browser, service, {
    before: async (page) => {
      await giveVoiceAndEar(page);
      page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => frames.push(JSON.parse(payload))));
    },
  });
  await say(page, "讲个长故事");
  await page.waitForFunction(() => window.voice.current);
  const first = await page.evaluate(() => window.voice.said[0]);
  assert.equal(first.lang, "zh-CN");
  const closed = await page.locator(".figure").innerHTML();
  await until("the mouth moves", async () => (await page.locator(".figure").innerHTML()) !== closed);
  await page.evaluate(() => window.voice.boundary(6));
  await page.type("textarea", "停");
  await until("the interruption is sent", () => frames.some(({ type }) => type === "interrupt"));
  assert.equal(await page.evaluate(() => window.voice.current), undefined);
  const { heard } = frames.find(({ type }) => type === "interrupt");
  assert.ok(first.text.startsWith(heard) && heard.length >= 6 && heard.length < first.text.length, heard);
  // Nothing of the old answer is said afterwards.
  const said = await page.evaluate(() => window.voice.said.length);
  await page.waitForTimeout(400);
  assert.equal(await page.evaluate(() => window.voice.said.length), said);
  await leave();
});

test("a_person_speaks_and_cuts_in_by_voice_but_the_loudspeaker_does_not", async () => {
  const { page, leave } = await visit(browser, service, { before: giveVoiceAndEar });
  await page.getByRole("button", { name: "语音输入" }).click();
  await page.waitForSelector('.stage[data-activity="listening"]');
  await page.evaluate(() => window.ear.hear("讲个长故事", true));
  await page.waitForFunction(() => window.voice.current);
  const { text } = await page.evaluate(() => window.voice.said[0]);
  await page.evaluate((echo) => window.ear.hear(echo, false), text.slice(2, 6));
  assert.ok(await page.evaluate(() => window.voice.current), "its own words do not interrupt it");
  await page.evaluate(() => window.ear.hear("等一下", false));
  assert.equal(await page.evaluate(() => window.voice.current), undefined);
  await page.evaluate(() => window.ear.hear("如何应对压力", true));
  await page.waitForFunction(() => document.querySelectorAll(".turn").length === 2);
  await leave();
});

test("answering_again_replaces_the_answer_in_its_place", async () => {
  const { page, leave } = await visit(browser, service);
  await say(page, "第一句");
  await ended(page);
  await say(page, "第二句");
  const id = await (await ended(page)).getAttribute("data-turn");
  await page.getByRole("button", { name: "重新回答" }).click();
  await page.waitForFunction((old) => document.querySelector(".turn:last-child").dataset.turn !== old, id);
  await ended(page);
  assert.equal(await page.locator(".turn").count(), 2);
  assert.match(await page.locator(".turn").last().locator(".words").textContent(), /第二句。$/);
  await leave();
});

test("a_failed_turn_says_so_and_can_be_tried_again", async () => {
  const { page, leave } = await visit(browser, service);
  await say(page, "坏掉");
  const turn = await ended(page, "failed");
  assert.match(await turn.locator(".trouble").textContent(), /没有答成/);
  await turn.getByRole("button", { name: "重试" }).click();
  await page.waitForFunction(() => document.querySelector(".turn").dataset.state !== "failed");
  await ended(page, "failed");
  assert.equal(await page.locator(".turn").count(), 1);
  await leave();
});

test("another_provider_answers_from_the_next_turn_on", async () => {
  const { page, leave } = await visit(browser, service);
  await page.getByRole("button", { name: "生成参数" }).click();
  await page.getByLabel("模型").selectOption("other");
  await page.waitForSelector(".notice:not([hidden])");
  await page.keyboard.press("Escape");
  await say(page, "你好");
  const turn = await ended(page);
  assert.equal(await turn.locator(".words").textContent(), "另一个模型在回答。");
  assert.match(await turn.locator(".facts").textContent(), /^other/);
  await leave();
});

test("the_generation_parameters_are_sent_with_the_next_turn", async () => {
  const frames = [];
  const { page, leave } = await visit(browser, service, {
    before: (page) => page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => frames.push(JSON.parse(payload)))),
  });
  await page.getByRole("button", { name: "生成参数" }).click();
  for (const [name, value] of [["温度", "0.8"], ["核采样 top_p", "0.7"], ["上文轮次", "4"]]) await page.getByLabel(name).fill(value);
  await page.keyboard.press("Escape");
  await say(page, "你好");
  await ended(page);
  const { sampling, turns } = frames.findLast(({ type }) => type === "say");
  assert.deepEqual([sampling, turns], [{ temperature: 0.8, top_p: 0.7 }, 4]);
  await page.reload();
  await page.getByRole("button", { name: "生成参数" }).click();
  assert.equal(await page.getByLabel("温度").inputValue(), "0.8");
  await leave();
});

test("a_new_topic_begins_empty_and_old_ones_are_restored_renamed_and_deleted", async () => {
  const { page, wrong, leave } = await visit(browser, service);
  await say(page, "关于旅行的话题");
  await ended(page);
  await page.getByRole("button", { name: "新话题" }).last().click();
  await page.waitForSelector(".welcome:not([hidden])");
  assert.equal(await page.locator(".turn").count(), 0);
  await say(page, "关于音乐的话题");
  await ended(page);
  const list = page.getByRole("navigation", { name: "会话" });
  await list.getByRole("button", { name: /^关于旅行的话题/ }).click();
  await page.waitForFunction(() => document.querySelector(".said")?.textContent === "关于旅行的话题");
  const entry = list.locator("li", { hasText: "关于旅行" });
  await entry.hover();
  await entry.getByRole("button", { name: "重命名：关于旅行的话题" }).click();
  await page.getByLabel("新的名称").fill("去海边");
  await page.keyboard.press("Enter");
  await list.getByRole("button", { name: /^去海边/ }).waitFor();
  const renamed = list.locator("li", { hasText: "去海边" });
  await renamed.hover();
  await renamed.getByRole("button", { name: "删除：去海边" }).click();
  await page.getByRole("button", { name: "确认删除" }).click();
  await renamed.waitFor({ state: "detached" });
  await page.waitForSelector(".welcome:not([hidden])");
  assert.deepEqual(wrong, []);
  await leave();
});

test("the_page_speaks_english_and_keeps_that", async () => {
  const { page, leave } = await visit(browser, service);
  await page.getByRole("button", { name: "设置" }).click();
  await page.getByLabel("界面语言").selectOption("en");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "New topic" }).last().waitFor();
  assert.equal(await page.getAttribute("html", "lang"), "en");
  await page.reload();
  await page.getByRole("button", { name: "Send" }).waitFor();
  await leave();
});
