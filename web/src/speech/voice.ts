/** Voices: the browser's, and a silent one that takes as long as reading does. */

/** What happens to one text that is being said. */
export interface VoiceEvents {
  /** It begins, and takes about so many seconds. */
  started(seconds: number): void;
  /** It has come to this character. */
  reached(character: number): void;
  /** It was said to its end. Never after a cancel. */
  ended(): void;
}

/** Says one text at a time. */
export interface Voice {
  /** Begins to say a text; what it returns stops it at once. */
  say(text: string, events: VoiceEvents): () => void;
}

/** How voices are to sound. */
export interface VoiceChoice {
  /** A voice by its URI; absent: one that speaks the text's language. */
  voice: string | undefined;
  /** 1 is the usual pace. */
  rate: number;
}

const HAN_PER_SECOND = 4.6;
const LETTERS_PER_SECOND = 15;
/** The end of a sentence is heard, too. */
const PAUSE_SECONDS = 0.35;
/** An engine that says nothing about itself for this many times the expected duration has lost the text. */
const PATIENCE = 2.5;

/** About how many seconds a text takes to say. */
export function duration(text: string, rate: number): number {
  let seconds = PAUSE_SECONDS;
  for (const character of text) {
    if (/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u.test(character)) seconds += 1 / HAN_PER_SECOND;
    else if (/[\p{L}\p{N}]/u.test(character)) seconds += 1 / LETTERS_PER_SECOND;
    else if (/[，、,；;：:。！？.!?]/u.test(character)) seconds += 0.18;
  }
  return seconds / rate;
}

/** The language that a text is written in, as voices name it. */
export function languageOf(text: string): "zh-CN" | "en-US" {
  return /\p{Script=Han}/u.test(text) ? "zh-CN" : "en-US";
}

/** Takes as long as reading, and makes no sound. */
export class SilentVoice implements Voice {
  constructor(private readonly choice: () => VoiceChoice) {}

  say(text: string, events: VoiceEvents): () => void {
    const seconds = duration(text, this.choice().rate);
    events.started(seconds);
    const timer = setTimeout(() => { events.ended(); }, seconds * 1000);
    return () => { clearTimeout(timer); };
  }
}

/** The browser's speech engine, where it has a voice. A text that it refuses is said silently. */
export class BrowserVoice implements Voice {
  readonly #silent: SilentVoice;

  constructor(
    private readonly engine: SpeechSynthesis,
    private readonly choice: () => VoiceChoice,
  ) {
    this.#silent = new SilentVoice(choice);
  }

  say(text: string, events: VoiceEvents): () => void {
    const voice = this.#voiceFor(text);
    if (!voice) return this.#silent.say(text, events);
    const { rate } = this.choice();
    const utterance = new SpeechSynthesisUtterance(text);
    utterance.voice = voice;
    utterance.lang = voice.lang;
    utterance.rate = rate;
    return this.#run(utterance, duration(text, rate), events);
  }

  #run(utterance: SpeechSynthesisUtterance, seconds: number, events: VoiceEvents): () => void {
    let over = false;
    let stop = (): void => {
      over = true;
      clearTimeout(watch);
      this.engine.cancel();
    };
    const end = (): void => {
      if (over) return;
      over = true;
      clearTimeout(watch);
      events.ended();
    };
    const watch = setTimeout(end, (seconds * PATIENCE + 2) * 1000);
    utterance.onstart = () => { if (!over) events.started(seconds); };
    utterance.onboundary = ({ charIndex }) => { if (!over) events.reached(charIndex); };
    utterance.onend = end;
    utterance.onerror = ({ error }) => {
      if (over || error === "interrupted" || error === "canceled") return;
      // Not allowed without a gesture, or the engine is gone: the text is still shown at its pace.
      over = true;
      clearTimeout(watch);
      stop = this.#silent.say(utterance.text, events);
    };
    // An engine that was paused by another page would wait for ever.
    this.engine.resume();
    this.engine.speak(utterance);
    return () => { stop(); };
  }

  #voiceFor(text: string): SpeechSynthesisVoice | undefined {
    const voices = this.engine.getVoices();
    const chosen = voices.find(({ voiceURI }) => voiceURI === this.choice().voice);
    const language = languageOf(text).slice(0, 2);
    const speaks = ({ lang }: SpeechSynthesisVoice): boolean => lang.toLowerCase().replace("_", "-").startsWith(language);
    if (chosen && speaks(chosen)) return chosen;
    const able = voices.filter(speaks);
    return able.find(({ default: usual }) => usual) ?? able[0];
  }
}
