/** Elements by hand: text is always text, never markup. */

type Child = Node | string | undefined;

/** What an element is given beside its children. */
export interface Options {
  class?: string;
  /** Attributes as they are. */
  attributes?: Record<string, string>;
  onclick?: (event: MouseEvent) => void;
}

/** An element with its class, attributes and children. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  options: Options = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (options.class) element.className = options.class;
  for (const [key, value] of Object.entries(options.attributes ?? {})) element.setAttribute(key, value);
  if (options.onclick) element.addEventListener("click", options.onclick as EventListener);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** A button that does nothing to forms. */
export function button(options: Options, ...children: Child[]): HTMLButtonElement {
  return make("button", { ...options, attributes: { type: "button", ...options.attributes } }, ...children);
}
