/** SVG by hand: elements from a name, attributes and children. Nothing is ever parsed from text. */

const NAMESPACE = "http://www.w3.org/2000/svg";

/** The attributes of an element. */
export type Attributes = Record<string, string | number>;

/** An element. */
export function svg(name: string, attributes: Attributes = {}, ...children: SVGElement[]): SVGElement {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** A filled outline. */
export function shape(d: string, fill: string, more: Attributes = {}): SVGElement {
  return svg("path", { d, fill, ...more });
}

/** A line without a filling. */
export function line(d: string, stroke: string, width: number, more: Attributes = {}): SVGElement {
  return svg("path", { d, fill: "none", stroke, "stroke-width": width, "stroke-linecap": "round", ...more });
}

/** A layer. */
export function group(...children: SVGElement[]): SVGElement {
  return svg("g", {}, ...children);
}

/** One colour of a gradient: where, which, and how opaque. */
export type Stop = [offset: number, colour: string, opacity?: number];

/** A gradient from top to bottom of what it fills, or along the given line. */
export function linear(id: string, stops: Stop[], along: Attributes = { x1: 0, y1: 0, x2: 0, y2: 1 }): SVGElement {
  return svg("linearGradient", { id, ...along }, ...stops.map(stop));
}

/** A gradient from the inside out. */
export function radial(id: string, stops: Stop[], around: Attributes = {}): SVGElement {
  return svg("radialGradient", { id, ...around }, ...stops.map(stop));
}

function stop([offset, colour, opacity = 1]: Stop): SVGElement {
  return svg("stop", { offset, "stop-color": colour, "stop-opacity": opacity });
}

const last = new WeakMap<SVGElement, Map<string, string>>();

/** Sets an attribute that changes often, and leaves the drawing alone when it did not. */
export function set(element: SVGElement, name: string, value: string | number): void {
  const known = last.get(element) ?? new Map<string, string>();
  last.set(element, known);
  const text = String(value);
  if (known.get(name) === text) return;
  known.set(name, text);
  element.setAttribute(name, text);
}

/** A number for a path: two decimals are finer than any pixel. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
