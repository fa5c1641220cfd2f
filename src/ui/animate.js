// Draws frame by frame: packets while some are on their way, and the page when there is something new.

import { LANE } from './draw_graph.js';

/** @import { App } from './main.js' */

/** A frame that comes later than this moves the packets no further. */
const FRAME_MS_MAX = 100;

/** @param {App} app */
export function animate(app) {
  let last = 0;
  let isDrawn = false;
  const frame = (/** @type {number} */ at) => {
    const ms = Math.min(FRAME_MS_MAX, at - last);
    last = at;
    if (app.isDue(at)) app.render();
    const canvas = /** @type {HTMLCanvasElement | null} */ (document.getElementById('dots'));
    const context = canvas?.getContext('2d');
    if (canvas && context && (app.dots.isActive() || isDrawn)) {
      isDrawn = app.dots.isActive();
      fit(app, canvas, context);
      app.dots.draw(context, ms, app.graph, LANE);
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** @param {App} app @param {HTMLCanvasElement} canvas @param {CanvasRenderingContext2D} context */
function fit(app, canvas, context) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [Math.round(app.graph.size.width * scale), Math.round(app.graph.size.height * scale)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.setTransform(scale, 0, 0, scale, 0, 0);
}
