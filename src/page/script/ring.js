// How a rim is drawn over a picture.

import { svg } from "./dom.js";

/** A ring as two ellipses, the dark one below for bright walls, and its number. */
export function ringShapes(rim, index, height, named) {
  const place = { cx: rim.x + rim.w / 2, cy: rim.y + rim.h / 2, rx: rim.w / 2, ry: rim.h / 2 };
  const shapes = [svg("ellipse", { ...place, class: "ring-halo" }), svg("ellipse", { ...place, class: "ring" })];
  if (named) {
    const text = svg("text", { x: place.cx, y: rim.y - height * 0.015, class: "ring-name", "font-size": height * 0.04 });
    text.textContent = index + 1;
    shapes.push(text);
  }
  return shapes;
}
