/** The page: its parts in their places, and what each of them asks of the others. */
import type { ConnectionState, WelcomeFrame } from "./client/anima-client.js";
import { Conversation } from "./conversation.js";
import { Performer } from "./performer.js";
import { prefer, preferences } from "./preferences.js";
import { CallError, forget, personas, rename, sessions, type Persona } from "./service.js";
import { isEcho, Listener } from "./speech/listener.js";
import { Bar } from "./ui/bar.js";
import { Composer } from "./ui/composer.js";
import { button, make } from "./ui/dom.js";
import { Sessions } from "./ui/sessions.js";
import { Settings } from "./ui/settings.js";
import { Transcript } from "./ui/transcript.js";
import { speakLanguage, word } from "./words.js";

/** A connection that is back within this time was never missed. */
const PATIENCE_MS = 700;
const NOTICE_MS = 6_000;

/** Everything together. */
export class Page {
  readonly #performer: Performer;
  readonly #transcript: Transcript;
  readonly #composer: Composer;
  readonly #sessions: Sessions;
  readonly #settings: Settings;
  readonly #bar: Bar;
  readonly #conversation: Conversation;
  readonly #listener: Listener;
  readonly #notice = make("div", { class: "notice", attributes: { role: "status" } });
  readonly #announcer = make("div", { class: "unseen", attributes: { "aria-live": "polite" } });
  readonly #root: HTMLElement;
  #personas: Persona[] = [];
  #welcome: WelcomeFrame | undefined;
  #away: ReturnType<typeof setTimeout> | undefined;
  #refreshTimer: ReturnType<typeof setTimeout> | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(root: HTMLElement) {
    this.#root = root;
    this.#theme();
    this.#performer = new Performer({
      saying: (line) => {
        for (const view of root.querySelectorAll(".sentence.speaking")) view.classList.remove("speaking");
        if (line) this.#transcript.find(line.turn)?.speaking(line.sentence.index);
        this.#changed();
      },
      spoken: ({ turn, sentence }) => { this.#conversation.spoken(turn, sentence.index); },
    });
    this.#transcript = new Transcript((text) => { this.#say(text); }, (view) => { this.#conversation.retry(view); });
    this.#composer = this.#makeComposer();
    this.#settings = new Settings({
      switch: (to) => { this.#conversation.switch(to); },
      theme: () => { this.#theme(); },
      sound: () => { this.#bar.show(); },
      key: () => {
        this.#notice.hidden = true;
        this.#open(this.#conversation.session ?? preferences.session);
      },
    });
    this.#sessions = this.#makeSessions();
    this.#bar = new Bar({
      sessions: () => { this.#drawer(!root.classList.contains("drawer")); },
      settings: () => { this.#settings.open(); },
      sound: () => {
        prefer({ sound: !preferences.sound });
        this.#bar.show();
      },
    });
    this.#listener = this.#makeListener();
    this.#conversation = this.#makeConversation();
    this.#lay();
    this.#keys();
    speakLanguage();
    this.#refresh();
    this.#composer.field.focus({ preventScroll: true });
  }

  #lay(): void {
    const backdrop = make("div", { class: "backdrop", onclick: () => { this.#drawer(false); } });
    const talk = make("section", { class: "talk" }, this.#transcript.element, this.#composer.element);
    const main = make("main", {}, this.#performer.stage.element, talk);
    this.#root.append(this.#bar.element, this.#sessions.element, backdrop, main, this.#settings.element, this.#notice, this.#announcer);
    this.#notice.hidden = true;
  }

  #say(text: string): void {
    this.#conversation.say(text);
    this.#performer.be({ listening: false });
  }

  #makeComposer(): Composer {
    return new Composer(
      {
        say: (text) => { this.#say(text); },
        typing: (text) => {
          if (text.trim() && this.#performer.busy) this.#conversation.interrupt();
          this.#performer.be({ listening: text.trim() !== "" });
          if (text) this.#performer.lookAt(this.#composer.field);
        },
        interrupt: () => { this.#conversation.interrupt(); },
        again: () => { this.#conversation.again(); },
        fresh: () => { this.#open(undefined); },
        parameters: () => { this.#settings.open(); },
        microphone: () => {
          if (this.#listener.listening) this.#listener.stop();
          else this.#listener.start(preferences.language === "zh" ? "zh-CN" : "en-US");
        },
      },
      Listener.available,
    );
  }

  #makeListener(): Listener {
    const own = (words: string): boolean => this.#performer.busy && isEcho(words, this.#performer.speech);
    return new Listener({
      hearing: (words) => {
        if (own(words)) return;
        if (this.#performer.busy) this.#conversation.interrupt();
        this.#composer.words = words;
      },
      heard: (words) => {
        if (own(words)) return;
        this.#composer.words = "";
        this.#say(words);
      },
      changed: (listening, problem) => {
        this.#composer.listening(listening);
        this.#performer.be({ listening });
        if (problem) this.#tell(word(problem === "denied" ? "microphoneDenied" : "microphoneFailed"));
      },
    });
  }

  #makeSessions(): Sessions {
    return new Sessions({
      open: (session) => { this.#open(session); },
      fresh: () => { this.#open(undefined); },
      rename: (session, title) => { this.#attempt(rename(session, title)); },
      delete: (session) => {
        if (session === this.#conversation.session) this.#open(undefined);
        this.#attempt(forget(session));
      },
      close: () => { this.#drawer(false); },
    });
  }

  #makeConversation(): Conversation {
    return new Conversation(this.#transcript, this.#performer, {
      welcome: (frame) => {
        this.#welcome = frame;
        this.#introduce(frame.persona, frame.provider);
        this.#refresh();
      },
      connection: (state) => { this.#connection(state); },
      switched: ({ persona, provider }) => {
        this.#introduce(persona, provider);
        this.#tell(word("switched", { provider, persona: this.#name(persona) }));
      },
      restarting: () => { this.#tell(word("restarting")); },
      refused: (message) => { this.#tell(word("requestFailed", { message })); },
      changed: () => { this.#changed(); },
      announce: (text) => { this.#announcer.textContent = text; },
    });
  }

  #open(session: string | undefined): void {
    this.#drawer(false);
    this.#conversation.open(session);
    this.#changed();
    this.#composer.field.focus();
    this.#refresh();
  }

  #changed(): void {
    const { busy } = this.#conversation;
    this.#composer.speaking(busy);
    this.#composer.answerable(typeof this.#transcript.last?.said === "string");
    if (!this.#conversation.answering) this.#refresh();
  }

  #name(persona: string): string {
    const title = this.#personas.find(({ id }) => id === persona)?.title ?? persona;
    const native = preferences.language === "zh" || !/\p{Script=Han}/u.test(title);
    return native ? title : persona.charAt(0).toUpperCase() + persona.slice(1);
  }

  #introduce(persona: string, provider: string): void {
    const name = this.#name(persona);
    this.#transcript.introduce(name);
    this.#performer.stage.introduce(name);
    const choices = this.#personas.map(({ id }): [string, string] => [id, this.#name(id)]);
    this.#settings.offer(this.#welcome?.providers ?? [], provider, choices, persona);
    if (this.#welcome) Object.assign(this.#welcome, { persona, provider });
  }

  #connection(state: ConnectionState): void {
    clearTimeout(this.#away);
    if (state.state === "open") {
      this.#performer.be({ away: false });
      this.#bar.connection("open");
      if (!this.#notice.hidden && this.#notice.dataset.kind === "connection") this.#notice.hidden = true;
      return;
    }
    if (state.state === "closed" && state.code === 4501) {
      this.#bar.connection("closed");
      this.#performer.be({ away: true });
      this.#tell(word("elsewhere"), button({ class: "primary", onclick: () => { this.#conversation.takeOver(); } }, word("takeOver")));
      return;
    }
    this.#away = setTimeout(() => {
      this.#performer.be({ away: true });
      this.#bar.connection(this.#welcome ? "waiting" : "connecting");
      if (this.#welcome) this.#tell(word("waiting"));
      this.#notice.dataset.kind = "connection";
    }, PATIENCE_MS);
  }

  /** Says something about the page itself. With a button it stays. */
  #tell(text: string, action?: HTMLButtonElement): void {
    clearTimeout(this.#noticeTimer);
    this.#notice.dataset.kind = action ? "connection" : "passing";
    this.#notice.replaceChildren(text, ...(action ? [action] : []));
    this.#notice.hidden = false;
    if (!action) this.#noticeTimer = setTimeout(() => { this.#notice.hidden = true; }, NOTICE_MS);
  }

  #attempt(call: Promise<void>): void {
    call
      .catch((error: unknown) => {
        this.#tell(word("requestFailed", { message: error instanceof CallError ? error.message : word("waiting") }));
      })
      .finally(() => { this.#refresh(); });
  }

  /** Shows the list of conversations as it is now; asked for often, done once a moment. */
  #refresh(): void {
    clearTimeout(this.#refreshTimer);
    this.#refreshTimer = setTimeout(() => { void this.#load(); }, 120);
  }

  async #load(): Promise<void> {
    try {
      if (this.#personas.length === 0) {
        this.#personas = await personas();
        if (this.#welcome) this.#introduce(this.#welcome.persona, this.#welcome.provider);
      }
      this.#sessions.show(await sessions(), this.#conversation.session);
    } catch (error) {
      if (error instanceof CallError && error.status === 401) {
        this.#tell(word("keyNeeded"), button({ class: "primary", onclick: () => { this.#settings.open(); } }, word("settings")));
      }
      // The list is shown when the service is back; the connection says that it is gone.
    }
  }

  #drawer(open: boolean): void {
    this.#root.classList.toggle("drawer", open);
    this.#bar.drawer(open);
    if (open) this.#sessions.element.querySelector("button")?.focus();
  }

  #theme(): void {
    if (preferences.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = preferences.theme;
  }

  #keys(): void {
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || this.#settings.element.open) return;
      if (this.#root.classList.contains("drawer")) this.#drawer(false);
      else if (this.#conversation.busy) this.#conversation.interrupt();
      else this.#listener.stop();
    });
    addEventListener("online", () => { this.#conversation.wake(); });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && navigator.onLine) this.#conversation.wake();
    });
  }
}
