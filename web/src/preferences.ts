/** What a person has chosen on this page, kept by the browser. */

/** The choices. */
export interface Preferences {
  session: string | undefined;
  language: "zh" | "en";
  theme: "auto" | "light" | "dark";
  temperature: number;
  topP: number;
  /** 上文轮次; absent: as the persona has it. */
  turns: number | undefined;
  /** Whether answers are spoken aloud. */
  sound: boolean;
  voice: string | undefined;
  rate: number;
}

const KEY = "anima";

function usual(): Preferences {
  return {
    session: undefined,
    language: navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en",
    theme: "auto",
    temperature: 0.3,
    topP: 0.95,
    turns: undefined,
    sound: true,
    voice: undefined,
    rate: 1,
  };
}

function load(): Preferences {
  const chosen = usual();
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    if (typeof kept !== "object" || kept === null) return chosen;
    const { session, language, theme, temperature, topP, turns, sound, voice, rate } = kept as Record<string, unknown>;
    if (typeof session === "string") chosen.session = session;
    if (language === "zh" || language === "en") chosen.language = language;
    if (theme === "light" || theme === "dark") chosen.theme = theme;
    if (within(temperature, 0, 1)) chosen.temperature = temperature;
    if (within(topP, 0.5, 1)) chosen.topP = topP;
    if (within(turns, 0, 5)) chosen.turns = Math.round(turns);
    if (typeof sound === "boolean") chosen.sound = sound;
    if (typeof voice === "string") chosen.voice = voice;
    if (within(rate, 0.5, 2)) chosen.rate = rate;
  } catch {
    // Something else was kept there, or nothing may be: the usual choices are good.
  }
  return chosen;
}

function within(value: unknown, low: number, high: number): value is number {
  return typeof value === "number" && value >= low && value <= high;
}

/** The choices as they stand. */
export const preferences: Readonly<Preferences> = load();

const SECRET = "anima-key";

/** The key that the service wants, if it wants one: kept until the tab is closed, and no longer. */
export function key(): string | undefined {
  try {
    return sessionStorage.getItem(SECRET) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Takes another key, or none. */
export function useKey(text: string): void {
  try {
    if (text) sessionStorage.setItem(SECRET, text);
    else sessionStorage.removeItem(SECRET);
  } catch {
    // Where nothing may be kept, no service with keys can be used.
  }
}

/** Changes some of them, and keeps all. */
export function prefer(changes: Partial<Preferences>): void {
  Object.assign(preferences, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // Without a place to keep them they hold until the page is closed.
  }
}
