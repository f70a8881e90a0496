/** The hair: a dark bob with a side-swept fringe, in layers that move against each other. */
import { group, line, shape } from "./svg.js";

const SHEEN = "#7c8fb8";
const DEPTH = "#0f1220";

/** What falls behind the head. */
export function backHair(): SVGElement {
  return group(
    shape(
      "M 320 116 C 208 114 160 194 158 300 C 156 378 143 424 147 482 C 150 522 174 548 212 557 " +
        "C 238 562 258 552 268 534 C 292 546 348 546 372 534 C 382 552 402 562 428 557 " +
        "C 466 548 490 522 493 482 C 497 424 484 378 482 300 C 480 194 432 114 320 116 Z",
      "url(#hair-back)",
    ),
    line("M 170 360 C 164 420 152 470 176 526", SHEEN, 2, { opacity: 0.18 }),
    line("M 470 360 C 476 420 488 470 464 526", SHEEN, 2, { opacity: 0.18 }),
    line("M 186 420 C 178 470 184 520 222 546", DEPTH, 2.6, { opacity: 0.45 }),
    line("M 454 420 C 462 470 456 520 418 546", DEPTH, 2.6, { opacity: 0.45 }),
  );
}

/** The locks beside the face, in front of the ears. */
export function sideLocks(): SVGElement {
  return group(
    shape(
      "M 226 214 C 196 250 190 310 192 362 C 193 410 182 452 190 500 C 194 520 204 530 214 532 " +
        "C 210 500 218 470 222 440 C 227 404 219 372 217 340 C 215 300 222 262 244 236 Z",
      "url(#hair-lock)",
    ),
    shape(
      "M 414 214 C 444 250 450 310 448 362 C 447 410 458 452 450 500 C 446 520 436 530 426 532 " +
        "C 430 500 422 470 418 440 C 413 404 421 372 423 340 C 425 300 418 262 396 236 Z",
      "url(#hair-lock)",
    ),
    line("M 206 270 C 200 320 204 372 202 412 C 200 450 200 480 206 512", SHEEN, 2, { opacity: 0.28 }),
    line("M 434 270 C 440 320 436 372 438 412 C 440 450 440 480 434 512", SHEEN, 2, { opacity: 0.28 }),
  );
}

/** The fringe, parted on one side, and the crown above it. */
export function fringe(): SVGElement {
  return group(
    // The shadow that it throws on the forehead.
    shape(
      "M 206 330 C 222 316 244 300 268 284 C 300 264 332 236 352 206 C 366 240 392 270 414 296 C 422 306 430 320 434 334 " +
        "L 440 240 L 320 150 L 204 240 Z",
      "url(#fringe-shadow)",
    ),
    // Crown and left sweep.
    shape(
      "M 362 176 C 356 214 330 244 296 266 C 262 286 234 296 218 322 C 210 336 206 352 205 372 " +
        "C 194 352 188 322 189 290 C 192 196 240 126 326 124 C 410 122 448 190 451 284 C 452 316 448 344 438 366 " +
        "C 437 340 428 318 412 296 C 390 268 368 226 362 176 Z",
      "url(#hair-front)",
    ),
    // Strands that part the fringe.
    shape(
      "M 356 178 C 340 220 306 244 276 262 C 262 271 254 284 250 300 C 266 280 290 276 310 262 C 336 244 352 214 356 178 Z",
      "url(#hair-strand)",
    ),
    shape("M 366 178 C 372 220 388 250 402 274 C 408 284 411 294 411 304 C 398 288 384 274 377 254 C 369 232 366 206 366 178 Z", "url(#hair-strand)"),
    line("M 350 160 C 320 206 272 226 238 258 C 220 276 208 300 204 328", DEPTH, 2.2, { opacity: 0.5 }),
    line("M 340 150 C 296 176 244 206 216 258", DEPTH, 1.8, { opacity: 0.4 }),
    line("M 372 168 C 392 204 424 240 436 300", DEPTH, 2, { opacity: 0.45 }),
    // Light on the crown, broken into strands.
    shape("M 222 236 C 238 200 262 180 296 170 C 268 190 246 212 222 236 Z", "url(#sheen)"),
    shape("M 250 222 C 270 192 300 172 340 166 C 304 182 274 200 250 222 Z", "url(#sheen)"),
    shape("M 284 206 C 304 184 326 172 350 168 C 326 180 304 192 284 206 Z", "url(#sheen)"),
    shape("M 374 168 C 402 178 422 198 432 228 C 414 204 396 186 374 168 Z", "url(#sheen)"),
    line("M 236 226 C 252 200 274 182 304 170", "#cfdcff", 1.3, { opacity: 0.28 }),
    // One strand that would not lie flat.
    line("M 318 126 C 310 104 326 92 346 96", "#2c3556", 3.6),
  );
}
