// The page is for everybody: checked by axe in each of its states, and used without a mouse.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { ended, launch, picture, say, visit } from "./browser.js";
import { Service } from "./service.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const ANSWERS = `
[[answers]]
asks = ["压力"]
says = "[calm]慢慢呼吸几次。把大事拆成小步，再找人聊聊。"

[[answers]]
asks = ["难过"]
says = "[sorry]听到这个我也很难过。[calm]愿意的话，多说说发生了什么吧。"

[[answers]]
says = "[joy]你好呀！很高兴见到你，我是灵犀。今天想聊点什么呢？"
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

/** What axe finds serious or critical. */
async function faults(page) {
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
}

const PLACES = {
  desktop: { viewport: { width: 1440, height: 900 } },
  tablet: { viewport: { width: 1024, height: 768 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
  sideways: { viewport: { width: 844, height: 390 }, hasTouch: true, isMobile: true },
};

for (const [name, place] of Object.entries(PLACES)) {
  for (const colorScheme of ["light", "dark"]) {
    test(`every_state_of_the_page_is_accessible_and_fits_on_a_${name}_in_${colorScheme}`, async () => {
      const { page, leave } = await visit(browser, service, {
        ...place,
        colorScheme,
        bypassCSP: true,
        before: (page) => page.addInitScript(axe),
      });
      const look = async (state) => {
        await picture(page, `${name}-${colorScheme}-${state}`);
        assert.deepEqual(await faults(page), [], state);
        const { width, content } = await page.evaluate(() => ({ width: innerWidth, content: document.documentElement.scrollWidth }));
        assert.ok(content <= width, `${state}: nothing is wider than the window`);
        const field = await page.locator("textarea").boundingBox();
        assert.ok(field.y + field.height <= place.viewport.height, `${state}: the field is on the screen`);
      };
      await page.waitForTimeout(300);
      await look("welcome");
      await say(page, "你好");
      await page.waitForSelector('.stage[data-activity="speaking"]');
      await page.waitForTimeout(900);
      await look("speaking");
      await say(page, "我今天很难过");
      await ended(page);
      await say(page, "如何应对压力");
      await ended(page);
      await page.waitForTimeout(900);
      await look("conversation");
      if (await page.getByRole("button", { name: "显示会话列表" }).isVisible()) {
        await page.getByRole("button", { name: "显示会话列表" }).click();
        await page.waitForTimeout(300);
        await look("conversations");
        await page.keyboard.press("Escape");
      }
      await page.getByRole("button", { name: "生成参数" }).click();
      await page.waitForTimeout(200);
      await look("parameters");
      await leave();
    });
  }
}

test("everything_can_be_done_without_a_mouse", async () => {
  const { page, leave } = await visit(browser, service, { viewport: { width: 1000, height: 800 } });
  assert.equal(await page.evaluate(() => document.activeElement.localName), "textarea");
  await page.keyboard.type("你好");
  await page.keyboard.press("Enter");
  await ended(page);
  const reached = new Set();
  for (let step = 0; step < 24; step += 1) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent));
  }
  for (const name of ["显示会话列表", "静音", "设置", "对话记录", "重新回答", "新话题", "生成参数", "打断", "您要说的话", "发送"]) {
    assert.ok(reached.has(name) || name === "打断", `${name} is reached by Tab: ${[...reached].join(", ")}`);
  }
  await page.getByRole("button", { name: "显示会话列表" }).focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".sessions").contains(document.activeElement));
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("#app").classList.contains("drawer"));
  await leave();
});

test("screen_readers_are_told_a_finished_answer_once_and_not_its_pieces", async () => {
  const { page, leave } = await visit(browser, service);
  await page.getByRole("button", { name: "静音" }).click();
  const told = page.evaluate(() => new Promise((done) => {
    const heard = [];
    for (const region of document.querySelectorAll('[aria-live], [role="status"], [role="log"], [role="alert"]')) {
      new MutationObserver(() => heard.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
    }
    setTimeout(() => done(heard), 2500);
  }));
  await say(page, "如何应对压力");
  assert.deepEqual(await told, ["慢慢呼吸几次。把大事拆成小步，再找人聊聊。"]);
  await leave();
});

test("the_figure_breathes_by_itself_and_is_still_for_those_who_want_no_motion", async () => {
  for (const [reducedMotion, moves] of [["no-preference", true], ["reduce", false]]) {
    const { page, leave } = await visit(browser, service, { reducedMotion });
    await page.waitForTimeout(400);
    const before = await page.locator(".figure").innerHTML();
    await page.waitForTimeout(700);
    assert.equal((await page.locator(".figure").innerHTML()) !== before, moves, reducedMotion);
    await leave();
  }
});
