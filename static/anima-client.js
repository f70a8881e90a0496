/** A turn that failed, or was refused. */
export class TurnError extends Error {
    code;
    retryAfterMs;
    constructor(
    /** One of the codes in docs/protocol.md. */
    code, message, 
    /** When another attempt makes sense, in milliseconds. */
    retryAfterMs) {
        super(message);
        this.code = code;
        this.retryAfterMs = retryAfterMs;
        this.name = "TurnError";
    }
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
    #options;
    #listeners = new Map();
    #socket;
    #state = "closed";
    #session;
    #epoch;
    #lastSeq = 0;
    #failures = 0;
    #timer;
    #watch;
    /** By id, oldest first. */
    #turns = new Map();
    /** Commands about no turn, or about one that was accepted, that wait for a connection. */
    #waiting = [];
    constructor(options) {
        this.#options = options;
        this.#session = options.session;
    }
    /** The session's id, once the service has told it. Whoever knows it can read and go on with the conversation. */
    get session() {
        return this.#session;
    }
    /** How the connection stands. */
    get state() {
        return this.#state;
    }
    /** Calls `listener` for every event of a type; what it returns takes the listener away. */
    on(type, listener) {
        const listeners = this.#listeners.get(type) ?? new Set();
        this.#listeners.set(type, listeners);
        listeners.add(listener);
        return () => listeners.delete(listener);
    }
    /**
     * Connects, and stays connected until {@link close}. The promise is kept with the first `welcome` and broken
     * only when the service says not to come back. Turns may be asked for before it is kept.
     */
    connect() {
        const welcome = new Promise((resolve, reject) => {
            const settled = () => {
                here();
                gone();
            };
            const here = this.on("welcome", (frame) => {
                settled();
                resolve(frame);
            });
            const gone = this.on("connection", ({ state, code }) => {
                if (state !== "closed")
                    return;
                settled();
                reject(new TurnError("closed", `the connection was closed (${String(code ?? "by this client")})`));
            });
        });
        // Whoever only listens to events need not look at the promise.
        welcome.catch(() => undefined);
        if (this.#state === "closed" || this.#state === "waiting")
            this.#open();
        return welcome;
    }
    /** Ends the connection. A running turn goes on and is stored. */
    close() {
        this.#drop();
        this.#become({ type: "connection", state: "closed" });
    }
    /** Tries at once where the client waits, for example because the network is back. */
    wake() {
        if (this.#state === "waiting")
            this.#open();
    }
    /**
     * The person said this. A running turn is interrupted first. Returns the turn's id at once; without a
     * connection it is sent when there is one.
     */
    say(text, options = {}) {
        return this.#begin({ type: "say", text, ...options });
    }
    /** As {@link say}, and a promise of the turn's end. It is broken with a {@link TurnError}. */
    ask(text, options = {}) {
        const turn = options.turn ?? newId();
        const end = this.ended(turn);
        this.say(text, { ...options, turn });
        return end;
    }
    /** Answers the last question again. */
    regenerate(options = {}) {
        return this.#begin({ type: "regenerate", ...options });
    }
    /** Speaks exactly this text; no model is asked. */
    speak(text, options = {}) {
        return this.#begin({ type: "speak", text, ...options });
    }
    /** Sentences 0 to `sentence` of the turn were heard to their end. */
    spoken(turn, sentence) {
        this.#send({ type: "spoken", turn, sentence });
    }
    /** The person cut in; `heard` is the text that was heard so far. A turn that was never sent is forgotten. */
    interrupt(turn, heard) {
        const open = turn === undefined ? undefined : this.#turns.get(turn);
        if (turn !== undefined && open && !open.accepted && this.#state !== "open") {
            this.#turns.delete(turn);
            return;
        }
        this.#send({ type: "interrupt", ...(turn && { turn }), ...(heard !== undefined && { heard }) });
    }
    /** Another provider or persona, from the next turn on. Answered by `switched`. */
    switch(to) {
        this.#send({ type: "switch", ...to });
    }
    /** The newest exchanges, oldest first. */
    history(limit = 50) {
        const answer = this.#next("history");
        this.#send({ type: "history", limit });
        return answer;
    }
    /** Forgets the exchanges and keeps the session. Answered by `cleared`. */
    clear() {
        this.#send({ type: "clear" });
    }
    /** A promise of a turn's end, broken with a {@link TurnError} when it fails or is refused. */
    ended(turn) {
        return new Promise((resolve, reject) => {
            const about = (frame) => frame.turn === turn;
            const stop = [];
            const settle = (done) => {
                for (const each of stop)
                    each();
                done();
            };
            stop.push(this.on("finished", (frame) => {
                if (about(frame))
                    settle(() => { resolve(frame); });
            }), this.on("failed", (frame) => {
                if (about(frame))
                    settle(() => { reject(new TurnError(frame.code, frame.message, frame.retry_after_ms)); });
            }), this.on("error", (frame) => {
                if (about(frame) && !PASSING.has(frame.code)) {
                    settle(() => { reject(new TurnError(frame.code, frame.message, frame.retry_after_ms)); });
                }
            }));
        });
    }
    #begin(command) {
        const turn = typeof command.turn === "string" ? command.turn : newId();
        const whole = { ...command, turn };
        this.#turns.set(turn, { command: whole, accepted: false });
        if (this.#state === "open")
            this.#write(whole);
        return turn;
    }
    #send(command) {
        if (this.#state === "open")
            this.#write(command);
        else
            this.#waiting.push(command);
    }
    #write(command) {
        this.#socket?.send(JSON.stringify(command));
    }
    #next(type) {
        return new Promise((resolve) => {
            const stop = this.on(type, (event) => {
                stop();
                resolve(event);
            });
        });
    }
    #open() {
        this.#drop();
        this.#become({ type: "connection", state: "connecting" });
        const Socket = this.#options.webSocket ?? WebSocket;
        const socket = new Socket(this.#options.url, this.#options.key ? ["anima", `anima-key.${this.#options.key}`] : []);
        this.#socket = socket;
        this.#expectLife(ANSWER_MS);
        socket.onopen = () => { this.#hello(); };
        socket.onmessage = ({ data }) => {
            if (socket === this.#socket && typeof data === "string")
                this.#receive(data);
        };
        socket.onclose = ({ code }) => {
            if (socket === this.#socket)
                this.#lost(code);
        };
    }
    #hello() {
        const { persona, provider, sampling, playback, reasoning, observe } = this.#options;
        // What was chosen for a new session is not chosen again when the connection was lost.
        const chosen = this.#epoch === undefined ? { persona, provider } : {};
        const resume = this.#epoch === undefined ? {} : { resume_from: this.#lastSeq || undefined, epoch: this.#epoch };
        const session = this.#session;
        this.#write({ type: "hello", session, ...resume, ...chosen, sampling, playback, reasoning, observe });
    }
    #receive(data) {
        this.#expectLife(QUIET_MS);
        const frame = JSON.parse(data);
        if ("seq" in frame) {
            if (frame.seq <= this.#lastSeq)
                return;
            this.#lastSeq = frame.seq;
        }
        if (frame.type === "welcome")
            this.#welcomed(frame);
        else
            this.#follow(frame);
        this.#tell(frame);
    }
    /** What a frame means for the turns that have not ended. */
    #follow(frame) {
        if (frame.type === "accepted")
            this.#accepted(frame);
        else if (frame.type === "finished" || frame.type === "failed")
            this.#turns.delete(frame.turn);
        else if (frame.type === "error")
            this.#refused(frame);
    }
    #accepted({ turn }) {
        const open = this.#turns.get(turn);
        if (open)
            open.accepted = true;
    }
    #refused({ code, turn, retry_after_ms }) {
        const open = turn === undefined ? undefined : this.#turns.get(turn);
        if (!turn || !open || open.accepted)
            return;
        if (!PASSING.has(code)) {
            this.#turns.delete(turn);
        }
        else if (code === "turn_running_elsewhere") {
            setTimeout(() => {
                if (this.#state === "open" && this.#turns.get(turn) === open)
                    this.#write(open.command);
            }, retry_after_ms ?? 1_000);
        }
    }
    #welcomed(frame) {
        const again = this.#epoch !== undefined;
        const lost = again && !frame.resumed;
        if (lost || frame.epoch !== this.#epoch)
            this.#lastSeq = 0;
        this.#session = frame.session;
        this.#epoch = frame.epoch;
        this.#failures = 0;
        this.#become({ type: "connection", state: "open" });
        if (lost)
            this.#tell({ type: "reset", session: frame.session });
        for (const { command, accepted } of this.#turns.values()) {
            // An accepted turn whose events are gone is asked for again: it is joined, told again, or runs again.
            if (!accepted || lost)
                this.#write(command);
        }
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const command of waiting)
            this.#write(command);
    }
    #lost(code) {
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
    #drop() {
        clearTimeout(this.#timer);
        clearTimeout(this.#watch);
        const socket = this.#socket;
        this.#socket = undefined;
        if (!socket)
            return;
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
    }
    /** A connection that is silent for longer is asked for a sign of life, and given up without one. */
    #expectLife(within) {
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
    #become(state) {
        this.#state = state.state;
        this.#tell(state);
    }
    #tell(event) {
        for (const listener of this.#listeners.get(event.type) ?? []) {
            listener(event);
        }
    }
}
/** Whether a frame belongs to a turn. */
export function isTurnFrame(frame) {
    return "seq" in frame;
}
/** An id with 128 random bits. `crypto.randomUUID` is not there on pages without TLS. */
export function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
