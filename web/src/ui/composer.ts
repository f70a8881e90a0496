/** Where the person types, speaks, and cuts in. */
import { labelled, named, inWords, word } from "../words.js";
import { button, make } from "./dom.js";
import { icon } from "./icons.js";

/** What a composer asks for. */
export interface ComposerEvents {
  say(text: string): void;
  /** The person begins to type. */
  typing(text: string): void;
  interrupt(): void;
  again(): void;
  fresh(): void;
  parameters(): void;
  microphone(): void;
}

/** The form below the transcript. */
export class Composer {
  readonly element: HTMLElement;
  readonly field = make("textarea", { attributes: { rows: "1", enterkeyhint: "send", autocomplete: "off", name: "words" } });
  readonly #send = button({ class: "primary send", attributes: { type: "submit" } });
  readonly #stop = button({ class: "stop" });
  readonly #again = button({ class: "chip" });
  readonly #microphone = button({ class: "round microphone", attributes: { "aria-pressed": "false" } });
  readonly #parameters = button({ class: "chip", attributes: { "aria-haspopup": "dialog" } });

  constructor(private readonly events: ComposerEvents, listens: boolean) {
    inWords(() => {
      this.field.placeholder = word("placeholder");
      this.field.setAttribute("aria-label", word("yourWords"));
    });
    this.#send.append(icon("send"), labelled(make("span"), "send"));
    this.#stop.append(icon("stop"), labelled(make("span"), "interrupt"));
    named(this.#send, "send");
    named(this.#stop, "interrupt");
    this.#stop.addEventListener("click", () => { events.interrupt(); });
    this.#microphone.append(icon("microphone"));
    named(this.#microphone, "microphone");
    this.#microphone.hidden = !listens;
    this.#microphone.addEventListener("click", () => { events.microphone(); });
    this.element = make("form", { class: "composer" }, this.#tools(), this.#row());
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.field.addEventListener("input", () => {
      this.#grow();
      events.typing(this.field.value);
    });
    this.field.addEventListener("keydown", (event) => {
      // Enter also ends the choice of a character in an input method, and must not send then.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.speaking(false);
  }

  /** Words that the person may still change. */
  set words(text: string) {
    this.field.value = text;
    this.#grow();
  }

  /** Whether something can be cut short. */
  speaking(busy: boolean): void {
    // A control that vanishes under the focus must not take it along.
    const focused = document.activeElement === this.#stop;
    this.#stop.hidden = !busy;
    if (focused && !busy) this.field.focus();
  }

  /** Whether there is an answer to replace. */
  answerable(can: boolean): void {
    this.#again.disabled = !can;
  }

  /** Whether the microphone is on. */
  listening(on: boolean): void {
    this.#microphone.setAttribute("aria-pressed", String(on));
    this.#microphone.setAttribute("aria-label", word(on ? "microphoneOff" : "microphone"));
  }

  #tools(): HTMLElement {
    this.#again.append(icon("again"), labelled(make("span"), "again"));
    this.#again.addEventListener("click", () => { this.events.again(); });
    const fresh = button({ class: "chip", onclick: () => { this.events.fresh(); } });
    fresh.append(icon("fresh"), labelled(make("span"), "fresh"));
    this.#parameters.append(icon("sliders"), labelled(make("span"), "parameters"));
    this.#parameters.addEventListener("click", () => { this.events.parameters(); });
    return make("div", { class: "chips" }, this.#again, fresh, this.#parameters);
  }

  #row(): HTMLElement {
    return make("div", { class: "row" }, this.field, this.#microphone, this.#stop, this.#send);
  }

  #submit(): void {
    const text = this.field.value.trim();
    if (!text) return;
    this.words = "";
    this.events.say(text);
  }

  #grow(): void {
    this.field.style.height = "auto";
    this.field.style.height = `${String(Math.min(this.field.scrollHeight, 160))}px`;
  }
}
