/** How the figure holds itself: every movable part as one number, and what emotions and activities make of them. */
import type { Emotion } from "../client/anima-client.js";

/** Every movable part. What has no range is about −1 to 1, and 0 is at rest. */
export interface Pose {
  /** Upper lids: 0 closed, 1 open, more is wide. */
  lids: number;
  /** Lower lids, 0 to 1: eyes that smile. */
  squint: number;
  /** Where the eyes look; positive is to the viewer's right, and down. */
  gazeX: number;
  gazeY: number;
  /** Size of the pupils, 1 at rest. */
  pupil: number;
  /** Brows: height, inner ends up (worry) or down (anger), and the left one alone. */
  browRaise: number;
  browTilt: number;
  browLift: number;
  /** Corners of the mouth up or down. */
  smile: number;
  /** One corner higher. */
  smirk: number;
  /** The mouth's opening, 0 to 1, its width and its roundness. */
  open: number;
  wide: number;
  round: number;
  blush: number;
  /** The head: turned, nodding (positive is down), tilted in degrees, moved up or down. */
  yaw: number;
  pitch: number;
  tilt: number;
  lift: number;
  /** Shoulders up. */
  shoulders: number;
}

/** What the digital human is doing. */
export type Activity = "idle" | "listening" | "thinking" | "speaking" | "away";

const REST: Pose = {
  lids: 0.94,
  squint: 0.06,
  gazeX: 0,
  gazeY: 0,
  pupil: 1,
  browRaise: 0,
  browTilt: 0,
  browLift: 0,
  smile: 0.5,
  smirk: 0,
  open: 0,
  wide: 0,
  round: 0,
  blush: 0.22,
  yaw: 0,
  pitch: 0,
  tilt: 0,
  lift: 0,
  shoulders: 0,
};

const EMOTIONS: Record<Emotion, Partial<Pose>> = {
  neutral: {},
  joy: { lids: 0.92, squint: 0.6, smile: 1, open: 0.26, wide: 0.4, browRaise: 0.38, blush: 0.75, tilt: 3, lift: 3, pupil: 1.08 },
  calm: { lids: 0.76, squint: 0.18, smile: 0.5, browRaise: -0.04, browTilt: 0.12, blush: 0.32, tilt: -2, pitch: 0.1 },
  sad: { lids: 0.7, smile: -0.72, browTilt: 0.95, browRaise: 0.05, gazeY: 0.45, pitch: 0.32, tilt: 4, blush: 0.1, shoulders: -0.4 },
  surprise: { lids: 1.18, squint: 0, smile: 0.05, open: 0.4, round: 0.72, browRaise: 1, pupil: 0.82, lift: 5, pitch: -0.15 },
  sorry: { lids: 0.78, smile: -0.2, browTilt: 1, browRaise: 0.22, gazeY: 0.3, pitch: 0.45, tilt: -4, lift: -5, blush: 0.35, shoulders: 0.3 },
  curious: { lids: 1.04, smile: 0.3, smirk: 0.25, browRaise: 0.3, browLift: 0.75, tilt: 7, yaw: 0.28, pitch: -0.05, pupil: 1.12 },
  proud: { lids: 0.74, squint: 0.36, smile: 0.72, smirk: 0.45, browRaise: 0.26, pitch: -0.42, lift: 4, tilt: -3, blush: 0.4, shoulders: 0.25 },
  anger: { lids: 0.8, squint: 0.3, smile: -0.62, wide: -0.1, browTilt: -1, browRaise: -0.38, pitch: 0.12, pupil: 0.9, blush: 0.3 },
  fear: { lids: 1.14, smile: -0.42, open: 0.1, wide: 0.28, browTilt: 0.85, browRaise: 0.62, pupil: 0.7, pitch: -0.12, lift: -2, yaw: -0.2, blush: 0.02, shoulders: 0.7 },
};

const ACTIVITIES: Record<Activity, Partial<Pose>> = {
  idle: {},
  listening: { tilt: 4, pitch: 0.08, yaw: 0.08, browRaise: 0.22, lids: 1, pupil: 1.08, smile: 0.3 },
  thinking: { gazeX: 0.62, gazeY: -0.62, yaw: 0.3, pitch: -0.16, tilt: -4, browRaise: 0.2, browLift: 0.3, smirk: 0.3, smile: 0.05, wide: -0.25, lids: 0.9 },
  speaking: {},
  away: { lids: 0.06, smile: 0.12, pitch: 0.34, tilt: 5, blush: 0.12, lift: -3 },
};

/** What an emotion and an activity make of the pose together. What the person sees of both wins over rest. */
export function poseOf(emotion: Emotion, activity: Activity): Pose {
  return { ...REST, ...EMOTIONS[emotion], ...ACTIVITIES[activity] };
}

/** The figure at rest. */
export function rest(): Pose {
  return { ...REST };
}
