/** The figure's colours: she looks the same in both themes; only the light around her changes. */
import { linear, radial, shape, svg } from "./svg.js";

/** Every gradient, and the outline that shadows on the face are held by. */
export function palette(face: string): SVGElement {
  const user = (x1: number, y1: number, x2: number, y2: number) => ({ x1, y1, x2, y2, gradientUnits: "userSpaceOnUse" });
  return svg(
    "defs",
    {},
    linear("skin", [[0, "#ffe6d6"], [0.55, "#fbdac8"], [1, "#f1c2ac"]]),
    linear("neck", [[0, "#e3a892"], [0.45, "#efbfa9"], [1, "#f6d1bf"]]),
    linear("face-side", [[0, "#d99a86", 0.42], [0.2, "#d99a86", 0], [0.8, "#d99a86", 0], [1, "#c98a76", 0.5]], { x1: 0, y1: 0, x2: 1, y2: 0 }),
    radial("cheek", [[0, "#f2887f", 0.62], [1, "#f2887f", 0]]),
    linear("white", [[0, "#c9cfdc"], [0.32, "#f4f5f9"], [1, "#ffffff"]]),
    linear("iris", [[0, "#123039"], [0.5, "#23706c"], [1, "#6fd0b6"]]),
    radial("iris-glow", [[0, "#c6ffe9", 0.75], [1, "#c6ffe9", 0]]),
    linear("brow-left", [[0, "#2c3048", 0.75], [1, "#262a40"]], { x1: 0, y1: 0, x2: 1, y2: 0 }),
    linear("brow-right", [[0, "#262a40"], [1, "#2c3048", 0.75]], { x1: 0, y1: 0, x2: 1, y2: 0 }),
    linear("mouth", [[0, "#5a1d26"], [1, "#8f3a40"]]),
    linear("lip", [[0, "#d0737a"], [1, "#e39a95"]]),
    linear("hair-back", [[0, "#1f2540"], [0.5, "#181c31"], [1, "#242b49"]]),
    linear("hair-front", [[0, "#262d4b"], [0.45, "#1e2440"], [1, "#2e3759"]], user(320, 122, 320, 372)),
    linear("hair-lock", [[0, "#1d2340"], [0.6, "#262d4c"], [1, "#39446d"]]),
    linear("hair-strand", [[0, "#2b3355"], [1, "#36406a"]]),
    linear("sheen", [[0, "#9db2e6", 0.5], [1, "#7f95cf", 0.12]]),
    linear("fringe-shadow", [[0, "#b9705c", 0.42], [1, "#b9705c", 0.24]]),
    linear("jacket", [[0, "#24525c"], [1, "#12303a"]]),
    linear("jacket-edge", [[0, "#2f6a73"], [1, "#1a424c"]]),
    linear("linen", [[0, "#f6f3ec"], [1, "#d9dcd9"]]),
    linear("linen-shade", [[0, "#dcdcd6"], [1, "#b9c2c2"]]),
    linear("jade", [[0, "#e3fff4"], [0.5, "#8fdcc3"], [1, "#3d9c86"]]),
    radial("pin-glow", [[0, "#b9fff0", 0.9], [1, "#7fe3cf", 0]]),
    svg("clipPath", { id: "face-clip" }, shape(face, "#000")),
  );
}
