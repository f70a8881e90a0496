// Chromium, and pages that keep account of everything that must not happen.
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts the browser. */
export async function launch() {
  const executablePath = process.env.ANIMA_CHROMIUM ?? PLACES.find((place) => existsSync(place));
  assert.ok(executablePath, `no Chromium at ${PLACES.join(", ")}: apt-get install chromium, or set ANIMA_CHROMIUM`);
  // Containers of build machines have no namespaces for its sandbox; the pages are our own.
  // Answers that do not come from the network (see `fromFiles`) count as a foreign network's.
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-features=LocalNetworkAccessChecks"];
  return chromium.launch({ executablePath, args });
}

/** A page of the service, with what went wrong on it. */
export async function visit(browser, service, options = {}) {
  const { before, path = "/", opens = true, ...context } = options;
  // Without motion, unless a test asks for it: machines that build have no graphics card.
  const place = await browser.newContext({ locale: "zh-CN", reducedMotion: "reduce", viewport: { width: 1280, height: 800 }, ...context });
  const page = await place.newPage();
  page.setDefaultTimeout(20_000);
  const wrong = [];
  const origin = new URL(service.address).host;
  page.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // A service that is away is no fault of the page.
    if (message.type() === "error" && !/ERR_CONNECTION|WebSocket connection|Failed to load resource/.test(message.text())) wrong.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.host !== origin) wrong.push(`foreign request: ${request.url()}`);
  });
  await before?.(page);
  if (process.env.ANIMA_PAGE_FILES) await fromFiles(page, process.env.ANIMA_PAGE_FILES);
  await page.goto(service.address + path);
  if (opens) await page.waitForSelector('.dot[data-state="open"]', { state: "attached" });
  return { page, wrong, place, leave: () => place.close() };
}

/** Takes the page from a folder instead of from the program: for work on the page, between two builds of the program. */
async function fromFiles(page, folder) {
  const file = (path) => (path === "/" ? "index.html" : path.replace("/static/", ""));
  await page.route((url) => url.pathname === "/" || url.pathname.startsWith("/static/"), async (route) => {
    const { pathname } = new URL(route.request().url());
    const { headers } = await page.request.fetch(new URL("/", route.request().url()).href, { headers: { accept: "text/html" } }).then((response) => ({ headers: response.headers() }));
    await route.fulfill({ path: join(folder, file(pathname)), headers: { "content-security-policy": headers["content-security-policy"] } });
  });
}

/** Types words and sends them. */
export async function say(page, text) {
  await page.fill("textarea", text);
  await page.press("textarea", "Enter");
}

/** The last exchange, once it has ended in one of these ways. */
export async function ended(page, state = "done") {
  const last = page.locator(".turn").last();
  await page.waitForFunction(
    (wanted) => document.querySelector(".turn:last-child")?.getAttribute("data-state") === wanted,
    state,
  );
  return last;
}

/** Where pictures of the page are kept for people to look at, when they are wanted. */
export async function picture(page, name) {
  const folder = process.env.ANIMA_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/**
 * Stands in for the browser's speech and hearing, neither of which headless Chromium has. `window.voice` holds what
 * is being said; `window.ear` takes what the person says.
 */
export async function giveVoiceAndEar(page) {
  await page.addInitScript(() => {
    const voice = { said: [], current: undefined, cancelled: 0 };
    class Utterance extends EventTarget {
      constructor(text) {
        super();
        this.text = text;
      }
    }
    const engine = {
      getVoices: () => [
        { voiceURI: "zh", name: "小语", lang: "zh-CN", default: true },
        { voiceURI: "en", name: "Ann", lang: "en_US", default: false },
      ],
      speak(utterance) {
        voice.said.push({ text: utterance.text, lang: utterance.lang, rate: utterance.rate });
        voice.current = utterance;
        setTimeout(() => utterance.onstart?.({}), 0);
      },
      cancel() {
        voice.cancelled += 1;
        const utterance = voice.current;
        voice.current = undefined;
        setTimeout(() => utterance?.onerror?.({ error: "interrupted" }), 0);
      },
      resume() {},
      addEventListener() {},
    };
    voice.boundary = (charIndex) => voice.current.onboundary?.({ charIndex, name: "word" });
    voice.end = () => {
      const utterance = voice.current;
      voice.current = undefined;
      utterance.onend?.({});
    };
    window.voice = voice;
    Object.defineProperty(window, "speechSynthesis", { value: engine });
    window.SpeechSynthesisUtterance = Utterance;
    window.SpeechRecognition = class {
      start() {
        window.ear = {
          hear: (transcript, isFinal) => this.onresult?.({ resultIndex: 0, results: [Object.assign([{ transcript }], { isFinal })] }),
        };
      }
      abort() {
        window.ear = undefined;
        this.onend?.();
      }
    };
  });
}
