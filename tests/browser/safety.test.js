// Whatever people and models write is text, and the page loads nothing from elsewhere.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ended, launch, picture, say, visit } from "./browser.js";
import { payloads } from "./payloads.js";
import { Service } from "./service.js";

let browser;
let service;
before(async () => {
  browser = await launch();
  service = await Service.start('[[answers]]\nsays = "{said}"\n');
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

test("two_hundred_hostile_texts_are_shown_as_text_and_do_nothing", async () => {
  assert.ok(payloads.length >= 200 && new Set(payloads).size === payloads.length);
  const { page, wrong, leave } = await visit(browser, service, {
    // Without earlier exchanges: what was not heard of them would join the next words.
    before: (page) => page.addInitScript(() => { localStorage.anima ??= JSON.stringify({ turns: 0 }); }),
  });
  for (const [index, payload] of payloads.entries()) {
    await say(page, payload);
    await page.waitForFunction(
      (count) => document.querySelectorAll('.turn[data-state="done"]').length === count,
      index + 1,
    );
  }
  const shown = await page.locator(".turn").evaluateAll((turns) => turns.map((turn) => [turn.querySelector(".said").textContent, turn.querySelector(".words")?.textContent]));
  for (const [index, payload] of payloads.entries()) {
    assert.equal(shown[index][0], payload.trim());
    assert.equal(shown[index][1]?.trim(), payload.trim());
  }
  const strange = await page.locator(".turn *").evaluateAll((all) => all.map(({ localName }) => localName).filter((name) => !["p", "div", "span", "button", "svg", "path", "i", "b"].includes(name)));
  assert.deepEqual(strange, []);
  // They are the names of conversations, too, and come again from the store.
  for (const payload of payloads.slice(0, 12)) {
    await page.getByRole("button", { name: "新话题" }).last().click();
    await page.waitForSelector(".welcome:not([hidden])");
    await say(page, payload);
    await ended(page);
  }
  await page.reload();
  await page.waitForSelector(".words");
  await page.waitForSelector(".session-list .current");
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.deepEqual(wrong, []);
  await leave();
});

test("the_policy_forbids_foreign_and_inline_code", async () => {
  const response = await fetch(service.address, { headers: { accept: "text/html" } });
  const policy = response.headers.get("content-security-policy");
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"]) {
    assert.ok(policy.includes(rule), rule);
  }
  assert.ok(!policy.includes("unsafe"));
  const index = await response.text();
  assert.ok(!/<script(?![^>]*src=)|<style|\son\w+=|style=/.test(index), "nothing inline");
  const { page, leave } = await visit(browser, service);
  const outcome = await page.evaluate(async () => {
    const violations = [];
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => violations.push(effectiveDirective));
    const script = document.createElement("script");
    try {
      script.text = "window.hacked = true";
    } catch {
      violations.push("trusted-types");
    }
    document.body.append(Object.assign(document.createElement("img"), { src: "http://127.0.0.1:9/x.png" }));
    await fetch("http://127.0.0.1:9/").catch(() => undefined);
    await new Promise((done) => setTimeout(done, 200));
    return { violations, hacked: window.hacked };
  });
  assert.equal(outcome.hacked, undefined);
  for (const directive of ["trusted-types", "img-src", "connect-src"]) assert.ok(outcome.violations.includes(directive), directive);
  await leave();
});

test("files_are_cached_by_their_names_and_the_page_is_not", async () => {
  const index = await fetch(service.address, { headers: { accept: "text/html" } });
  assert.equal(index.headers.get("cache-control"), "no-cache");
  const script = /src="([^"]+\.js)"/.exec(await index.text())[1];
  const file = await fetch(service.address + script);
  assert.match(file.headers.get("cache-control"), /immutable/);
  assert.equal(file.headers.get("content-encoding"), "gzip");
  const again = await fetch(service.address, { headers: { accept: "text/html", "if-none-match": index.headers.get("etag") } });
  assert.equal(again.status, 304);
  assert.equal((await fetch(`${service.address}/static/../Cargo.toml`)).status, 404);
  assert.equal((await fetch(`${service.address}/static/assets/none.js`)).status, 404);
  assert.match(await (await fetch(service.address, { headers: { accept: "*/*" } })).text(), /^Anima/);
});

test("a_service_that_wants_a_key_is_given_it_and_no_other_tab_is", async () => {
  const locked = await Service.start('[[answers]]\nsays = "{said}"\n', {
    settings: '[keys.page]\nkey_file = "page.key"\n',
    files: { "page.key": "a-key-of-32-characters-0123456789" },
  });
  try {
    const { page, place, leave } = await visit(browser, locked, { opens: false });
    await page.getByText("此服务需要 API 密钥").waitFor();
    await page.locator(".notice").getByRole("button", { name: "设置" }).click();
    await page.getByLabel("API 密钥").fill("a-key-of-32-characters-0123456789");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Escape");
    await page.waitForSelector('.dot[data-state="open"]', { state: "attached" });
    await say(page, "进来了");
    await ended(page);
    await page.waitForSelector(".session-list .current");
    const second = await place.newPage();
    await second.goto(locked.address);
    await second.getByText("此服务需要 API 密钥").waitFor();
    assert.ok(!(await page.evaluate(() => JSON.stringify(localStorage))).includes("a-key"));
    await leave();
  } finally {
    await locked.remove();
  }
});

test("what_the_service_itself_finds_contradicted_is_marked_and_explained", async () => {
  const museum = await Service.start('[[answers]]\nsays = "博物馆每天十点开门。"\n', {
    files: { "prompts/personas/companion.toml": 'title = "小馆"\nlanguage = "zh"\nstyle = "chat"\nemotions = true\nturns = 5\n[system]\nzh = "你是博物馆的讲解员。博物馆每天九点开门，五点半闭馆。"\nen = "You are a guide."\n' },
  });
  try {
    const { page, leave } = await visit(browser, museum);
    await page.getByText("你好，我是小馆。").waitFor();
    await say(page, "几点开门？");
    const turn = await ended(page);
    await turn.getByRole("button", { name: "与依据矛盾" }).click();
    assert.match(await turn.locator(".verdict-details").textContent(), /十点 → 九点.*来源 persona/);
    await picture(page, "verdict");
    await leave();
  } finally {
    await museum.remove();
  }
});

test("verdicts_are_shown_with_their_sources_and_addresses_that_run_code_are_no_links", async () => {
  const verdict = {
    status: "contradicted",
    reasons: ["number"],
    score: 0.91,
    correction: { text: "博物馆九点开门。<img src=x onerror=alert(1)>", proved: true },
    spans: [{ start: 3, end: 4, reason: "number", value: "十", nearest: "九" }],
    sources: [
      { id: "hours", title: "开放时间", url: "https://museum.example.org/hours" },
      { id: "bad", title: "恶意来源", url: "javascript:alert(1)" },
      "plain-id",
    ],
  };
  const { page, wrong, leave } = await visit(browser, service, {
    before: (page) => page.routeWebSocket("**/ws", (socket) => {
      const upstream = socket.connectToServer();
      upstream.onMessage((message) => {
        const frame = JSON.parse(message);
        socket.send(frame.type === "verdict" ? JSON.stringify({ ...frame, ...verdict }) : message);
      });
    }),
  });
  await say(page, "博物馆十点开门。");
  const turn = await ended(page);
  const badge = turn.getByRole("button", { name: "与依据矛盾" });
  assert.equal(await badge.getAttribute("aria-expanded"), "false");
  await badge.click();
  const details = turn.locator(".verdict-details");
  assert.match(await details.textContent(), /博物馆十点开门。十 → 九更正 博物馆九点开门。<img.*number.*91 %.*开放时间 恶意来源 plain-id/);
  assert.deepEqual(await details.locator("a").evaluateAll((links) => links.map(({ href, rel }) => [href, rel])), [["https://museum.example.org/hours", "noopener noreferrer"]]);
  assert.equal(await turn.locator('.sentence[data-status="contradicted"]').count(), 1);
  assert.deepEqual(wrong, []);
  await leave();
});
