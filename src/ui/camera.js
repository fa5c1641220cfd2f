// From hops of the layout to pixels of a box, and back.

/** @import { Point } from './types.js' */

/** Pixels of a hop, at most. */
export const SCALE_MAX = 300;
const SCALE_MIN = 10;
/** A wide box may stretch the layout by this much. */
const STRETCH_MAX = 2.2;

/**
 * The camera that shows all points in a box, in pixels. A box that is higher than wide shows the layout turned.
 * @param {Iterable<Point>} points @param {number} width @param {number} height @param {number} pad
 */
export function fit(points, width, height, pad) {
  const all = [...points];
  const isTurned = height > width * 1.15;
  const flat = isTurned ? all.map((p) => ({ x: -p.y, y: p.x })) : all;
  const [xs, ys] = [flat.map((p) => p.x), flat.map((p) => p.y)];
  const [left, right, top, bottom] = [Math.min(0, ...xs), Math.max(0, ...xs), Math.min(0, ...ys), Math.max(0, ...ys)];
  const [across, down] = [(width - 2 * pad) / Math.max(right - left, 0.01), (height - 2 * pad) / Math.max(bottom - top, 0.01)];
  const scale = Math.max(SCALE_MIN, Math.min(SCALE_MAX, across, down));
  const sx = Math.min(SCALE_MAX, Math.max(SCALE_MIN, across), scale * STRETCH_MAX);
  const sy = Math.min(SCALE_MAX, Math.max(SCALE_MIN, down), scale * STRETCH_MAX);
  return { sx, sy, isTurned, x: width / 2 - (sx * (left + right)) / 2, y: height / 2 - (sy * (top + bottom)) / 2 };
}

/** @param {Point} p @param {ReturnType<typeof fit>} camera @returns {Point} in pixels */
export function project(p, camera) {
  const flat = camera.isTurned ? { x: -p.y, y: p.x } : p;
  return { x: camera.x + camera.sx * flat.x, y: camera.y + camera.sy * flat.y };
}

/** @param {Point} p in pixels @param {ReturnType<typeof fit>} camera @returns {Point} in hops */
export function unproject(p, camera) {
  const flat = { x: (p.x - camera.x) / camera.sx, y: (p.y - camera.y) / camera.sy };
  return camera.isTurned ? { x: flat.y, y: -flat.x } : flat;
}
