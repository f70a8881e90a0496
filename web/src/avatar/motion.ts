/** Life: springs that carry the figure from pose to pose, breath, blinking, and eyes that wander. */
import { rest, type Activity, type Pose } from "./pose.js";

/** How stiff a part's spring is: the mouth must keep up with speech, a head has weight. */
const STIFFNESS: Partial<Record<keyof Pose, number>> = {
  open: 900,
  wide: 520,
  round: 520,
  gazeX: 420,
  gazeY: 420,
  lids: 300,
  squint: 160,
  yaw: 46,
  pitch: 46,
  tilt: 38,
  lift: 46,
  shoulders: 24,
  blush: 12,
};
const USUAL_STIFFNESS = 90;
/** A spring is never carried further than this in one step, in seconds: pages in the background sleep. */
const LONGEST_STEP = 1 / 30;

/** Every part of a pose on a spring of its own. */
export class Springs {
  readonly pose = rest();
  readonly #speed = rest();

  constructor() {
    for (const key of keys(this.#speed)) this.#speed[key] = 0;
  }

  /** Moves toward a pose. */
  follow(target: Pose, seconds: number): void {
    for (let left = Math.min(seconds, 0.25); left > 0; left -= LONGEST_STEP) {
      const step = Math.min(left, LONGEST_STEP);
      for (const key of keys(target)) {
        const stiffness = STIFFNESS[key] ?? USUAL_STIFFNESS;
        const damping = 1.75 * Math.sqrt(stiffness);
        const force = (target[key] - this.pose[key]) * stiffness - this.#speed[key] * damping;
        this.#speed[key] += force * step;
        this.pose[key] += this.#speed[key] * step;
      }
    }
  }

  /** Is there at once: for people who want no motion. */
  jump(target: Pose): void {
    Object.assign(this.pose, target);
  }
}

function keys(pose: Pose): (keyof Pose)[] {
  return Object.keys(pose) as (keyof Pose)[];
}

/** How far a blink has closed the lids, from 0 to 1. */
export class Blinking {
  #next = 1.4;
  #since = Number.NEGATIVE_INFINITY;

  /** The share at this time, in seconds. */
  at(now: number): number {
    if (now >= this.#next) {
      this.#since = now;
      // Sometimes twice in a row, as people do.
      this.#next = now + (Math.random() < 0.14 ? 0.32 : 2.2 + Math.random() * 3.6);
    }
    const age = now - this.#since;
    if (age < 0.07) return age / 0.07;
    if (age < 0.1) return 1;
    return age < 0.24 ? 1 - (age - 0.1) / 0.14 : 0;
  }
}

/** Where the eyes wander: small jumps, as eyes make them, and now and then to whatever moves. */
export class Wandering {
  x = 0;
  y = 0;
  #next = 0;

  /** Looks around. */
  at(now: number, activity: Activity): void {
    if (now < this.#next) return;
    const far = activity === "idle" ? 0.34 : 0.12;
    this.x = (Math.random() * 2 - 1) * far;
    this.y = (Math.random() * 2 - 1) * far * 0.5;
    // People hold a gaze longer while they listen.
    this.#next = now + (activity === "listening" ? 2.4 : 0.9) + Math.random() * 2.2;
  }
}

/** The slow movements that never stop. */
export function drift(now: number): { breath: number; sway: number; yaw: number; tilt: number; pitch: number } {
  return {
    breath: Math.sin(now * 1.55),
    sway: Math.sin(now * 0.9) * 0.9 + Math.sin(now * 1.7 + 1) * 0.4,
    yaw: Math.sin(now * 0.43) * 0.07 + Math.sin(now * 0.71 + 2) * 0.05,
    tilt: Math.sin(now * 0.37 + 1) * 0.9,
    pitch: Math.sin(now * 0.53 + 3) * 0.04,
  };
}
