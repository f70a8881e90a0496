/** Plays an answer: voice, mouth, look and caption together. */
import { Avatar } from "./avatar/avatar.js";
import type { Activity } from "./avatar/pose.js";
import { MouthTrack } from "./avatar/visemes.js";
import type { Emotion, Sentence } from "./client/anima-client.js";
import { preferences } from "./preferences.js";
import { shown, Speaker, type Heard, type Line } from "./speech/speaker.js";
import { BrowserVoice, SilentVoice, type Voice, type VoiceChoice } from "./speech/voice.js";
import { Stage } from "./ui/stage.js";

/** What a performer tells. */
export interface PerformerEvents {
  /** A sentence of a turn is being said; `undefined`: none is. */
  saying(line: Line | undefined): void;
  /** A sentence was heard to its end. */
  spoken(line: Line): void;
}

/** A feeling passes when nothing more is said. */
const FEELING_MS = 6_000;
/** What was said stays to be read for a moment. */
const CAPTION_MS = 2_600;

/** The digital human at work. */
export class Performer {
  readonly stage = new Stage();
  readonly #avatar = new Avatar(this.stage.portrait);
  readonly #speaker: Speaker;
  readonly #silent: Voice;
  readonly #browser: Voice | undefined;
  #line: Line | undefined;
  #track: MouthTrack | undefined;
  #emotion: Emotion = "neutral";
  readonly #doing = { listening: false, thinking: false, away: false };
  #fade: ReturnType<typeof setTimeout> | undefined;
  #clear: ReturnType<typeof setTimeout> | undefined;

  constructor(events: PerformerEvents) {
    const choice = (): VoiceChoice => ({ voice: preferences.voice, rate: preferences.rate });
    this.#silent = new SilentVoice(choice);
    this.#browser = "speechSynthesis" in window ? new BrowserVoice(speechSynthesis, choice) : undefined;
    const voice = (): Voice => (preferences.sound && this.#browser ? this.#browser : this.#silent);
    this.#speaker = new Speaker(voice, {
      began: (line, seconds) => {
        this.#begin(line, seconds);
        events.saying(line);
      },
      reached: (_, character) => this.#track?.reached(character, this.#avatar.now()),
      spoken: (line) => { events.spoken(line); },
      quiet: () => {
        this.#quiet();
        events.saying(undefined);
      },
    });
    addEventListener("pointermove", ({ clientX, clientY }) => { this.#avatar.lookAt(clientX, clientY); }, { passive: true });
    this.stage.caption("", 0);
    this.#show();
    this.#follow();
  }

  /** Whether it speaks or is about to. */
  get busy(): boolean {
    return this.#speaker.busy;
  }

  /** What is being said aloud. */
  get speech(): string {
    return this.#line?.sentence.speech ?? "";
  }

  /** Says a sentence after those before it. */
  add(turn: string, sentence: Sentence): void {
    this.#speaker.add(turn, sentence);
  }

  /** Says no more of a turn. */
  dismiss(turn: string): void {
    this.#speaker.dismiss(turn);
  }

  /** A turn begins again. */
  forget(turn: string): void {
    this.#speaker.forget(turn);
  }

  /** Falls silent at once, and tells what was heard. */
  stop(): Heard | undefined {
    return this.#speaker.stop();
  }

  /** What it does when it does not speak. */
  be(doing: Partial<Record<"listening" | "thinking" | "away", boolean>>): void {
    Object.assign(this.#doing, doing);
    this.#show();
  }

  /** Turns to a point of the window. */
  lookAt(element: Element): void {
    const box = element.getBoundingClientRect();
    this.#avatar.lookAt(box.left + box.width / 2, box.top);
  }

  #begin(line: Line, seconds: number): void {
    clearTimeout(this.#fade);
    clearTimeout(this.#clear);
    this.#line = line;
    this.#track = new MouthTrack(line.sentence.speech, seconds, this.#avatar.now());
    this.#avatar.speak(this.#track);
    this.#emotion = line.sentence.emotion;
    for (const action of line.sentence.actions) this.#avatar.gesture(action);
    this.#show();
  }

  #quiet(): void {
    const text = this.#line?.sentence.text ?? "";
    this.#line = undefined;
    this.#track = undefined;
    this.#avatar.speak(undefined);
    this.stage.caption(text, text.length);
    this.#clear = setTimeout(() => { this.stage.caption("", 0); }, CAPTION_MS);
    this.#fade = setTimeout(() => {
      this.#emotion = "neutral";
      this.#show();
    }, FEELING_MS);
    this.#show();
  }

  /** Moves the caption along with the voice. */
  #follow(): void {
    requestAnimationFrame(() => { this.#follow(); });
    if (!this.#line || !this.#track) return;
    const { text, speech } = this.#line.sentence;
    const said = Math.min(speech.length, this.#track.position(this.#avatar.now()));
    this.stage.caption(text.trim(), shown(text.trim(), speech, said).length);
  }

  #activity(): Activity {
    if (this.#doing.away) return "away";
    if (this.#line) return "speaking";
    if (this.#doing.thinking) return "thinking";
    return this.#doing.listening ? "listening" : "idle";
  }

  #show(): void {
    const activity = this.#activity();
    // What was felt before does not colour what is thought of now.
    const emotion = activity === "thinking" || activity === "listening" ? "neutral" : this.#emotion;
    this.#avatar.feel(emotion);
    this.#avatar.become(activity);
    this.stage.show(emotion, activity);
  }
}
