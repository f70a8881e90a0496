// Connections are lost and services restart; the person hardly notices.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ended, launch, say, visit } from "./browser.js";
import { Service, until } from "./service.js";

const ANSWERS = `
[[answers]]
asks = ["慢慢说"]
says = "第一句话说完了。第二句话也说完了。第三句话是最后一句。"
characters = 1
first_ms = 50
every_ms = 60

[[answers]]
says = "您说的是：{said}。"
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

test("a_restart_of_the_service_is_survived_and_the_conversation_goes_on", async () => {
  const { page, wrong, leave } = await visit(browser, service);
  await say(page, "重启之前");
  await ended(page);
  const session = await page.evaluate(() => JSON.parse(localStorage.anima).session);
  await service.stop();
  await page.waitForSelector('.stage[data-activity="away"]');
  await say(page, "离开的时候");
  await service.run();
  await page.waitForSelector('.dot[data-state="open"]', { state: "attached", timeout: 15_000 });
  await page.waitForFunction(() => document.querySelectorAll('.turn[data-state="done"]').length === 2, undefined, { timeout: 15_000 });
  assert.deepEqual(await page.locator(".said").allTextContents(), ["重启之前", "离开的时候"]);
  // What was not heard of the first answer joins its question to the second one.
  assert.match(await page.locator(".words").last().textContent(), /离开的时候。$/);
  assert.equal(await page.evaluate(() => JSON.parse(localStorage.anima).session), session);
  assert.notEqual(await page.getAttribute(".stage", "data-activity"), "away");
  assert.deepEqual(wrong, []);
  await leave();
});

test("an_answer_that_a_crash_cut_short_is_given_again", async () => {
  const { page, leave } = await visit(browser, service);
  await say(page, "请慢慢说");
  await page.waitForSelector(".sentence");
  await service.stop("SIGKILL");
  await service.run();
  const turn = await ended(page);
  assert.equal(await turn.locator(".words").textContent(), "第一句话说完了。第二句话也说完了。第三句话是最后一句。");
  assert.equal(await page.locator(".turn").count(), 1);
  await leave();
});

test("a_lost_connection_is_resumed_without_a_gap_or_a_repetition", async () => {
  const sockets = [];
  const { page, leave } = await visit(browser, service, {
    before: (page) => page.routeWebSocket("**/ws", (socket) => {
      const upstream = socket.connectToServer();
      sockets.push({ socket, upstream });
    }),
  });
  await say(page, "请慢慢说");
  await page.waitForSelector(".sentence");
  const { socket, upstream } = sockets[0];
  await upstream.close();
  await socket.close({ code: 4001 });
  const turn = await ended(page);
  assert.equal(sockets.length, 2);
  assert.equal(await turn.locator(".words").textContent(), "第一句话说完了。第二句话也说完了。第三句话是最后一句。");
  await leave();
});

test("a_second_page_takes_over_and_the_first_can_take_back", async () => {
  const { page, place, leave } = await visit(browser, service);
  await say(page, "第一页");
  await ended(page);
  const second = await place.newPage();
  await second.goto(service.address);
  await second.waitForFunction(() => document.querySelector(".said")?.textContent === "第一页");
  await page.getByRole("button", { name: "在这里继续" }).click();
  await page.waitForSelector('.dot[data-state="open"]', { state: "attached" });
  await second.waitForSelector('.dot[data-state="closed"]', { state: "attached" });
  await leave();
});

test("a_history_that_comes_late_takes_nothing_away", async () => {
  const late = { before: (page) => page.routeWebSocket("**/ws", (socket) => {
    const upstream = socket.connectToServer();
    upstream.onMessage((message) => {
      if (JSON.parse(message).type === "history") setTimeout(() => socket.send(message), 1500);
      else socket.send(message);
    });
  }) };
  const { page, leave } = await visit(browser, service, late);
  await say(page, "抢先的话");
  await ended(page);
  await page.waitForTimeout(1700);
  assert.deepEqual(await page.locator(".said").allTextContents(), ["抢先的话"]);
  assert.match(await page.locator(".facts").textContent(), /首句/);
  await leave();
});

test("a_page_that_is_loaded_again_shows_what_was_said", async () => {
  const { page, leave } = await visit(browser, service);
  await say(page, "记得这句话");
  await ended(page);
  await page.reload();
  await page.waitForFunction(() => document.querySelector(".words")?.textContent === "您说的是：记得这句话。");
  await until("the list shows it", () => page.locator(".session-list .current").count());
  await leave();
});
