/** The figure itself: our own drawing of 灵犀, layer by layer, with handles on everything that moves. */
import { accessories, clothes, neck } from "./clothes.js";
import { brow, eye, mouth, type Side } from "./face.js";
import { eyeLayer, eyeParts, mouthLayer, mouthParts, nose, TEETH_TOP } from "./features.js";
import { backHair, fringe, sideLocks } from "./hair.js";
import { palette } from "./palette.js";
import type { Pose } from "./pose.js";
import { group, round, set, shape, svg } from "./svg.js";

const FACE =
  "M 213 296 C 211 352 219 396 250 434 C 274 463 299 477 320 477 C 341 477 366 463 390 434 " +
  "C 421 396 429 352 427 296 C 425 222 381 178 320 178 C 259 178 215 222 213 296 Z";

/** Draws itself in a pose. */
export class Figure {
  /** The drawing, to be put into a page. */
  readonly root: SVGElement;
  readonly #eyes = { left: eyeParts("left"), right: eyeParts("right") };
  readonly #mouth = mouthParts();
  readonly #cheeks = group(
    svg("ellipse", { cx: 243, cy: 398, rx: 36, ry: 22, fill: "url(#cheek)" }),
    svg("ellipse", { cx: 397, cy: 398, rx: 36, ry: 22, fill: "url(#cheek)" }),
  );
  readonly #features = group(
    svg("g", { "clip-path": "url(#face-clip)" }, this.#cheeks),
    nose(),
    eyeLayer("left", this.#eyes.left),
    eyeLayer("right", this.#eyes.right),
    mouthLayer(this.#mouth),
  );
  readonly #back = backHair();
  readonly #locks = sideLocks();
  readonly #front = group(fringe(), accessories());
  readonly #head = group(shape(FACE, "url(#skin)"), shape(FACE, "url(#face-side)"), this.#features, this.#locks, this.#front);
  readonly #body = group(neck(), clothes());

  constructor() {
    const attributes = { viewBox: "40 64 560 650", "aria-hidden": "true", focusable: "false", class: "figure" };
    this.root = svg("svg", attributes, palette(FACE), this.#back, this.#body, this.#head);
  }

  /** Takes a pose; `breath` goes from −1 to 1, `sway` moves what hangs loosely, in degrees. */
  draw(pose: Pose, breath: number, sway: number): void {
    this.#drawEye("left", pose);
    this.#drawEye("right", pose);
    this.#drawMouth(pose);
    set(this.#cheeks, "opacity", round(pose.blush));
    const drop = pose.pitch * 7 - pose.lift - breath * 1.6;
    const { yaw, tilt } = pose;
    move(this.#head, `translate(${round(yaw * 7)} ${round(drop)}) rotate(${round(tilt * 0.9)} 320 500)`);
    move(this.#features, `translate(${round(yaw * 13)} ${round(pose.pitch * 11)})`);
    move(this.#front, `translate(${round(yaw * 5)} ${round(pose.pitch * 3)})`);
    move(this.#locks, `translate(${round(yaw * 2)} 0) rotate(${round(sway * 0.7 - tilt * 0.2)} 320 260)`);
    move(this.#back, `translate(${round(yaw * 3)} ${round(drop)}) rotate(${round(tilt * 0.75 + sway * 0.4)} 320 500)`);
    move(this.#body, `translate(0 ${round(-44 - breath * 1.2 - pose.shoulders * 5)}) rotate(${round(tilt * 0.1)} 320 760)`);
  }

  #drawEye(side: Side, pose: Pose): void {
    const parts = this.#eyes[side];
    const paths = eye(side, pose);
    for (const part of [parts.clip, parts.white]) set(part, "d", paths.opening);
    set(parts.lash, "d", paths.lash);
    set(parts.lower, "d", paths.lower);
    set(parts.crease, "d", paths.crease);
    set(parts.brow, "d", brow(side, pose));
    move(parts.iris, `translate(${paths.irisX} ${paths.irisY})`);
    move(parts.pupil, `scale(${round(pose.pupil)})`);
  }

  #drawMouth(pose: Pose): void {
    const parts = this.#mouth;
    const paths = mouth(pose);
    for (const part of [parts.clip, parts.inside]) set(part, "d", paths.inside);
    set(parts.upper, "d", paths.upper);
    set(parts.lower, "d", paths.lower);
    set(parts.shadow, "d", paths.shadow);
    set(parts.teeth, "height", round(Math.max(0, paths.teeth - TEETH_TOP)));
    set(parts.tongue, "cy", paths.tongue);
  }
}

function move(layer: SVGElement, how: string): void {
  set(layer, "transform", how);
}
