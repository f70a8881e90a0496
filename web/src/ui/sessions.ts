/** The list of conversations: go back to one, rename it, delete it. */
import type { SessionRecord } from "../service.js";
import { preferences } from "../preferences.js";
import { inWords, labelled, named, word } from "../words.js";
import { button, make } from "./dom.js";
import { icon } from "./icons.js";

/** What the list asks for. */
export interface SessionEvents {
  open(session: string): void;
  fresh(): void;
  rename(session: string, title: string): void;
  delete(session: string): void;
  close(): void;
}

/** The list. */
export class Sessions {
  readonly element: HTMLElement;
  readonly #list = make("ul", { class: "session-list" });
  readonly #events: SessionEvents;
  #records: SessionRecord[] = [];
  #current: string | undefined;

  constructor(events: SessionEvents) {
    this.#events = events;
    const close = named(button({ class: "round close", onclick: () => { events.close(); } }, icon("close")), "hideConversations");
    const fresh = button({ class: "chip wide", onclick: () => { events.fresh(); } }, icon("fresh"));
    fresh.append(labelled(make("span"), "fresh"));
    const head = make("div", { class: "sessions-head" }, labelled(make("h2", { attributes: { id: "sessions-title" } }), "conversations"), close);
    this.element = make("nav", { class: "sessions", attributes: { id: "sessions", "aria-labelledby": "sessions-title" } }, head, fresh, this.#list);
    inWords(() => { this.#draw(); });
  }

  /** Shows these, the one that is open marked. */
  show(records: SessionRecord[], current: string | undefined): void {
    this.#records = records;
    this.#current = current;
    // Whoever is just typing a name, or about to confirm, is not disturbed.
    if (!this.#list.querySelector("input, .confirm")) this.#draw();
  }

  #draw(): void {
    const items = this.#records.map((record) => this.#item(record));
    this.#list.replaceChildren(...(items.length > 0 ? items : [make("li", { class: "none" }, word("noConversations"))]));
  }

  #item(record: SessionRecord): HTMLElement {
    const current = record.id === this.#current;
    const title = record.title || word("untitled");
    const open = button(
      { class: "session-open", attributes: current ? { "aria-current": "true" } : {}, onclick: () => { this.#events.open(record.id); } },
      make("span", { class: "session-title" }, title),
      make("time", { attributes: { datetime: record.updated_at } }, ago(record.updated_at)),
    );
    const item = make("li", { class: current ? "current" : "" }, open);
    const rename = button({ class: "round small", attributes: { "aria-label": `${word("rename")}：${title}`, title: word("rename") } }, icon("pencil"));
    rename.addEventListener("click", () => { this.#rename(item, record); });
    const remove = button({ class: "round small", attributes: { "aria-label": `${word("delete")}：${title}`, title: word("delete") } }, icon("bin"));
    remove.addEventListener("click", () => { this.#confirm(item, record); });
    item.append(make("span", { class: "session-tools" }, rename, remove));
    return item;
  }

  #rename(item: HTMLElement, record: SessionRecord): void {
    const field = make("input", { attributes: { maxlength: "100", "aria-label": word("newName") } });
    field.value = record.title;
    const form = make("form", { class: "rename" }, field, button({ class: "round small", attributes: { type: "submit", "aria-label": word("rename") } }, icon("check")));
    const leave = (): void => { this.#draw(); };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const title = field.value.trim();
      leave();
      if (title && title !== record.title) this.#events.rename(record.id, title);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      leave();
    });
    item.replaceChildren(form);
    field.select();
  }

  #confirm(item: HTMLElement, record: SessionRecord): void {
    const leave = (): void => { this.#draw(); };
    const yes = button({ class: "danger", onclick: () => { leave(); this.#events.delete(record.id); } }, icon("bin"), word("really"));
    const no = button({ class: "quiet", onclick: leave }, word("close"));
    item.replaceChildren(make("span", { class: "confirm" }, yes, no));
    yes.focus();
  }
}

/** How long ago, in the person's language. */
function ago(time: string): string {
  const minutes = Math.round((Date.parse(time) - Date.now()) / 60_000);
  const format = new Intl.RelativeTimeFormat(preferences.language === "zh" ? "zh-CN" : "en", { numeric: "auto", style: "short" });
  if (Number.isNaN(minutes)) return "";
  if (minutes > -60) return format.format(Math.min(0, minutes), "minute");
  if (minutes > -60 * 24) return format.format(Math.round(minutes / 60), "hour");
  return format.format(Math.round(minutes / 60 / 24), "day");
}
