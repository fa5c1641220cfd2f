// The shapes of packets on the canvas: shape tells what colour tells.

/** @import { Point } from './types.js' */
/** @import { Move } from './paths.js' */

/** A circle, a square or a cross, with an edge that sets it off. @param {CanvasRenderingContext2D} context @param {Move['kind']} kind @param {Point} at @param {number} size @param {string} color @param {string} edge */
export function shape(context, kind, { x, y }, size, color, edge) {
  const outline = new Path2D();
  const h = 5 * size;
  if (kind === 'prepare') outline.arc(x, y, 1.1 * h, 0, 2 * Math.PI);
  else if (kind === 'fulfill') outline.rect(x - h, y - h, 2 * h, 2 * h);
  else {
    outline.moveTo(x - h, y - h);
    outline.lineTo(x + h, y + h);
    outline.moveTo(x - h, y + h);
    outline.lineTo(x + h, y - h);
  }
  context.lineWidth = (kind === 'reject' ? 6.5 : 3) * size;
  context.strokeStyle = edge;
  context.stroke(outline);
  if (kind !== 'reject') {
    context.fillStyle = color;
    context.fill(outline);
    return;
  }
  context.lineWidth = 3.5 * size;
  context.strokeStyle = color;
  context.stroke(outline);
}
