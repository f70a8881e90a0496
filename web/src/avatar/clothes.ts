/** What she wears: a crossed collar over a dark jacket, and a horn of jade in the hair. */
import { group, line, shape, svg } from "./svg.js";

/** The neck, in the shadow of the chin. */
export function neck(): SVGElement {
  return group(
    shape("M 280 430 L 280 552 C 278 580 262 596 236 606 L 320 672 L 404 606 C 378 596 362 580 360 552 L 360 430 Z", "url(#neck)"),
    shape("M 280 470 C 296 494 344 494 360 470 L 360 520 C 340 538 300 538 280 520 Z", "#c98a76", { opacity: 0.4 }),
    line("M 300 592 C 308 604 314 610 320 612", "#cf9480", 2, { opacity: 0.5 }),
    line("M 340 592 C 332 604 326 610 320 612", "#cf9480", 2, { opacity: 0.5 }),
  );
}

/** Jacket and collar. */
export function clothes(): SVGElement {
  return group(
    shape(
      "M 70 760 C 78 690 112 642 190 616 C 226 604 252 596 268 578 L 320 664 L 372 578 C 388 596 414 604 450 616 " +
        "C 528 642 562 690 570 760 L 570 820 L 70 820 L 70 760 Z",
      "url(#jacket)",
    ),
    // The inner collar, white, crossed to the right.
    shape("M 374 566 C 384 584 392 594 404 602 L 322 742 L 300 700 Z", "url(#linen-shade)"),
    shape("M 266 566 C 256 584 248 594 236 602 L 368 822 L 404 800 Z", "url(#linen)"),
    // The jacket's own edges over it.
    shape("M 402 596 C 414 606 430 611 450 616 L 430 760 L 420 820 L 350 820 L 318 730 Z", "url(#jacket-edge)"),
    shape("M 238 596 C 226 606 210 611 190 616 L 334 820 L 382 820 Z", "url(#jacket-edge)"),
    line("M 236 601 L 376 820", "#7fd0bd", 2.6, { opacity: 0.85 }),
    line("M 404 601 L 346 692", "#7fd0bd", 2.6, { opacity: 0.6 }),
    // Seams of the shoulders.
    line("M 142 640 C 158 676 164 716 164 760", "#0c2229", 2.2, { opacity: 0.55 }),
    line("M 498 640 C 482 676 476 716 476 760", "#0c2229", 2.2, { opacity: 0.55 }),
    shape("M 190 616 C 140 634 106 660 88 704 C 120 660 170 640 224 634 Z", "#fff", { opacity: 0.06 }),
    shape("M 450 616 C 500 634 534 660 552 704 C 520 660 470 640 416 634 Z", "#fff", { opacity: 0.06 }),
    pin(),
  );
}

/** A small light on the chest: it glows with the mood. */
function pin(): SVGElement {
  return group(
    svg("circle", { cx: 420, cy: 694, r: 20, fill: "url(#pin-glow)", class: "mood" }),
    svg("circle", { cx: 420, cy: 694, r: 5.4, fill: "#effffa", stroke: "#8fd9c6", "stroke-width": 1.6 }),
  );
}

/** The horn of jade: what 灵犀 is named for. */
export function accessories(): SVGElement {
  return group(
    shape("M 404 198 C 424 204 442 222 448 250 C 450 262 450 272 447 282 C 441 254 426 230 400 214 C 396 208 398 200 404 198 Z", "url(#jade)"),
    line("M 408 204 C 426 212 440 230 445 256", "#eafff6", 1.8, { opacity: 0.7 }),
    shape("M 396 202 C 390 190 394 178 406 172 C 404 182 408 192 414 198 Z", "url(#jade)", { opacity: 0.92 }),
    svg("circle", { cx: 404, cy: 206, r: 6, fill: "#f6e7bd", stroke: "#c9a961", "stroke-width": 1.6 }),
  );
}
