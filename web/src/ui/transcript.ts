/** The conversation, oldest first, kept at its end while the person does not read elsewhere. */
import type { Exchange } from "../client/anima-client.js";
import { preferences } from "../preferences.js";
import { inWords, labelled, named, word } from "../words.js";
import { button, make } from "./dom.js";
import { TurnView } from "./turn-view.js";

/** What to begin with; the demonstration model knows them all. */
const OPENINGS = {
  zh: ["如何应对压力", "介绍一下你自己", "怎样才能睡得更好"],
  en: ["Who are you?", "what is the capital of France?", "How can I sleep better?"],
};

/** Closer to the end than this, in pixels, the person is at the end. */
const NEAR = 80;

/** Shows a conversation. */
export class Transcript {
  readonly element = make("div", { class: "transcript", attributes: { tabindex: "0", role: "region" } });
  readonly #list = make("div", { class: "turns" });
  readonly #welcome: HTMLElement;
  readonly #turns: TurnView[] = [];
  readonly #retry: (view: TurnView) => void;
  #name = "Anima";

  constructor(say: (text: string) => void, retry: (view: TurnView) => void) {
    this.#retry = retry;
    this.#welcome = this.#greeting(say);
    named(this.element, "transcript");
    this.element.removeAttribute("title");
    this.element.append(this.#welcome, this.#list);
    inWords(() => {
      this.element.removeAttribute("title");
      for (const turn of this.#turns) turn.refresh();
    });
  }

  /** The newest exchange. */
  get last(): TurnView | undefined {
    return this.#turns.at(-1);
  }

  /** Who speaks, for the greeting. */
  introduce(name: string): void {
    this.#name = name;
    this.#greet();
  }

  /** The exchange of a turn. */
  find(turn: string): TurnView | undefined {
    return this.#turns.findLast(({ id }) => id === turn);
  }

  /** A new exchange. */
  add(turn: string, said: string | null): TurnView {
    const view = new TurnView(turn, said, () => { this.#retry(view); });
    this.#put(view);
    this.toEnd();
    return view;
  }

  /**
   * Everything that was said before. What is shown already stays as it is, for more is known of it; what was said
   * since the list was made comes after it.
   */
  restore(exchanges: Exchange[]): void {
    const shown = [...this.#turns];
    const known = (view: TurnView): boolean => exchanges.some(({ turn }) => turn === view.id);
    const newer = shown.slice(shown.findLastIndex(known) + 1);
    this.clear();
    for (const exchange of exchanges) {
      const view = shown.find(({ id }) => id === exchange.turn) ?? TurnView.of(exchange, () => { this.#retry(view); });
      this.#put(view);
    }
    for (const view of newer) this.#put(view);
    this.toEnd();
  }

  /** An empty conversation. */
  clear(): void {
    this.#turns.length = 0;
    this.#list.replaceChildren();
    this.#welcome.hidden = false;
  }

  /** Changes something, and stays at the end when the person is there. */
  change(how: () => void): void {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    how();
    if (atEnd) this.toEnd();
  }

  /** Shows the newest words. */
  toEnd(): void {
    this.element.scrollTop = this.element.scrollHeight;
  }

  #put(view: TurnView): void {
    this.#turns.push(view);
    this.#list.append(view.element);
    this.#welcome.hidden = true;
  }

  #greeting(say: (text: string) => void): HTMLElement {
    const openings = make("div", { class: "openings" });
    inWords(() => {
      const texts = OPENINGS[preferences.language];
      openings.replaceChildren(
        ...texts.map((text) => button({ class: "opening", onclick: () => { say(text); } }, text)),
      );
    });
    const title = make("h2", { class: "greeting" });
    const welcome = make("div", { class: "welcome" }, title, labelled(make("p"), "greetingHint"), openings);
    this.#greet = () => { title.textContent = word("greeting", { name: this.#name }); };
    inWords(() => { this.#greet(); });
    return welcome;
  }

  #greet = (): void => undefined;
}
