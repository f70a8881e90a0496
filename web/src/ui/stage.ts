/** Where the digital human stands, with what it says and does beneath. */
import type { Activity } from "../avatar/pose.js";
import type { Emotion } from "../client/anima-client.js";
import { inWords, word } from "../words.js";
import { make } from "./dom.js";

/** The stage. */
export class Stage {
  readonly element: HTMLElement;
  /** Where the figure is put. */
  readonly portrait = make("div", { class: "portrait" });
  readonly #caption = make("p", { class: "caption", attributes: { "aria-hidden": "true" } });
  readonly #said = make("span", { class: "said-part" });
  readonly #rest = make("span", { class: "rest-part" });
  readonly #mood = make("p", { class: "mood-line", attributes: { "aria-hidden": "true" } });
  #activity: Activity = "idle";
  #emotion: Emotion = "neutral";
  #name = "";

  constructor() {
    this.#caption.append(this.#said, this.#rest);
    const glow = make("div", { class: "glow", attributes: { "aria-hidden": "true" } });
    this.element = make("section", { class: "stage" }, glow, this.portrait, make("div", { class: "subtitle" }, this.#caption), this.#mood);
    inWords(() => { this.#show(); });
  }

  /** Who stands there. */
  introduce(name: string): void {
    this.#name = name;
    this.#show();
  }

  /** How it feels, and what it does. */
  show(emotion: Emotion, activity: Activity): void {
    this.#emotion = emotion;
    this.#activity = activity;
    this.element.dataset.emotion = emotion;
    this.element.dataset.activity = activity;
    this.#show();
  }

  /** What is being said: the part up to `position` was said already. */
  caption(text: string, position: number): void {
    const cut = Math.max(0, Math.min(text.length, position));
    if (this.#said.textContent !== text.slice(0, cut)) this.#said.textContent = text.slice(0, cut);
    if (this.#rest.textContent !== text.slice(cut)) this.#rest.textContent = text.slice(cut);
    this.#caption.hidden = text === "";
  }

  #show(): void {
    const feeling = this.#emotion === "neutral" || this.#activity === "away" ? "" : ` · ${word(`emotion_${this.#emotion}`)}`;
    this.#mood.textContent = `${this.#name ? `${this.#name} · ` : ""}${word(this.#activity)}${feeling}`;
    this.element.setAttribute("aria-label", `${word("digitalHuman")} ${this.#name}`.trim());
  }
}
