/** The moving lines of the face: paths from the numbers of a pose. */
import type { Pose } from "./pose.js";
import { round } from "./svg.js";

/** Which eye or brow, as the viewer sees it. */
export type Side = "left" | "right";

const EYE_X = { left: 266, right: 374 };
const EYE_Y = 346;
const HALF = 31.5;

/** The outlines of an eye. */
export interface EyePaths {
  /** What is seen of the eyeball. */
  opening: string;
  /** The upper lashes. */
  lash: string;
  /** The lower lashes. */
  lower: string;
  /** The fold above the lid. */
  crease: string;
  /** Middle of the iris. */
  irisX: number;
  irisY: number;
}

/** The height of a curve's control points so that its middle comes to `apex`. */
function control(start: number, end: number, apex: number): number {
  return (apex - (start + end) / 8) / 0.75;
}

/** An eye of a pose. */
export function eye(side: Side, pose: Pose): EyePaths {
  // Drawn as the left one, and mirrored about its own middle.
  const middle = EYE_X[side];
  const x = (offset: number): number => round(side === "left" ? middle + offset : middle - offset);
  const outer = { x: -HALF, y: EYE_Y - 1 - 3 * pose.squint };
  const inner = { x: HALF - 3, y: EYE_Y + 6 };
  const low = EYE_Y + 17 - 21 * pose.squint * Math.min(1, 1.4 - 0.4 * pose.lids);
  const closed = low - 1;
  const high = closed + (EYE_Y - 25 - closed) * pose.lids;
  const top = round(control(outer.y, inner.y, high));
  const bottom = round(control(outer.y, inner.y, Math.max(low, high + 1)));
  const [oy, iy] = [round(outer.y), round(inner.y)];
  const upper = `C ${x(-21)} ${top} ${x(15)} ${top} ${x(inner.x)} ${iy}`;
  const under = `C ${x(13)} ${bottom} ${x(-19)} ${bottom} ${x(outer.x)} ${oy}`;
  const thick = 6.2 + 1.2 * Math.max(0, 1 - pose.lids);
  const wing = `${x(outer.x - 8)} ${round(oy - 3 - 4 * pose.lids)}`;
  const over = round(top - thick * 1.25);
  const fold = round(top - 15 - 5 * pose.lids);
  return {
    opening: `M ${x(outer.x)} ${oy} ${upper} ${under} Z`,
    lash:
      `M ${x(outer.x + 1)} ${oy + 2} ${upper} ` +
      `C ${x(16)} ${over + 2} ${x(-20)} ${over} ${wing} ` +
      `Q ${x(outer.x - 3)} ${round(oy + 1)} ${x(outer.x + 1)} ${oy + 2} Z`,
    lower: `M ${x(outer.x + 5)} ${round(oy + (bottom - oy) * 0.36)} Q ${x(-8)} ${round(bottom * 0.82 + oy * 0.18)} ${x(10)} ${round(oy + (bottom - oy) * 0.7)}`,
    crease: `M ${x(outer.x - 1)} ${round(oy - 9)} C ${x(-20)} ${fold} ${x(10)} ${fold} ${x(inner.x - 5)} ${round(iy - 13)}`,
    irisX: round(middle + pose.gazeX * 8),
    irisY: round(EYE_Y - 2 + pose.gazeY * 6 + 2 * pose.squint),
  };
}

/** A brow of a pose, thick inside and thin outside. */
export function brow(side: Side, pose: Pose): string {
  const middle = EYE_X[side];
  const x = (offset: number): number => round(side === "left" ? middle + offset : middle - offset);
  const lift = side === "left" ? pose.browLift : -0.2 * pose.browLift;
  const base = EYE_Y - 48 - 11 * pose.browRaise - 9 * lift + 3 * pose.squint;
  const inner = base + 3 - 13 * pose.browTilt;
  const arch = base - 8 - 3 * pose.browTilt - 3 * pose.browRaise;
  const outer = base + 4 + 6 * Math.max(0, pose.browTilt) + 2 * Math.min(0, pose.browTilt);
  return (
    `M ${x(24)} ${round(inner)} C ${x(8)} ${round((inner + arch) / 2 - 3)} ${x(-14)} ${round(arch)} ${x(-38)} ${round(outer)} ` +
    `C ${x(-16)} ${round(arch + 5.5)} ${x(6)} ${round((inner + arch) / 2 + 5)} ${x(23)} ${round(inner + 7)} ` +
    `Q ${x(26)} ${round(inner + 3.5)} ${x(24)} ${round(inner)} Z`
  );
}

/** The outlines of a mouth. */
export interface MouthPaths {
  /** The inside, between the lips. */
  inside: string;
  /** The upper lip. */
  upper: string;
  /** The lower lip. */
  lower: string;
  /** The shadow beneath the lower lip. */
  shadow: string;
  /** Lower edge of the upper teeth. */
  teeth: number;
  /** Height of the tongue. */
  tongue: number;
}

const MOUTH_X = 320;
const MOUTH_Y = 427;

/** The mouth of a pose. */
export function mouth(pose: Pose): MouthPaths {
  const open = Math.max(0, Math.min(1, pose.open));
  const half = 25 * (1 + 0.3 * pose.wide + 0.16 * Math.max(0, pose.smile)) * (1 - 0.46 * pose.round);
  const [left, right] = [round(MOUTH_X - half), round(MOUTH_X + half)];
  const corner = MOUTH_Y - 8.5 * pose.smile + open * 3;
  const leftY = round(corner - 4 * pose.smirk);
  const rightY = round(corner + 2 * pose.smirk);
  const bend = MOUTH_Y + 4.6 * pose.smile;
  const upperY = round(bend - open * 8 - 1.5 * pose.round);
  const lowerY = round(bend + 0.8 + open * (27 + 4 * pose.round));
  const [a, b] = [round(MOUTH_X - half * 0.46), round(MOUTH_X + half * 0.46)];
  const [c, d] = [round(MOUTH_X - half * 0.62), round(MOUTH_X + half * 0.62)];
  const plump = 4.7 + 1.5 * pose.round;
  const bow = round(upperY - plump);
  return {
    inside: `M ${left} ${leftY} C ${a} ${upperY} ${b} ${upperY} ${right} ${rightY} C ${d} ${lowerY} ${c} ${lowerY} ${left} ${leftY} Z`,
    upper:
      `M ${left} ${leftY} C ${round(MOUTH_X - half * 0.5)} ${round(bow + 1)} ${round(MOUTH_X - 9)} ${round(bow - 2)} ${MOUTH_X} ${round(bow + 1)} ` +
      `C ${round(MOUTH_X + 9)} ${round(bow - 2)} ${round(MOUTH_X + half * 0.5)} ${round(bow + 1)} ${right} ${rightY} C ${b} ${upperY} ${a} ${upperY} ${left} ${leftY} Z`,
    lower:
      `M ${left} ${leftY} C ${c} ${lowerY} ${d} ${lowerY} ${right} ${rightY} ` +
      `C ${round(MOUTH_X + half * 0.5)} ${round(lowerY + plump * 1.5)} ${round(MOUTH_X - half * 0.5)} ${round(lowerY + plump * 1.5)} ${left} ${leftY} Z`,
    shadow: `M ${round(MOUTH_X - 9)} ${round(lowerY * 0.75 + corner * 0.25 + 13)} Q ${MOUTH_X} ${round(lowerY * 0.75 + corner * 0.25 + 16)} ${round(MOUTH_X + 9)} ${round(lowerY * 0.75 + corner * 0.25 + 13)}`,
    teeth: round(upperY + 3 + 5 * open),
    tongue: round(lowerY + 6 - 9 * open),
  };
}
