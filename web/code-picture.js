// A QR code as one SVG path: sharp at any size, and no picture to be fetched.

import { generate } from "./vendor/lean-qr/lean-qr.js";
import { h } from "./render.js";

/** Modules of white that readers want around it. */
const MARGIN = 4;

/** The picture of `text`, described by `label`. */
export function codePicture(text, label) {
  const code = generate(text);
  const size = code.size + 2 * MARGIN;
  let path = "";
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      if (!code.get(x, y)) continue;
      const from = x;
      while (code.get(x + 1, y)) x++;
      path += `M${from + MARGIN} ${y + MARGIN}h${x - from + 1}v1h-${x - from + 1}z`;
    }
  }
  return h("svg", { class: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": label },
    h("rect", { class: "qr-ground", width: size, height: size }),
    h("path", { class: "qr-ink", d: path, "shape-rendering": "crispEdges" }));
}
