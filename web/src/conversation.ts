/** One conversation at a time: the client on one side, transcript and performer on the other. */
import { AnimaClient, type ConnectionState, type SwitchedFrame, type TurnOptions, type WelcomeFrame } from "./client/anima-client.js";
import type { Performer } from "./performer.js";
import { key, prefer, preferences } from "./preferences.js";
import type { Transcript } from "./ui/transcript.js";
import type { TurnView } from "./ui/turn-view.js";
import { word } from "./words.js";

/** What a conversation tells. */
export interface ConversationEvents {
  welcome(frame: WelcomeFrame): void;
  connection(state: ConnectionState): void;
  switched(frame: SwitchedFrame): void;
  restarting(): void;
  /** Something that is not a turn's was refused. */
  refused(message: string): void;
  /** A turn ended, or the words of one were kept. */
  changed(): void;
  /** Something to say to those who do not see it. */
  announce(text: string): void;
}

const HISTORY = 100;

/** The conversation that is open. */
export class Conversation {
  #client: AnimaClient;
  readonly #transcript: Transcript;
  readonly #performer: Performer;
  readonly #events: ConversationEvents;

  constructor(transcript: Transcript, performer: Performer, events: ConversationEvents) {
    this.#transcript = transcript;
    this.#performer = performer;
    this.#events = events;
    this.#client = this.#connect(preferences.session);
  }

  /** The session's id. */
  get session(): string | undefined {
    return this.#client.session;
  }

  /** Whether something can be cut short. */
  get busy(): boolean {
    return this.#performer.busy || this.#running !== undefined;
  }

  /** Whether an answer is still coming. */
  get answering(): boolean {
    return this.#running !== undefined;
  }

  /** Opens a conversation, or a new one. */
  open(session?: string): void {
    if (this.#performer.busy) this.interrupt();
    this.#client.close();
    this.#transcript.clear();
    this.#client = this.#connect(session);
  }

  /** Connects at once when it waits to. */
  wake(): void {
    this.#client.wake();
  }

  /** Takes the conversation back from another page. */
  takeOver(): void {
    this.#client.connect().catch(() => undefined);
  }

  /** The person says something; whatever is being said ends. */
  say(text: string): void {
    const turn = this.#client.say(text, { ...this.#manner(), ...this.#cut() });
    this.#transcript.add(turn, text);
    this.#update();
  }

  /** Answers the last words again. */
  again(): void {
    const last = this.#transcript.last;
    if (typeof last?.said !== "string") return;
    const turn = this.#client.regenerate({ ...this.#manner(), ...this.#cut() });
    last.replaceBy(turn);
    this.#update();
  }

  /** Sends a turn that failed once more. */
  retry(view: TurnView): void {
    if (view.said === null) return;
    if (view === this.#transcript.last) {
      // The same id runs in its old place.
      this.#client.say(view.said, { ...this.#manner(), turn: view.id });
    } else {
      this.say(view.said);
    }
    this.#update();
  }

  /** The person cuts in. */
  interrupt(): void {
    const running = this.#running;
    const wasBusy = this.#performer.busy;
    const heard = this.#performer.stop();
    if (running) {
      this.#performer.dismiss(running.id);
      this.#client.interrupt(running.id, heard?.turn === running.id ? heard.text : "");
    } else if (wasBusy && heard) {
      this.#performer.dismiss(heard.turn);
      this.#client.interrupt(heard.turn, heard.text);
    }
    if (running ?? wasBusy) this.#events.announce(word("interrupted"));
    this.#update();
  }

  /** Another provider or persona. */
  switch(to: { provider?: string; persona?: string }): void {
    this.#client.switch(to);
  }

  /** Tells the service that a sentence was heard. */
  spoken(turn: string, sentence: number): void {
    this.#client.spoken(turn, sentence);
  }

  get #running(): TurnView | undefined {
    const last = this.#transcript.last;
    return last && !last.ended ? last : undefined;
  }

  /** Falls silent for the next turn, which tells what was heard of this one. */
  #cut(): { heard?: string } {
    const wasBusy = this.#performer.busy;
    const heard = this.#performer.stop();
    if (this.#running) this.#performer.dismiss(this.#running.id);
    return wasBusy && heard ? { heard: heard.text } : {};
  }

  #manner(): TurnOptions {
    const { temperature, topP, turns } = preferences;
    return { sampling: { temperature, top_p: topP }, ...(turns !== undefined && { turns }) };
  }

  #update(): void {
    this.#performer.be({ thinking: this.#running?.waiting ?? false });
    this.#events.changed();
  }

  #connect(session: string | undefined): AnimaClient {
    const url = new URL("/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const secret = key();
    const client = new AnimaClient({
      url: url.href,
      playback: "acknowledged",
      ...(session && { session }),
      ...(secret && { key: secret }),
    });
    this.#follow(client);
    this.#followTurns(client);
    client.connect().then(
      () => { this.#restore(client); },
      () => undefined,
    );
    return client;
  }

  /** Shows what was said before. */
  #restore(client: AnimaClient): void {
    void client.history(HISTORY).then(({ exchanges }) => {
      if (client !== this.#client) return;
      this.#transcript.restore(exchanges);
      this.#update();
    });
  }

  #follow(client: AnimaClient): void {
    const mine = <T>(then: (event: T) => void) => (event: T): void => {
      if (client === this.#client) then(event);
    };
    client.on("welcome", mine((frame) => {
      prefer({ session: frame.session });
      this.#events.welcome(frame);
    }));
    client.on("connection", (state) => { if (client === this.#client || state.state === "connecting") this.#events.connection(state); });
    client.on("reset", mine(() => { this.#restore(client); }));
    client.on("switched", mine((frame) => { this.#events.switched(frame); }));
    client.on("goaway", mine(() => { this.#events.restarting(); }));
    client.on("error", mine(({ code, message, turn }) => {
      const view = turn === undefined ? undefined : this.#transcript.find(turn);
      if (code === "shutting_down" || code === "turn_running_elsewhere") return;
      // Whatever came too late to count is no trouble of the person's.
      if (view?.ended === false) view.failed({ code, message });
      else if (code !== "turn_not_found") this.#events.refused(message);
      this.#update();
    }));
    client.on("heard", mine(({ turn, text }) => { this.#transcript.find(turn)?.heard(text); }));
  }

  #followTurns(client: AnimaClient): void {
    const change = (turn: string, how: (view: TurnView) => void): void => {
      if (client !== this.#client) return;
      this.#transcript.change(() => {
        const view = this.#transcript.find(turn);
        if (view) how(view);
      });
      this.#update();
    };
    client.on("accepted", (frame) => {
      if (!frame.replay) this.#performer.forget(frame.turn);
      change(frame.turn, (view) => { view.accepted(frame); });
    });
    client.on("queued", ({ turn, ahead }) => { change(turn, (view) => { view.queued(ahead); }); });
    client.on("started", (frame) => { change(frame.turn, (view) => { view.started(frame); }); });
    client.on("delta", ({ turn, text }) => { change(turn, (view) => { view.delta(text); }); });
    client.on("sentence", (frame) => {
      change(frame.turn, (view) => { view.sentence(frame); });
      if (client === this.#client) this.#performer.add(frame.turn, frame);
    });
    client.on("verdict", (frame) => { change(frame.turn, (view) => { view.verdict(frame); }); });
    client.on("finished", (frame) => {
      change(frame.turn, (view) => { view.finished(frame); });
      // What is spoken aloud needs no second reading.
      if (!preferences.sound && frame.reason !== "interrupted") this.#events.announce(frame.text);
    });
    client.on("failed", (frame) => {
      change(frame.turn, (view) => { view.failed(frame); });
      this.#events.announce(`${word("failed")}：${frame.message}`);
    });
  }
}
