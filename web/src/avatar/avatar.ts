/** The digital human on the page: a figure that lives by itself and takes emotions, activities and speech. */
import type { Emotion } from "../client/anima-client.js";
import { Figure } from "./figure.js";
import { Blinking, drift, Springs, Wandering } from "./motion.js";
import { poseOf, rest, type Activity, type Pose } from "./pose.js";
import type { MouthTrack } from "./visemes.js";

/** How long a nod or a shake takes, in seconds. */
const GESTURE_SECONDS = 1.1;

/** Gestures by the names that models use for them. */
const GESTURES: Record<string, (phase: number) => Partial<Pose>> = {
  nod: (phase) => ({ pitch: Math.sin(phase * Math.PI * 4) * 0.6 }),
  bow: (phase) => ({ pitch: Math.sin(phase * Math.PI) * 1.3, lift: Math.sin(phase * Math.PI) * -8 }),
  shake: (phase) => ({ yaw: Math.sin(phase * Math.PI * 4) * 0.7 }),
  tilt: (phase) => ({ tilt: Math.sin(phase * Math.PI) * 9 }),
  shrug: (phase) => ({ shoulders: Math.sin(phase * Math.PI) * 2.4, tilt: Math.sin(phase * Math.PI) * 4 }),
  wave: (phase) => ({ tilt: Math.sin(phase * Math.PI * 4) * 5, lift: Math.sin(phase * Math.PI) * 4 }),
  wink: (phase) => ({ squint: Math.sin(phase * Math.PI) * 0.5, smirk: Math.sin(phase * Math.PI) * 0.7 }),
};

/** A figure that lives. */
export class Avatar {
  readonly #figure = new Figure();
  readonly #springs = new Springs();
  readonly #blinking = new Blinking();
  readonly #wandering = new Wandering();
  readonly #stage: HTMLElement;
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #emotion: Emotion = "neutral";
  #activity: Activity = "idle";
  #target: Pose = rest();
  #mouth: MouthTrack | undefined;
  #gesture: { move: (phase: number) => Partial<Pose>; since: number } | undefined;
  #look: { x: number; y: number; until: number } | undefined;
  #last = 0;

  /** Puts itself into an element, and lives from then on. */
  constructor(stage: HTMLElement) {
    this.#stage = stage;
    stage.append(this.#figure.root);
    this.#choose();
    const frame = (milliseconds: number): void => {
      this.#step(milliseconds / 1000);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** The clock that mouth tracks run by, in seconds. */
  now(): number {
    return performance.now() / 1000;
  }

  /** Shows an emotion until the next one. */
  feel(emotion: Emotion): void {
    if (emotion === this.#emotion) return;
    this.#emotion = emotion;
    this.#choose();
  }

  /** Does something until something else. */
  become(activity: Activity): void {
    if (activity === this.#activity) return;
    this.#activity = activity;
    this.#choose();
  }

  /** Moves the mouth to a text; `undefined` closes it at once. */
  speak(track: MouthTrack | undefined): void {
    this.#mouth = track;
  }

  /** Makes a gesture; a name that is not known is a small nod. */
  gesture(name: string): void {
    const move = GESTURES[name.toLowerCase()] ?? ((phase: number) => ({ pitch: Math.sin(phase * Math.PI * 2) * 0.3 }));
    this.#gesture = { move, since: this.now() };
  }

  /** Looks at a point of the window for a while. */
  lookAt(clientX: number, clientY: number): void {
    const box = this.#stage.getBoundingClientRect();
    const away = (at: number, middle: number, size: number): number =>
      Math.max(-1, Math.min(1, (at - middle) / Math.max(240, size)));
    this.#look = {
      x: away(clientX, box.left + box.width / 2, box.width),
      y: away(clientY, box.top + box.height * 0.42, box.height),
      until: this.now() + 1.6,
    };
  }

  #choose(): void {
    this.#target = poseOf(this.#emotion, this.#activity);
    this.#stage.dataset.emotion = this.#emotion;
    this.#stage.dataset.activity = this.#activity;
  }

  #step(now: number): void {
    const elapsed = now - this.#last;
    // So many pictures are enough for a face, and spare a phone's battery.
    if (elapsed < 1 / 36) return;
    this.#last = now;
    const target = this.#aim(now);
    if (this.#calm.matches) {
      this.#springs.jump(target);
      this.#figure.draw(this.#springs.pose, 0, 0);
      return;
    }
    this.#springs.follow(target, elapsed);
    const { breath, sway } = drift(now);
    const shut = 1 - this.#blinking.at(now);
    const pose = { ...this.#springs.pose };
    pose.lids *= this.#activity === "away" ? 1 : shut;
    this.#figure.draw(pose, breath, sway);
  }

  /** The pose to move toward: what is felt and done, with speech, gaze and drift on top. */
  #aim(now: number): Pose {
    const target = { ...this.#target };
    if (!this.#calm.matches) {
      const { yaw, tilt, pitch } = drift(now);
      target.yaw += yaw;
      target.tilt += tilt;
      target.pitch += pitch;
      this.#gaze(target, now);
      this.#gesticulate(target, now);
    }
    const shape = this.#mouth?.at(now);
    if (shape) {
      target.open = Math.max(shape.open, target.open * 0.3);
      target.wide = target.wide * 0.4 + shape.wide;
      target.round = shape.round;
      target.pitch += (shape.open - 0.3) * 0.12;
      target.browRaise += (shape.open - 0.3) * 0.12;
    } else if (this.#activity === "speaking" && this.#emotion !== "surprise") {
      target.open *= 0.5;
    }
    return target;
  }

  #gaze(target: Pose, now: number): void {
    if (this.#activity === "away" || this.#activity === "thinking") return;
    this.#wandering.at(now, this.#activity);
    const look = this.#look && now < this.#look.until ? this.#look : undefined;
    target.gazeX += look ? look.x * 0.9 : this.#wandering.x;
    target.gazeY += look ? look.y * 0.8 : this.#wandering.y;
    if (look) {
      target.yaw += look.x * 0.4;
      target.pitch += look.y * 0.25;
    }
  }

  #gesticulate(target: Pose, now: number): void {
    if (!this.#gesture) return;
    const phase = (now - this.#gesture.since) / GESTURE_SECONDS;
    if (phase >= 1) {
      this.#gesture = undefined;
      return;
    }
    for (const [part, by] of Object.entries(this.#gesture.move(phase)) as [keyof Pose, number][]) target[part] += by;
  }
}
