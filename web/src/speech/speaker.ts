/** Says an answer sentence by sentence, and knows at any time how much of it was heard. */
import type { Sentence } from "../client/anima-client.js";
import type { Voice } from "./voice.js";

/** A sentence of a turn that waits to be said. */
export interface Line {
  turn: string;
  sentence: Sentence;
}

/** How much of a turn's answer was heard. */
export interface Heard {
  turn: string;
  text: string;
}

/** What a speaker tells. */
export interface SpeakerEvents {
  /** A sentence begins, and takes about so many seconds. */
  began(line: Line, seconds: number): void;
  /** The voice has come to this character of what is said aloud. */
  reached(line: Line, character: number): void;
  /** A sentence was heard to its end. */
  spoken(line: Line): void;
  /** Nothing is left to say, or it was stopped. */
  quiet(): void;
}

/** Characters between two boundaries are not all unheard: about so many are said in a second. */
const CHARACTERS_PER_SECOND = { han: 4.6, other: 14 };

/** One voice at a time. */
export class Speaker {
  readonly #voice: () => Voice;
  readonly #events: SpeakerEvents;
  readonly #queue: Line[] = [];
  #current: { line: Line; stop: () => void; reached: number; since: number } | undefined;
  #turn: string | undefined;
  #heard = "";
  #last = -1;

  constructor(voice: () => Voice, events: SpeakerEvents) {
    this.#voice = voice;
    this.#events = events;
  }

  /** Whether something is being said or waits to be. */
  get busy(): boolean {
    return this.#current !== undefined || this.#queue.length > 0;
  }

  /** The turn that was said last. */
  get turn(): string | undefined {
    return this.#turn;
  }

  /** Says a sentence after those before it. One that was told already is passed over. */
  add(turn: string, sentence: Sentence): void {
    if (turn !== this.#turn) {
      this.stop();
      this.#turn = turn;
      this.#heard = "";
      this.#last = -1;
    }
    if (sentence.index <= this.#last) return;
    this.#last = sentence.index;
    this.#queue.push({ turn, sentence });
    if (!this.#current) this.#next();
  }

  /** Passes over a turn's further sentences: the person cut in. */
  dismiss(turn: string): void {
    if (turn !== this.#turn) {
      this.#turn = turn;
      this.#heard = "";
    }
    this.#last = Number.MAX_SAFE_INTEGER;
  }

  /** The turn begins again: what was said of it does not count. */
  forget(turn: string): void {
    if (turn !== this.#turn) return;
    this.stop();
    this.#turn = undefined;
  }

  /** Falls silent at once, and tells what was heard of the turn. */
  stop(): Heard | undefined {
    const heard = this.heard();
    const busy = this.busy;
    this.#queue.length = 0;
    if (this.#current) {
      this.#heard = heard?.text ?? this.#heard;
      this.#current.stop();
      this.#current = undefined;
    }
    if (busy) this.#events.quiet();
    return heard;
  }

  /** What was heard of the newest turn by now. */
  heard(): Heard | undefined {
    if (this.#turn === undefined) return undefined;
    const current = this.#current;
    if (!current) return { turn: this.#turn, text: this.#heard };
    const { text, speech } = current.line.sentence;
    const elapsed = current.since === 0 ? 0 : (performance.now() - current.since) / 1000;
    const pace = /\p{Script=Han}/u.test(speech) ? CHARACTERS_PER_SECOND.han : CHARACTERS_PER_SECOND.other;
    const said = Math.min(speech.length, current.reached + Math.floor(elapsed * pace));
    return { turn: this.#turn, text: this.#heard + shown(text, speech, said) };
  }

  #next(): void {
    const line = this.#queue.shift();
    if (!line) {
      this.#events.quiet();
      return;
    }
    const current = { line, stop: (): void => undefined, reached: 0, since: 0 };
    this.#current = current;
    const done = (): void => {
      if (this.#current !== current) return;
      this.#heard += line.sentence.text;
      this.#current = undefined;
      this.#events.spoken(line);
      this.#next();
    };
    if (!line.sentence.speech.trim()) {
      // Nothing in it can be said: it was shown.
      queueMicrotask(done);
      return;
    }
    current.stop = this.#voice().say(line.sentence.speech, {
      started: (seconds) => {
        current.since = performance.now();
        if (this.#current === current || !this.#current) this.#events.began(line, seconds);
      },
      reached: (character) => {
        current.reached = character;
        current.since = performance.now();
        this.#events.reached(line, character);
      },
      ended: done,
    });
  }
}

/** The beginning of what is shown that belongs to the first `said` characters of what is said. */
export function shown(text: string, speech: string, said: number): string {
  if (said >= speech.length) return text;
  if (text === speech) return whole(text, said);
  if (text.startsWith(speech.slice(0, said))) return whole(text, said);
  return whole(text, Math.floor((said / Math.max(1, speech.length)) * text.length));
}

/** Cuts between characters, not inside of one. */
function whole(text: string, end: number): string {
  const code = text.charCodeAt(end - 1);
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? end - 1 : end);
}
