/** Speech input, where the browser has it. */

interface Alternative {
  transcript: string;
}

interface RecognitionEvent {
  resultIndex: number;
  results: ArrayLike<ArrayLike<Alternative> & { isFinal: boolean }>;
}

/** What browsers offer; its types are in no library yet. */
interface Recognition {
  lang: string;
  continuous: boolean;
  interimResults: boolean;
  onresult: ((event: RecognitionEvent) => void) | null;
  onerror: ((event: { error: string }) => void) | null;
  onend: (() => void) | null;
  start(): void;
  abort(): void;
}

type RecognitionClass = new () => Recognition;

/** What a listener tells. */
export interface ListenerEvents {
  /** Words that may still change. */
  hearing(words: string): void;
  /** What was said. */
  heard(words: string): void;
  /** It listens, or no longer does; with a reason when it cannot. */
  changed(listening: boolean, problem?: "denied" | "failed"): void;
}

/** Listens until it is told not to. */
export class Listener {
  readonly #events: ListenerEvents;
  #recognition: Recognition | undefined;
  #wanted = false;

  constructor(events: ListenerEvents) {
    this.#events = events;
  }

  /** Whether this browser can listen. */
  static get available(): boolean {
    return recognitionClass() !== undefined;
  }

  /** Whether it listens. */
  get listening(): boolean {
    return this.#wanted;
  }

  /** Begins to listen in a language. */
  start(language: string): void {
    const Recognition = recognitionClass();
    if (!Recognition || this.#wanted) return;
    this.#wanted = true;
    const recognition = new Recognition();
    recognition.lang = language;
    recognition.continuous = true;
    recognition.interimResults = true;
    recognition.onresult = (event) => { this.#results(event); };
    recognition.onerror = ({ error }) => {
      if (error === "not-allowed" || error === "service-not-allowed") this.#give("denied");
      else if (error !== "no-speech" && error !== "aborted") this.#give("failed");
    };
    recognition.onend = () => {
      // Engines stop after a silence; the person has not said that they are done.
      if (this.#wanted && this.#recognition === recognition) recognition.start();
    };
    this.#recognition = recognition;
    recognition.start();
    this.#events.changed(true);
  }

  /** Stops listening. */
  stop(): void {
    if (this.#wanted) this.#give();
  }

  #give(problem?: "denied" | "failed"): void {
    this.#wanted = false;
    const recognition = this.#recognition;
    this.#recognition = undefined;
    recognition?.abort();
    this.#events.changed(false, problem);
  }

  #results({ results, resultIndex }: RecognitionEvent): void {
    let open = "";
    for (let index = resultIndex; index < results.length; index += 1) {
      const result = results[index];
      const words = result?.[0]?.transcript ?? "";
      if (!result?.isFinal) open += words;
      else if (words.trim()) this.#events.heard(words.trim());
    }
    if (open.trim()) this.#events.hearing(open.trim());
  }
}

function recognitionClass(): RecognitionClass | undefined {
  const scope = globalThis as { SpeechRecognition?: RecognitionClass; webkitSpeechRecognition?: RecognitionClass };
  return scope.SpeechRecognition ?? scope.webkitSpeechRecognition;
}

/** Whether words that were recognized are the digital human's own, come back from the loudspeaker. */
export function isEcho(words: string, speech: string): boolean {
  const plain = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const said = plain(words);
  return said.length > 0 && plain(speech).includes(said);
}
