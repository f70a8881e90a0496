/** Line icons, all our own, drawn on a grid of 24. */
import { svg } from "../avatar/svg.js";

const PATHS = {
  send: "M4.5 12h13M12 5.5l6.5 6.5-6.5 6.5",
  stop: "M7.5 7.5h9v9h-9z",
  microphone: "M12 4a2.8 2.8 0 0 1 2.8 2.8v4.4a2.8 2.8 0 0 1-5.6 0V6.8A2.8 2.8 0 0 1 12 4zM6.4 11a5.6 5.6 0 0 0 11.2 0M12 16.6V20",
  again: "M18.5 8.5A7.3 7.3 0 1 0 19.3 13M18.8 4.6v4.2h-4.2",
  fresh: "M12 5v14M5 12h14",
  sliders: "M5 7.5h8M17 7.5h2M5 16.5h2M11 16.5h8M15 5.3v4.4M9 14.3v4.4",
  menu: "M4.5 7h15M4.5 12h10M4.5 17h15",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  pencil: "M5 19l.9-3.9L15.6 5.4a1.9 1.9 0 0 1 2.8 0l.2.2a1.9 1.9 0 0 1 0 2.8L8.9 18.1z",
  bin: "M5.5 7.5h13M10 7V5h4v2M7.5 7.5l.8 11.5h7.4l.8-11.5",
  check: "M5.5 12.5l4.2 4.2 8.8-9.4",
  cross: "M7.5 7.5l9 9M16.5 7.5l-9 9",
  question: "M9.2 9.2A2.9 2.9 0 1 1 12 12.6v1.4M12 17.4v.2",
  sound: "M5 10v4h3l4 3.5v-11L8 10zM15.5 9.3a4 4 0 0 1 0 5.4M17.8 7a7.2 7.2 0 0 1 0 10",
  mute: "M5 10v4h3l4 3.5v-11L8 10zM15.5 10l4 4M19.5 10l-4 4",
} as const;

/** The names of the icons. */
export type Icon = keyof typeof PATHS;

/** An icon, for eyes alone: what it stands for is said by its button's name. */
export function icon(name: Icon): SVGElement {
  const attributes = { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true", focusable: "false" };
  return svg("svg", attributes, svg("path", { d: PATHS[name] }));
}
