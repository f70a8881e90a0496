/** One exchange in the transcript: what was said, and the answer as it comes. */
import type {
  AcceptedFrame,
  Exchange,
  FailedFrame,
  FinishedFrame,
  Sentence,
  StartedFrame,
  Verdict,
} from "../client/anima-client.js";
import { word } from "../words.js";
import { button, make } from "./dom.js";
import { icon } from "./icons.js";
import { badges, sourceList } from "./verdicts.js";

/** Everything that is known of an answer. */
interface Answer {
  sentences: Sentence[];
  /** Text that came before its sentence. */
  streaming: string;
  verdicts: Verdict[];
  state: "waiting" | "answering" | "done" | "failed" | "incomplete";
  queued?: number;
  durable: boolean;
  by?: { provider: string; model: string };
  end?: Partial<Pick<FinishedFrame, "reason" | "heard" | "usage" | "timing">>;
  error?: { code: string; message: string };
}

function blank(): Answer {
  return { sentences: [], streaming: "", verdicts: [], state: "waiting", durable: true };
}

/** Shows one exchange. */
export class TurnView {
  readonly element = make("article", { class: "turn" });
  readonly #said: string | null;
  readonly #answerElement = make("div", { class: "answer" });
  readonly #retry: () => void;
  #answer = blank();
  #before: Answer | undefined;
  #speaking: number | undefined;

  constructor(
    /** The id of the turn that is shown; another one after 重新回答. */
    public id: string,
    said: string | null,
    retry: () => void,
  ) {
    this.#said = said;
    this.#retry = retry;
    if (said !== null) this.element.append(make("p", { class: "said" }, said));
    this.element.append(this.#answerElement);
    this.refresh();
  }

  /** A stored exchange. */
  static of(exchange: Exchange, retry: () => void): TurnView {
    const view = new TurnView(exchange.turn, exchange.said, retry);
    const { sentences, verdicts, state, reason, heard, text, provider, model, error } = exchange;
    const states = { running: "answering", finished: "done", failed: "failed", incomplete: "incomplete" } as const;
    view.#answer = { ...blank(), sentences: [...sentences], verdicts: [...verdicts], state: states[state] };
    if (provider) view.#answer.by = { provider, model };
    // Whoever left in the middle of a sentence has cut it off, too.
    const cut = heard !== null && heard !== text;
    if (reason) view.#answer.end = cut ? { reason: "interrupted", heard } : { reason };
    if (error) view.#answer.error = error;
    view.refresh();
    return view;
  }

  /** Whether its end has come. */
  get ended(): boolean {
    return this.#answer.state !== "waiting" && this.#answer.state !== "answering";
  }

  /** Whether it waits for its first sentence. */
  get waiting(): boolean {
    return !this.ended && this.#answer.sentences.length === 0;
  }

  /** The whole answer as text. */
  get text(): string {
    return this.#answer.sentences.map(({ text }) => text).join("");
  }

  /** What was said, without its answer. */
  get said(): string | null {
    return this.#said;
  }

  /** Another answer comes: the old one is kept until it is there. */
  replaceBy(id: string): void {
    this.#before = this.#before ?? this.#answer;
    this.id = id;
    this.#answer = blank();
    this.refresh();
  }

  /** The answer that was to be replaced stands. */
  restore(): boolean {
    if (!this.#before) return false;
    this.#answer = this.#before;
    this.#before = undefined;
    this.refresh();
    return true;
  }

  accepted({ durable }: AcceptedFrame): void {
    this.#answer = { ...blank(), durable: durable !== false };
    this.refresh();
  }

  queued(ahead: number): void {
    this.#answer.queued = ahead;
    this.refresh();
  }

  started({ provider, model }: StartedFrame): void {
    this.#answer.by = { provider, model };
    this.#answer.state = "answering";
    this.refresh();
  }

  delta(text: string): void {
    this.#answer.streaming += text;
    this.refresh();
  }

  sentence(sentence: Sentence): void {
    const answer = this.#answer;
    answer.sentences = [...answer.sentences.filter(({ index }) => index !== sentence.index), sentence];
    answer.streaming = answer.streaming.startsWith(sentence.text) ? answer.streaming.slice(sentence.text.length) : "";
    answer.state = "answering";
    this.refresh();
  }

  verdict(verdict: Verdict): void {
    const others = this.#answer.verdicts.filter(({ sentence }) => sentence !== verdict.sentence);
    this.#answer.verdicts = [...others, verdict];
    this.refresh();
  }

  finished({ reason, heard, usage, timing }: FinishedFrame): void {
    this.#answer.end = { reason, ...(heard !== undefined && { heard }), ...(usage && { usage }), timing };
    this.#answer.state = "done";
    this.#answer.streaming = "";
    // An answer that was cut off before it began replaces nothing.
    if (this.#answer.sentences.length > 0 || !this.restore()) this.#before = undefined;
    this.refresh();
  }

  failed({ code, message }: Pick<FailedFrame, "code" | "message">): void {
    if (this.#before) {
      this.restore();
      return;
    }
    this.#answer.error = { code, message };
    this.#answer.state = "failed";
    this.refresh();
  }

  /** How much of it was heard, as far as the person cut in. */
  heard(text: string): void {
    if (!this.#answer.end || text === this.text) return;
    this.#answer.end.heard = text;
    this.#answer.end.reason = "interrupted";
    this.refresh();
  }

  /** The sentence that is being said. */
  speaking(index: number | undefined): void {
    this.#speaking = index;
    for (const [at, span] of this.#spans()) span.classList.toggle("speaking", at === index);
  }

  #spans(): [number, Element][] {
    return [...this.#answerElement.querySelectorAll(".sentence")].map((span) => [Number(span.getAttribute("data-index")), span]);
  }

  /** Draws the answer. */
  refresh(): void {
    const answer = this.#answer;
    this.element.dataset.turn = this.id;
    this.element.dataset.state = answer.state;
    this.element.setAttribute("aria-busy", String(!this.ended));
    this.#answerElement.replaceChildren(
      ...[this.#words(), this.#wait(), this.#trouble(), this.#verdicts(), this.#line()].filter((part) => part !== undefined),
    );
    this.speaking(this.#speaking);
  }

  #words(): HTMLElement | undefined {
    const { sentences, streaming, verdicts } = this.#answer;
    if (sentences.length === 0 && !streaming) return undefined;
    const words = make("p", { class: "words" });
    let left = this.#cut();
    for (const sentence of [...sentences].sort((a, b) => a.index - b.index)) {
      const status = verdicts.find((verdict) => verdict.sentence === sentence.index)?.status;
      words.append(shownSentence(sentence, left, status));
      left -= sentence.text.length;
    }
    if (streaming) words.append(make("span", { class: "streaming" }, streaming));
    return words;
  }

  /** How many characters of the answer were heard: all of them, unless the person cut in. */
  #cut(): number {
    const { end } = this.#answer;
    if (end?.reason !== "interrupted" || end.heard === undefined) return Number.POSITIVE_INFINITY;
    return end.heard.length;
  }

  #wait(): HTMLElement | undefined {
    const { state, queued } = this.#answer;
    if (this.ended || (state === "answering" && this.text)) return undefined;
    const dots = make("span", { class: "dots", attributes: { "aria-hidden": "true" } }, make("i"), make("i"), make("i"));
    return make("p", { class: "wait" }, dots, queued ? ` ${word("queued", { n: queued })}` : undefined);
  }

  #trouble(): HTMLElement | undefined {
    const { state, error, durable } = this.#answer;
    if (state === "failed" || state === "incomplete") {
      const text = state === "failed" ? word("failed") : word("incomplete");
      const again = button({ class: "quiet", onclick: () => { this.#retry(); } }, icon("again"), word("retry"));
      const why = make("span", {}, text, error ? `：${error.message}` : undefined);
      return make("p", { class: "trouble" }, why, again);
    }
    return durable ? undefined : make("p", { class: "trouble" }, word("notKept"));
  }

  #verdicts(): HTMLElement | undefined {
    const { verdicts, sentences } = this.#answer;
    return badges(verdicts, (index) => sentences.find((sentence) => sentence.index === index)?.text.trim() ?? "");
  }

  #line(): HTMLElement | undefined {
    const { end, by, sentences } = this.#answer;
    if (!this.ended) return undefined;
    const parts: (string | HTMLElement)[] = [];
    if (end?.reason === "interrupted") parts.push(make("span", { class: "reason" }, word("interrupted")));
    if (end?.reason === "length" || end?.reason === "filtered") parts.push(make("span", { class: "reason" }, word(end.reason)));
    if (by?.provider) parts.push(by.provider);
    if (end?.timing?.first_sentence_ms !== undefined) parts.push(word("firstSentence", { n: end.timing.first_sentence_ms }));
    if (end?.timing) parts.push(word("total", { n: end.timing.total_ms }));
    if (end?.usage) parts.push(word("tokens", { n: end.usage.completion_tokens }));
    const sources = sentences.flatMap((sentence) => sentence.sources);
    if (sources.length > 0) parts.push(make("span", {}, `${word("sources")} `, sourceList(sources)));
    if (parts.length === 0) return undefined;
    return make("p", { class: "facts" }, ...parts.flatMap((part, at) => (at > 0 ? [" · ", part] : [part])));
  }
}

function shownSentence({ index, text }: Sentence, heard: number, status: string | undefined): HTMLElement {
  const attributes = { "data-index": String(index), ...(status && { "data-status": status }) };
  const span = make("span", { class: "sentence", attributes });
  const cut = Math.max(0, Math.min(text.length, heard));
  if (cut > 0) span.append(text.slice(0, cut));
  if (cut < text.length) {
    const rest = make("span", { class: "unheard" }, text.slice(cut));
    rest.title = word("unheard");
    span.append(rest);
  }
  return span;
}
