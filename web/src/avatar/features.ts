/** The parts of the face that move, and how they lie upon each other. */
import type { Side } from "./face.js";
import { group, line, shape, svg } from "./svg.js";

/** The parts of an eye. */
export interface EyeParts {
  clip: SVGElement;
  white: SVGElement;
  iris: SVGElement;
  pupil: SVGElement;
  lash: SVGElement;
  lower: SVGElement;
  crease: SVGElement;
  brow: SVGElement;
}

/** The parts of an eye, still without outlines. */
export function eyeParts(side: Side): EyeParts {
  const pupil = svg("circle", { r: 8.2, fill: "#10161d" });
  const iris = group(
    svg("circle", { r: 20, fill: "url(#iris)" }),
    svg("circle", { r: 19.2, fill: "none", stroke: "#142a30", "stroke-width": 2, opacity: 0.75 }),
    pupil,
    svg("ellipse", { cx: 0, cy: 10, rx: 11, ry: 6, fill: "url(#iris-glow)" }),
    svg("ellipse", { cx: -6.5, cy: -8, rx: 5.2, ry: 6, fill: "#fff", opacity: 0.95 }),
    svg("circle", { cx: 7, cy: 7, r: 2.4, fill: "#fff", opacity: 0.75 }),
  );
  return {
    clip: svg("path"),
    white: shape("", "url(#white)"),
    iris,
    pupil,
    lash: shape("", "#1b1c27"),
    lower: line("", "#7a4a48", 1.6, { opacity: 0.55 }),
    crease: line("", "#b0746a", 1.8, { opacity: 0.6 }),
    brow: shape("", `url(#brow-${side})`),
  };
}

/** An eye: what is seen of the ball, and the lids upon it. */
export function eyeLayer(side: Side, parts: EyeParts): SVGElement {
  const clip = svg("clipPath", { id: `eye-${side}` }, parts.clip);
  const ball = svg("g", { "clip-path": `url(#eye-${side})` }, parts.white, parts.iris);
  return group(clip, ball, parts.lower, parts.lash, parts.crease, parts.brow);
}

/** The parts of a mouth. */
export interface MouthParts {
  clip: SVGElement;
  inside: SVGElement;
  upper: SVGElement;
  lower: SVGElement;
  shadow: SVGElement;
  teeth: SVGElement;
  tongue: SVGElement;
}

/** Where the teeth begin: well above any mouth. */
export const TEETH_TOP = 380;

/** The parts of a mouth, still without outlines. */
export function mouthParts(): MouthParts {
  return {
    clip: svg("path"),
    inside: shape("", "url(#mouth)"),
    upper: shape("", "#c66f73"),
    lower: shape("", "url(#lip)"),
    shadow: line("", "#c88873", 2.4, { opacity: 0.45 }),
    teeth: svg("rect", { x: 280, y: TEETH_TOP, width: 80, height: 0, rx: 6, fill: "#fdf9f4" }),
    tongue: svg("ellipse", { cx: 320, cy: 0, rx: 17, ry: 10, fill: "#d9757a" }),
  };
}

/** A mouth: what is seen between the lips, and the lips. */
export function mouthLayer(parts: MouthParts): SVGElement {
  const clip = svg("clipPath", { id: "mouth-clip" }, parts.clip);
  const within = svg("g", { "clip-path": "url(#mouth-clip)" }, parts.inside, parts.tongue, parts.teeth);
  return group(clip, parts.shadow, within, parts.lower, parts.upper);
}

/** A nose is little more than a hint of light. */
export function nose(): SVGElement {
  return group(
    line("M 329 352 C 332 372 334 384 331 392", "#e2ab94", 2.2, { opacity: 0.5 }),
    shape("M 311 397 Q 320 404 330 396 Q 327 403.5 320 403.5 Q 314 403.5 311 397 Z", "#c98672", { opacity: 0.75 }),
    svg("ellipse", { cx: 318, cy: 384, rx: 3.4, ry: 6, fill: "#fff", opacity: 0.35 }),
  );
}
