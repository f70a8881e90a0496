/*!
 * A client of Anima's native WebSocket protocol: an ES module without dependencies, for pages and for
 * every JavaScript runtime that has a `WebSocket`.
 *
 * ```js
 * import { AnimaClient } from "/static/anima-client.js";
 * const anima = new AnimaClient({ url: "ws://127.0.0.1:7871/ws" });
 * anima.on("sentence", ({ speech, emotion }) => avatar.speak(speech, emotion));
 * anima.say("如何应对压力");
 * ```
 *
 * It keeps the connection: when that is lost it comes back with growing pauses, resumes where it stopped, and
 * sends again what the service had not accepted yet, under the same turn id, so that nothing is answered
 * twice. Frames that come a second time are passed over.
 */
import type {
  AcceptedFrame,
  ErrorFrame,
  FinishedFrame,
  HistoryFrame,
  Sampling,
  ServerFrame,
  TurnFrame,
  WelcomeFrame,
} from "./frames.js";

export type * from "./frames.js";

/** What a client is made of. */
export interface ClientOptions {
  /** Where the service is: `ws://HOST:PORT/ws` or `wss://…`. */
  url: string;
  /** The session to continue; without one the service opens a new one. */
  session?: string;
  /** Who the digital human is, from now on. */
  persona?: string;
  /** Who answers, from now on. */
  provider?: string;
  /** For every turn that does not say. */
  sampling?: Sampling;
  /**
   * `"acknowledged"`: this client calls {@link AnimaClient.spoken} for each sentence that was heard to its end;
   * `"none"`, the default: what was sent counts as heard.
   */
  playback?: "none" | "acknowledged";
  /** Also send `reasoning` frames. */
  reasoning?: boolean;
  /** Only watch. */
  observe?: boolean;
  /** The API key, where the service wants one. It is sent as a subprotocol: a page can send no header here. */
  key?: string;
  /** Another class to connect with, where the runtime has no `WebSocket` of its own. */
  webSocket?: new (url: string, protocols?: string[]) => WebSocket;
}

/** How a turn is to be answered. */
export interface TurnOptions {
  /** The turn's id; generated when absent. */
  turn?: string;
  provider?: string;
  persona?: string;
  style?: string;
  sampling?: Sampling;
  /** How many earlier exchanges the model is shown at most. */
  turns?: number;
  /** Facts that the answer may rest on. */
  knowledge?: string[];
  /** What was heard of the answer before this one. */
  heard?: string;
}

/** Options of {@link AnimaClient.say}. */
export interface SayOptions extends TurnOptions {
  /** `data:image/…` URLs, for providers that look at images. */
  images?: string[];
}

/** How the connection stands. */
export interface ConnectionState {
  type: "connection";
  /** `closed` stays closed until {@link AnimaClient.connect} is called again. */
  state: "connecting" | "open" | "waiting" | "closed";
  /** The close code that led here, where there was one. */
  code?: number;
  /** Milliseconds until the next attempt, when `waiting`. */
  retry_ms?: number;
}

/**
 * What was missed cannot be told again: whoever shows the conversation should ask for
 * {@link AnimaClient.history}. A running turn comes again from its `accepted`.
 */
export interface ResetNotice {
  type: "reset";
  session: string;
}

/** Everything that listeners may be told. */
export type ClientEvent = ServerFrame | ConnectionState | ResetNotice;
/** The names of events. */
export type ClientEventType = ClientEvent["type"];
/** The event of a name. */
export type EventOf<Type extends ClientEventType> = Extract<ClientEvent, { type: Type }>;

/** A turn that failed, or was refused. */
export class TurnError extends Error {
  constructor(
    /** One of the codes in docs/protocol.md. */
    readonly code: string,
    message: string,
    /** When another attempt makes sense, in milliseconds. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
    this.name = "TurnError";
  }
}

type Command = Record<string, unknown> & { type: string };

/** A turn that has not ended, with what asked for it. */
interface OpenTurn {
  command: Command;
  accepted: boolean;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
const SLOWER_MS = 15_000;
/** Without any frame for so long the service is asked for a sign of life … */
const QUIET_MS = 20_000;
/** … and given so long for it. */
const ANSWER_MS = 8_000;
const TOO_MANY_MESSAGES = 4003;
/** Refusals that are over when the service is back, or another process has let go. */
const PASSING = new Set(["shutting_down", "turn_running_elsewhere"]);

/** A conversation with a digital human. */
export class AnimaClient {
  readonly #options: ClientOptions;
  readonly #listeners = new Map<string, Set<(event: never) => void>>();
  #socket: WebSocket | undefined;
  #state: ConnectionState["state"] = "closed";
  #session: string | undefined;
  #epoch: string | undefined;
  #lastSeq = 0;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  /** By id, oldest first. */
  readonly #turns = new Map<string, OpenTurn>();
  /** Commands about no turn, or about one that was accepted, that wait for a connection. */
  #waiting: Command[] = [];

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /** The session's id, once the service has told it. Whoever knows it can read and go on with the conversation. */
  get session(): string | undefined {
    return this.#session;
  }

  /** How the connection stands. */
  get state(): ConnectionState["state"] {
    return this.#state;
  }

  /** Calls `listener` for every event of a type; what it returns takes the listener away. */
  on<Type extends ClientEventType>(
    type: Type,
    listener: (event: EventOf<Type>) => void,
  ): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * Connects, and stays connected until {@link close}. The promise is kept with the first `welcome` and broken
   * only when the service says not to come back. Turns may be asked for before it is kept.
   */
  connect(): Promise<WelcomeFrame> {
    const welcome = new Promise<WelcomeFrame>((resolve, reject) => {
      const settled = (): void => {
        here();
        gone();
      };
      const here = this.on("welcome", (frame) => {
        settled();
        resolve(frame);
      });
      const gone = this.on("connection", ({ state, code }) => {
        if (state !== "closed") return;
        settled();
        reject(new TurnError("closed", `the connection was closed (${String(code ?? "by this client")})`));
      });
    });
    // Whoever only listens to events need not look at the promise.
    welcome.catch(() => undefined);
    if (this.#state === "closed" || this.#state === "waiting") this.#open();
    return welcome;
  }

  /** Ends the connection. A running turn goes on and is stored. */
  close(): void {
    this.#drop();
    this.#become({ type: "connection", state: "closed" });
  }

  /** Tries at once where the client waits, for example because the network is back. */
  wake(): void {
    if (this.#state === "waiting") this.#open();
  }

  /**
   * The person said this. A running turn is interrupted first. Returns the turn's id at once; without a
   * connection it is sent when there is one.
   */
  say(text: string, options: SayOptions = {}): string {
    return this.#begin({ type: "say", text, ...options });
  }

  /** As {@link say}, and a promise of the turn's end. It is broken with a {@link TurnError}. */
  ask(text: string, options: SayOptions = {}): Promise<FinishedFrame> {
    const turn = options.turn ?? newId();
    const end = this.ended(turn);
    this.say(text, { ...options, turn });
    return end;
  }

  /** Answers the last question again. */
  regenerate(options: TurnOptions = {}): string {
    return this.#begin({ type: "regenerate", ...options });
  }

  /** Speaks exactly this text; no model is asked. */
  speak(text: string, options: { turn?: string; heard?: string } = {}): string {
    return this.#begin({ type: "speak", text, ...options });
  }

  /** Sentences 0 to `sentence` of the turn were heard to their end. */
  spoken(turn: string, sentence: number): void {
    this.#send({ type: "spoken", turn, sentence });
  }

  /** The person cut in; `heard` is the text that was heard so far. A turn that was never sent is forgotten. */
  interrupt(turn?: string, heard?: string): void {
    const open = turn === undefined ? undefined : this.#turns.get(turn);
    if (turn !== undefined && open && !open.accepted && this.#state !== "open") {
      this.#turns.delete(turn);
      return;
    }
    this.#send({ type: "interrupt", ...(turn && { turn }), ...(heard !== undefined && { heard }) });
  }

  /** Another provider or persona, from the next turn on. Answered by `switched`. */
  switch(to: { provider?: string; persona?: string }): void {
    this.#send({ type: "switch", ...to });
  }

  /** The newest exchanges, oldest first. */
  history(limit = 50): Promise<HistoryFrame> {
    const answer = this.#next("history");
    this.#send({ type: "history", limit });
    return answer;
  }

  /** Forgets the exchanges and keeps the session. Answered by `cleared`. */
  clear(): void {
    this.#send({ type: "clear" });
  }

  /** A promise of a turn's end, broken with a {@link TurnError} when it fails or is refused. */
  ended(turn: string): Promise<FinishedFrame> {
    return new Promise((resolve, reject) => {
      const about = (frame: { turn?: string }): boolean => frame.turn === turn;
      const stop: (() => void)[] = [];
      const settle = (done: () => void): void => {
        for (const each of stop) each();
        done();
      };
      stop.push(
        this.on("finished", (frame) => {
          if (about(frame)) settle(() => { resolve(frame); });
        }),
        this.on("failed", (frame) => {
          if (about(frame)) settle(() => { reject(new TurnError(frame.code, frame.message, frame.retry_after_ms)); });
        }),
        this.on("error", (frame) => {
          if (about(frame) && !PASSING.has(frame.code)) {
            settle(() => { reject(new TurnError(frame.code, frame.message, frame.retry_after_ms)); });
          }
        }),
      );
    });
  }

  #begin(command: Command): string {
    const turn = typeof command.turn === "string" ? command.turn : newId();
    const whole = { ...command, turn };
    this.#turns.set(turn, { command: whole, accepted: false });
    if (this.#state === "open") this.#write(whole);
    return turn;
  }

  #send(command: Command): void {
    if (this.#state === "open") this.#write(command);
    else this.#waiting.push(command);
  }

  #write(command: Command): void {
    this.#socket?.send(JSON.stringify(command));
  }

  #next<Type extends ClientEventType>(type: Type): Promise<EventOf<Type>> {
    return new Promise((resolve) => {
      const stop = this.on(type, (event) => {
        stop();
        resolve(event);
      });
    });
  }

  #open(): void {
    this.#drop();
    this.#become({ type: "connection", state: "connecting" });
    const Socket = this.#options.webSocket ?? WebSocket;
    const socket = new Socket(this.#options.url, this.#options.key ? ["anima", `anima-key.${this.#options.key}`] : []);
    this.#socket = socket;
    this.#expectLife(ANSWER_MS);
    socket.onopen = () => { this.#hello(); };
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (socket === this.#socket && typeof data === "string") this.#receive(data);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.#socket) this.#lost(code);
    };
  }

  #hello(): void {
    const { persona, provider, sampling, playback, reasoning, observe } = this.#options;
    // What was chosen for a new session is not chosen again when the connection was lost.
    const chosen = this.#epoch === undefined ? { persona, provider } : {};
    const resume = this.#epoch === undefined ? {} : { resume_from: this.#lastSeq || undefined, epoch: this.#epoch };
    const session = this.#session;
    this.#write({ type: "hello", session, ...resume, ...chosen, sampling, playback, reasoning, observe });
  }

  #receive(data: string): void {
    this.#expectLife(QUIET_MS);
    const frame = JSON.parse(data) as ServerFrame;
    if ("seq" in frame) {
      if (frame.seq <= this.#lastSeq) return;
      this.#lastSeq = frame.seq;
    }
    if (frame.type === "welcome") this.#welcomed(frame);
    else this.#follow(frame);
    this.#tell(frame);
  }

  /** What a frame means for the turns that have not ended. */
  #follow(frame: Exclude<ServerFrame, WelcomeFrame>): void {
    if (frame.type === "accepted") this.#accepted(frame);
    else if (frame.type === "finished" || frame.type === "failed") this.#turns.delete(frame.turn);
    else if (frame.type === "error") this.#refused(frame);
  }

  #accepted({ turn }: AcceptedFrame): void {
    const open = this.#turns.get(turn);
    if (open) open.accepted = true;
  }

  #refused({ code, turn, retry_after_ms }: ErrorFrame): void {
    const open = turn === undefined ? undefined : this.#turns.get(turn);
    if (!turn || !open || open.accepted) return;
    if (!PASSING.has(code)) {
      this.#turns.delete(turn);
    } else if (code === "turn_running_elsewhere") {
      setTimeout(() => {
        if (this.#state === "open" && this.#turns.get(turn) === open) this.#write(open.command);
      }, retry_after_ms ?? 1_000);
    }
  }

  #welcomed(frame: WelcomeFrame): void {
    const again = this.#epoch !== undefined;
    const lost = again && !frame.resumed;
    if (lost || frame.epoch !== this.#epoch) this.#lastSeq = 0;
    this.#session = frame.session;
    this.#epoch = frame.epoch;
    this.#failures = 0;
    this.#become({ type: "connection", state: "open" });
    if (lost) this.#tell({ type: "reset", session: frame.session });
    for (const { command, accepted } of this.#turns.values()) {
      // An accepted turn whose events are gone is asked for again: it is joined, told again, or runs again.
      if (!accepted || lost) this.#write(command);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const command of waiting) this.#write(command);
  }

  #lost(code: number): void {
    this.#drop();
    if (code >= 4500 && code <= 4999) {
      this.#become({ type: "connection", state: "closed", code });
      return;
    }
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
    this.#failures += 1;
    const retry_ms = code === TOO_MANY_MESSAGES ? SLOWER_MS : Math.round(pause * (0.5 + Math.random() / 2));
    this.#timer = setTimeout(() => { this.#open(); }, retry_ms);
    this.#become({ type: "connection", state: "waiting", code, retry_ms });
  }

  #drop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#watch);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** A connection that is silent for longer is asked for a sign of life, and given up without one. */
  #expectLife(within: number): void {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      if (this.#state !== "open") {
        this.#lost(1006);
        return;
      }
      this.#write({ type: "ping" });
      this.#watch = setTimeout(() => { this.#lost(1006); }, ANSWER_MS);
    }, within);
  }

  #become(state: ConnectionState): void {
    this.#state = state.state;
    this.#tell(state);
  }

  #tell(event: ClientEvent): void {
    for (const listener of this.#listeners.get(event.type) ?? []) {
      (listener as (event: ClientEvent) => void)(event);
    }
  }
}

/** Whether a frame belongs to a turn. */
export function isTurnFrame(frame: ServerFrame): frame is Extract<ServerFrame, TurnFrame> {
  return "seq" in frame;
}

/** An id with 128 random bits. `crypto.randomUUID` is not there on pages without TLS. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
