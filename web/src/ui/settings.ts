/** 生成参数 and everything else that can be chosen, in one dialog. */
import { key, prefer, preferences, useKey } from "../preferences.js";
import { inWords, labelled, named, speakLanguage, word, type Word } from "../words.js";
import { button, make } from "./dom.js";
import { icon } from "./icons.js";

/** What the dialog asks for. */
export interface SettingsEvents {
  switch(to: { provider?: string; persona?: string }): void;
  theme(): void;
  sound(): void;
  /** Another key is to be used. */
  key(): void;
}

let count = 0;

/** The dialog. */
export class Settings {
  readonly element = make("dialog", { class: "settings", attributes: { "aria-labelledby": "settings-title" } });
  readonly #provider = make("select", { attributes: { name: "provider" } });
  readonly #persona = make("select", { attributes: { name: "persona" } });
  readonly #voice = make("select", { attributes: { name: "voice" } });
  readonly #noVoices = labelled(make("p", { class: "hint" }), "noVoices");
  readonly #redraw: (() => void)[] = [];

  constructor(private readonly events: SettingsEvents) {
    const title = labelled(make("h2", { attributes: { id: "settings-title" } }), "settings");
    const close = named(button({ class: "round", onclick: () => { this.element.close(); } }, icon("close")), "close");
    this.element.append(
      make("div", { class: "settings-head" }, title, close),
      this.#part("who", this.#field("provider", this.#provider), this.#field("persona", this.#persona)),
      this.#part("parameters", ...this.#sampling()),
      this.#part("voice", ...this.#sounds()),
      this.#part("interface", ...this.#looks()),
      this.#part("access", this.#secret()),
    );
    this.#provider.addEventListener("change", () => { events.switch({ provider: this.#provider.value }); });
    this.#persona.addEventListener("change", () => { events.switch({ persona: this.#persona.value }); });
    // A click beside the dialog closes it; the keyboard has Escape.
    this.element.addEventListener("click", (event) => {
      if (event.target === this.element) this.element.close();
    });
  }

  /** Opens it. */
  open(): void {
    this.#voices();
    for (const draw of this.#redraw) draw();
    this.element.showModal();
  }

  /** Whom the person can choose, and who is chosen. */
  offer(providers: string[], provider: string, personas: [string, string][], persona: string): void {
    choices(this.#provider, providers.map((name) => [name, name]), provider);
    choices(this.#persona, personas, persona);
  }

  #part(name: Word, ...fields: HTMLElement[]): HTMLElement {
    return make("fieldset", {}, labelled(make("legend"), name), ...fields);
  }

  #field(name: Word, control: HTMLElement, hint?: Word): HTMLElement {
    count += 1;
    control.id = `field-${String(count)}`;
    const label = labelled(make("label", { attributes: { for: control.id } }), name);
    if (!hint) return make("div", { class: "field" }, label, control);
    const note = labelled(make("p", { class: "hint", attributes: { id: `${control.id}-hint` } }), hint);
    control.setAttribute("aria-describedby", note.id);
    return make("div", { class: "field" }, label, control, note);
  }

  #slider(name: Word, hint: Word | undefined, range: [number, number, number], read: () => number, write: (value: number) => void, tell: () => string): HTMLElement {
    const [min, max, step] = range;
    const attributes = { type: "range", min: String(min), max: String(max), step: String(step), name };
    const slider = make("input", { attributes });
    const shown = make("output");
    const draw = (): void => {
      slider.value = String(read());
      shown.textContent = tell();
      slider.setAttribute("aria-valuetext", tell());
    };
    slider.addEventListener("input", () => {
      write(Number(slider.value));
      draw();
    });
    this.#redraw.push(draw);
    inWords(draw);
    const field = this.#field(name, slider, hint);
    field.classList.add("slider");
    shown.setAttribute("for", slider.id);
    slider.after(shown);
    return field;
  }

  #sampling(): HTMLElement[] {
    const reset = labelled(button({ class: "quiet" }), "reset");
    reset.addEventListener("click", () => {
      prefer({ temperature: 0.3, topP: 0.95, turns: undefined });
      for (const draw of this.#redraw) draw();
    });
    return [
      this.#slider("temperature", "temperatureHint", [0, 1, 0.05], () => preferences.temperature, (temperature) => { prefer({ temperature }); }, () => preferences.temperature.toFixed(2)),
      this.#slider("topP", "topPHint", [0.5, 1, 0.01], () => preferences.topP, (topP) => { prefer({ topP }); }, () => preferences.topP.toFixed(2)),
      this.#slider("turns", "turnsHint", [0, 5, 1], () => preferences.turns ?? 2, (turns) => { prefer({ turns }); }, () => (preferences.turns === undefined ? word("byPersona") : String(preferences.turns))),
      reset,
    ];
  }

  #sounds(): HTMLElement[] {
    const sound = make("input", { attributes: { type: "checkbox", name: "sound" } });
    this.#redraw.push(() => { sound.checked = preferences.sound; });
    sound.addEventListener("change", () => {
      prefer({ sound: sound.checked });
      this.events.sound();
    });
    this.#voice.addEventListener("change", () => { prefer({ voice: this.#voice.value || undefined }); });
    const field = this.#field("sound", sound);
    field.classList.add("check");
    return [
      field,
      this.#field("voice", this.#voice),
      this.#noVoices,
      this.#slider("rate", undefined, [0.5, 2, 0.05], () => preferences.rate, (rate) => { prefer({ rate }); }, () => `${preferences.rate.toFixed(2)}×`),
    ];
  }

  #looks(): HTMLElement[] {
    const language = make("select", { attributes: { name: "language" } });
    choices(language, [["zh", "中文"], ["en", "English"]], preferences.language);
    language.addEventListener("change", () => {
      prefer({ language: language.value === "zh" ? "zh" : "en" });
      speakLanguage();
    });
    const theme = make("select", { attributes: { name: "theme" } });
    inWords(() => {
      choices(theme, [["auto", word("automatic")], ["light", word("light")], ["dark", word("dark")]], preferences.theme);
    });
    theme.addEventListener("change", () => {
      prefer({ theme: theme.value === "light" || theme.value === "dark" ? theme.value : "auto" });
      this.events.theme();
    });
    return [this.#field("language", language), this.#field("theme", theme)];
  }

  #secret(): HTMLElement {
    const field = make("input", { class: "text", attributes: { type: "password", name: "key", autocomplete: "off", spellcheck: "false" } });
    this.#redraw.push(() => { field.value = key() ?? ""; });
    field.addEventListener("change", () => {
      useKey(field.value.trim());
      this.events.key();
    });
    return this.#field("key", field, "keyHint");
  }

  #voices(): void {
    const voices = "speechSynthesis" in window ? speechSynthesis.getVoices() : [];
    const rows = voices.map(({ voiceURI, name, lang }): [string, string] => [voiceURI, `${name} (${lang})`]);
    choices(this.#voice, [["", word("automatic")], ...rows], preferences.voice ?? "");
    this.#voice.disabled = voices.length === 0;
    this.#noVoices.hidden = voices.length > 0;
  }
}

function choices(select: HTMLSelectElement, rows: [value: string, text: string][], chosen: string): void {
  const options = rows.map(([value, text]) => make("option", { attributes: { value } }, text));
  select.replaceChildren(...options);
  select.value = chosen;
}
