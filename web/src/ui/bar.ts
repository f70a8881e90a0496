/** The bar at the top. */
import { preferences } from "../preferences.js";
import { inWords, labelled, named, word } from "../words.js";
import { button, make } from "./dom.js";
import { icon } from "./icons.js";

/** What the bar asks for. */
export interface BarEvents {
  sessions(): void;
  settings(): void;
  sound(): void;
}

/** The bar. */
export class Bar {
  readonly element: HTMLElement;
  readonly #sessions: HTMLButtonElement;
  readonly #sound: HTMLButtonElement;
  readonly #dot = make("span", { class: "dot" });
  readonly #state = make("span", { class: "connection-text" });
  #connection: "connecting" | "open" | "waiting" | "closed" = "connecting";

  constructor(events: BarEvents) {
    const attributes = { "aria-controls": "sessions", "aria-expanded": "false" };
    this.#sessions = named(button({ class: "round only-narrow", attributes, onclick: () => { events.sessions(); } }, icon("menu")), "showConversations");
    this.#sound = button({ class: "round", onclick: () => { events.sound(); } });
    const settings = named(button({ class: "round", attributes: { "aria-haspopup": "dialog" }, onclick: () => { events.settings(); } }, icon("sliders")), "settings");
    const brand = make("h1", { class: "brand" }, make("span", { class: "brand-mark", attributes: { "aria-hidden": "true" } }), "Anima");
    const tagline = labelled(make("p", { class: "tagline" }), "tagline");
    const connection = make("p", { class: "connection" }, this.#dot, this.#state);
    this.element = make("header", { class: "bar" }, this.#sessions, brand, tagline, connection, this.#sound, settings);
    inWords(() => { this.show(); });
  }

  /** How the connection stands. */
  connection(state: "connecting" | "open" | "waiting" | "closed"): void {
    this.#connection = state;
    this.show();
  }

  /** Whether the list of conversations is open. */
  drawer(open: boolean): void {
    this.#sessions.setAttribute("aria-expanded", String(open));
  }

  /** Shows everything as it stands. */
  show(): void {
    this.#dot.dataset.state = this.#connection;
    this.#state.textContent = word(this.#connection === "closed" ? "elsewhere" : this.#connection);
    const name = word(preferences.sound ? "soundOff" : "soundOn");
    this.#sound.replaceChildren(icon(preferences.sound ? "sound" : "mute"));
    this.#sound.setAttribute("aria-label", name);
    this.#sound.title = name;
  }
}
