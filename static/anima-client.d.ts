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
import type { FinishedFrame, HistoryFrame, Sampling, ServerFrame, TurnFrame, WelcomeFrame } from "./frames.js";
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
export type EventOf<Type extends ClientEventType> = Extract<ClientEvent, {
    type: Type;
}>;
/** A turn that failed, or was refused. */
export declare class TurnError extends Error {
    /** One of the codes in docs/protocol.md. */
    readonly code: string;
    /** When another attempt makes sense, in milliseconds. */
    readonly retryAfterMs?: number | undefined;
    constructor(
    /** One of the codes in docs/protocol.md. */
    code: string, message: string, 
    /** When another attempt makes sense, in milliseconds. */
    retryAfterMs?: number | undefined);
}
/** A conversation with a digital human. */
export declare class AnimaClient {
    #private;
    constructor(options: ClientOptions);
    /** The session's id, once the service has told it. Whoever knows it can read and go on with the conversation. */
    get session(): string | undefined;
    /** How the connection stands. */
    get state(): ConnectionState["state"];
    /** Calls `listener` for every event of a type; what it returns takes the listener away. */
    on<Type extends ClientEventType>(type: Type, listener: (event: EventOf<Type>) => void): () => void;
    /**
     * Connects, and stays connected until {@link close}. The promise is kept with the first `welcome` and broken
     * only when the service says not to come back. Turns may be asked for before it is kept.
     */
    connect(): Promise<WelcomeFrame>;
    /** Ends the connection. A running turn goes on and is stored. */
    close(): void;
    /** Tries at once where the client waits, for example because the network is back. */
    wake(): void;
    /**
     * The person said this. A running turn is interrupted first. Returns the turn's id at once; without a
     * connection it is sent when there is one.
     */
    say(text: string, options?: SayOptions): string;
    /** As {@link say}, and a promise of the turn's end. It is broken with a {@link TurnError}. */
    ask(text: string, options?: SayOptions): Promise<FinishedFrame>;
    /** Answers the last question again. */
    regenerate(options?: TurnOptions): string;
    /** Speaks exactly this text; no model is asked. */
    speak(text: string, options?: {
        turn?: string;
        heard?: string;
    }): string;
    /** Sentences 0 to `sentence` of the turn were heard to their end. */
    spoken(turn: string, sentence: number): void;
    /** The person cut in; `heard` is the text that was heard so far. A turn that was never sent is forgotten. */
    interrupt(turn?: string, heard?: string): void;
    /** Another provider or persona, from the next turn on. Answered by `switched`. */
    switch(to: {
        provider?: string;
        persona?: string;
    }): void;
    /** The newest exchanges, oldest first. */
    history(limit?: number): Promise<HistoryFrame>;
    /** Forgets the exchanges and keeps the session. Answered by `cleared`. */
    clear(): void;
    /** A promise of a turn's end, broken with a {@link TurnError} when it fails or is refused. */
    ended(turn: string): Promise<FinishedFrame>;
}
/** Whether a frame belongs to a turn. */
export declare function isTurnFrame(frame: ServerFrame): frame is Extract<ServerFrame, TurnFrame>;
/** An id with 128 random bits. `crypto.randomUUID` is not there on pages without TLS. */
export declare function newId(): string;
