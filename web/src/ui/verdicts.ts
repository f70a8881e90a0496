/** What the check says of an answer: badges under it, and what they stand on. */
import type { Source, Verdict, VerdictStatus } from "../client/anima-client.js";
import { word, type Word } from "../words.js";
import { button, make } from "./dom.js";
import { icon, type Icon } from "./icons.js";

/** What a badge shows; the worst first. Nothing is said where nothing could be true or false. */
const BADGES: [VerdictStatus, Word, Icon][] = [
  ["contradicted", "contradicted", "cross"],
  ["unsupported", "unsupported", "question"],
  ["uncertain", "uncertain", "question"],
  ["supported", "supported", "check"],
];

let count = 0;

/** The badges of an answer; `undefined` where there is nothing to say. */
export function badges(verdicts: Verdict[], sentence: (index: number) => string): HTMLElement | undefined {
  const rows = BADGES.flatMap(([status, name, sign]) => {
    const found = verdicts.filter((verdict) => verdict.status === status);
    return found.length > 0 ? [badge(status, name, sign, found, sentence)] : [];
  });
  if (rows.length === 0) return undefined;
  const bar = make("div", { class: "badges" }, ...rows.map(({ control }) => control));
  return make("div", { class: "verdicts" }, bar, ...rows.map(({ details }) => details));
}

function badge(status: VerdictStatus, name: Word, sign: Icon, found: Verdict[], sentence: (index: number) => string) {
  count += 1;
  const id = `verdict-${String(count)}`;
  const details = make("ul", { class: "verdict-details", attributes: { id } }, ...found.map((verdict) => item(verdict, sentence)));
  details.hidden = true;
  const control = button({ class: `badge ${status}`, attributes: { "aria-expanded": "false", "aria-controls": id } });
  control.append(icon(sign), word(name));
  if (found.length > 1) control.append(` ${String(found.length)}`);
  control.addEventListener("click", () => {
    details.hidden = !details.hidden;
    control.setAttribute("aria-expanded", String(!details.hidden));
  });
  return { control, details };
}

function item(verdict: Verdict, sentence: (index: number) => string): HTMLElement {
  const about = verdict.sentence === undefined ? word("wholeAnswer") : sentence(verdict.sentence);
  const entry = make("li", {}, make("q", {}, about));
  for (const { value, nearest } of verdict.spans ?? []) {
    entry.append(nearest ? make("p", {}, make("del", {}, value), " → ", make("ins", {}, nearest)) : make("p", {}, make("mark", {}, value)));
  }
  if (verdict.correction) entry.append(fact("correction", verdict.correction.text));
  if (verdict.reasons.length > 0) entry.append(fact("reasons", verdict.reasons.join("、")));
  if (typeof verdict.score === "number") entry.append(fact("score", `${Math.round(verdict.score * 100)} %`));
  const sources = verdict.sources ?? [];
  if (sources.length > 0) entry.append(make("p", {}, make("b", {}, word("sources")), " ", sourceList(sources)));
  return entry;
}

function fact(name: Word, text: string): HTMLElement {
  return make("p", {}, make("b", {}, word(name)), ` ${text}`);
}

/** What an answer rests on, one after the other. */
export function sourceList(sources: Source[]): HTMLElement {
  const list = make("span", { class: "sources" });
  sources.forEach((source, index) => {
    if (index > 0) list.append(" ");
    list.append(sourceLink(source));
  });
  return list;
}

function sourceLink(source: Source): HTMLElement {
  const { title, url, text } = describe(source);
  const link = url === undefined ? undefined : webAddress(url);
  const shown = link
    ? make("a", { class: "source", attributes: { href: link, target: "_blank", rel: "noopener noreferrer" } }, title)
    : make("span", { class: "source" }, title);
  if (text !== undefined) shown.title = text;
  return shown;
}

function describe(source: Source): { title: string; url?: string | undefined; text?: string | undefined } {
  if (typeof source !== "object") return { title: String(source), url: typeof source === "string" ? source : undefined };
  const text = (key: string): string | undefined => {
    const value = source[key];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const url = text("url") ?? text("uri");
  const title = text("title") ?? text("name") ?? text("id") ?? text("document") ?? url ?? JSON.stringify(source);
  return { title, url, text: text("text") ?? text("quote") };
}

/** An address that a browser may be sent to; anything else, `javascript:` above all, is only text. */
function webAddress(address: string): string | undefined {
  try {
    const { protocol, href } = new URL(address);
    return protocol === "https:" || protocol === "http:" ? href : undefined;
  } catch {
    return undefined;
  }
}
