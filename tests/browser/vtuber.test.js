// GET /client-ws from a real browser: what a page reads, plays and keeps. And the web client of Open-LLM-VTuber itself, where
// ANIMA_VTUBER_FILES names a folder with frontend/ (its built files), live2d-models/, avatars/ and backgrounds/.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, picture } from "./browser.js";
import { Service, until } from "./service.js";

const ANSWERS = `
[[answers]]
asks = ["慢慢说"]
says = "[calm]第一句话说完了。第二句话也说完了。第三句话是最后一句。"
characters = 1
first_ms = 50
every_ms = 60

[[answers]]
says = "[joy]您说的是{said}。[sad]再见。"
`;
const files = process.env.ANIMA_VTUBER_FILES;
const MODEL = files && readdirSync(join(files, "live2d-models")).includes("shizuku") ? "shizuku" : "model";
const SETTINGS = `
[avatars.vtuber]
${files ? `files = "${files}"` : ""}
[avatars.vtuber.model]
name = "${MODEL}"
url = "/live2d-models/${MODEL}/runtime/${MODEL}.model3.json"
kScale = 0.5
initialXshift = 0
initialYshift = 0
emotionMap = { neutral = 0, joy = 3, sadness = 1 }
`;

let browser;
let service;
before(async () => {
  browser = await launch();
  service = await Service.start(ANSWERS, { settings: SETTINGS });
});
after(async () => {
  await browser?.close();
  await service?.remove();
});

/** A browser of its own, with a window on the service's origin and a socket in it. */
async function visitor() {
  const place = await browser.newContext();
  return { place, window: await open(place), leave: () => place.close() };
}

/** Another window of a browser. */
async function open(place) {
  const page = await place.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(service.address);
  await page.evaluate(() => new Promise((done, fail) => {
    const socket = new window.WebSocket(location.origin.replace("http", "ws") + "/client-ws");
    window.told = [];
    window.send = (message) => socket.send(JSON.stringify(message));
    window.first = (type, from = 0) => window.told.slice(from).find((message) => message.type === type);
    socket.onmessage = ({ data }) => window.told.push(JSON.parse(data));
    socket.onerror = () => fail(new Error("the socket failed"));
    // What the client asks for as it opens.
    socket.onopen = () => {
      for (const type of ["fetch-backgrounds", "fetch-configs", "fetch-history-list", "create-new-history"]) window.send({ type });
      done();
    };
  }));
  await page.waitForFunction(() => window.first("new-history-created"));
  return page;
}

/** Says something and plays the answer to its end; gives back what was told. */
async function ask(page, text) {
  const from = await page.evaluate((words) => {
    const before = window.told.length;
    window.send({ type: "text-input", text: words, images: [] });
    return before;
  }, text);
  await page.waitForFunction((start) => window.first("backend-synth-complete", start), from);
  await page.evaluate((start) => {
    for (const { type, display_text } of window.told.slice(start)) if (type === "audio") window.send({ type: "audio-play-start", display_text, forwarded: true });
    window.send({ type: "frontend-playback-complete" });
  }, from);
  await page.waitForFunction((start) => window.told.slice(start).some(({ type, text: said }) => type === "control" && said === "conversation-chain-end"), from);
  return page.evaluate((start) => window.told.slice(start), from);
}

/** The histories that a window is told of. */
async function histories(page) {
  return page.evaluate(async () => {
    const from = window.told.length;
    window.send({ type: "fetch-history-list" });
    while (!window.first("history-list", from)) await new Promise((done) => setTimeout(done, 10));
    return window.first("history-list", from).histories;
  });
}

test("a_browser_gets_sentences_with_faces_and_sound_that_it_can_play", async () => {
  const { window, leave } = await visitor();
  const model = await window.evaluate(() => window.first("set-model-and-conf").model_info);
  assert.equal(model.name, MODEL);
  const sentences = (await ask(window, "你好")).filter(({ type }) => type === "audio");
  assert.deepEqual(sentences.map(({ display_text }) => display_text.text), ["您说的是你好。", "再见。"]);
  assert.deepEqual(sentences.map(({ actions }) => actions), [{ expressions: [3] }, { expressions: [1] }]);
  // The browser's own decoder takes the sound, and it lasts as long as saying the sentence would.
  const seconds = await window.evaluate(async (sounds) => {
    const decoder = new window.OfflineAudioContext(1, 1, 24_000);
    const bytes = (sound) => Uint8Array.from(window.atob(sound), (letter) => letter.charCodeAt(0)).buffer;
    return Promise.all(sounds.map(async (sound) => (await decoder.decodeAudioData(bytes(sound))).duration));
  }, sentences.map(({ audio }) => audio));
  assert.ok(seconds[0] > seconds[1] && seconds[1] > 0.2 && seconds[0] < 6, String(seconds));
  await leave();
});

test("an_interrupt_from_the_browser_stops_the_answer_where_it_was_heard", async () => {
  const { window, leave } = await visitor();
  await window.evaluate(() => window.send({ type: "text-input", text: "慢慢说", images: [] }));
  await window.waitForFunction(() => window.first("audio"));
  await window.evaluate(() => {
    const { display_text } = window.first("audio");
    window.send({ type: "audio-play-start", display_text, forwarded: true });
    window.send({ type: "interrupt-signal", text: display_text.text });
  });
  const history = await window.evaluate(() => window.first("new-history-created").history_uid);
  const heard = await until("the answer ends", async () => {
    const { exchanges } = await fetch(`${service.address}/v1/sessions/${history}/history`).then((response) => response.json());
    return exchanges[0]?.reason === "interrupted" && exchanges[0].heard;
  });
  assert.equal(heard, "第一句话说完了。");
  await leave();
});

test("browsers_have_their_own_histories_and_find_them_again", async () => {
  const mine = await visitor();
  const other = await visitor();
  await ask(mine.window, "我叫小明");
  assert.deepEqual(await histories(other.window), []);
  // Another window of the same browser brings its cookie.
  const again = await open(mine.place);
  const [found, ...more] = await histories(again);
  assert.deepEqual([more, found.latest_message.content], [[], "您说的是我叫小明。再见。"]);
  await again.evaluate((history_uid) => window.send({ type: "fetch-and-set-history", history_uid }), found.uid);
  await again.waitForFunction(() => window.first("history-data"));
  const words = await again.evaluate(() => window.first("history-data").messages.map(({ role, content }) => [role, content]));
  assert.deepEqual(words, [["human", "我叫小明"], ["ai", "您说的是我叫小明。再见。"]]);
  await mine.leave();
  await other.leave();
});

test("the_client_of_open_llm_vtuber_talks_as_it_is", { skip: files ? false : "ANIMA_VTUBER_FILES names no folder with the client" }, async () => {
  const place = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await place.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  await page.addInitScript((address) => {
    localStorage.setItem("wsUrl", JSON.stringify(address.replace("http", "ws") + "/client-ws"));
    localStorage.setItem("baseUrl", JSON.stringify(address));
    localStorage.setItem("i18nextLng", "en");
  }, service.address);
  await page.goto(`${service.address}/vtuber/`);
  await page.locator("textarea").first().fill("你好");
  await page.locator("textarea").first().press("Enter");
  await page.getByText("您说的是你好。").first().waitFor();
  await page.getByText("再见。").first().waitFor();
  await picture(page, "open-llm-vtuber");
  assert.deepEqual(wrong, []);
  await place.close();
});
