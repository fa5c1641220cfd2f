// The pointer on the graph: drags nodes, moves and zooms.

/** @import { App } from './main.js' */

/** Pixels; a shorter way is a click. */
const DRAG_MIN = 4;

/** @param {App} app */
export function listenToPointer(app) {
  /** @type {{ id: string | null, x: number, y: number, isDrag: boolean, pointer: number } | null} */
  let held = null;
  const picture = (/** @type {Event} */ event) => /** @type {HTMLElement} */ (event.target).closest('svg.graph');
  document.addEventListener('pointerdown', (event) => {
    if (!picture(event) || event.button !== 0) return;
    const vertex = /** @type {HTMLElement} */ (event.target).closest('.vertex');
    held = { id: vertex?.getAttribute('data-id') ?? null, x: event.clientX, y: event.clientY, isDrag: false, pointer: event.pointerId };
  });
  document.addEventListener('pointermove', (event) => {
    if (!held || event.pointerId !== held.pointer) return;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.isDrag && Math.hypot(dx, dy) < DRAG_MIN) return;
    held.isDrag = true;
    const box = document.getElementById('picture')?.getBoundingClientRect();
    if (held.id && box) app.graph.drag(held.id, { x: event.clientX - box.left, y: event.clientY - box.top });
    else app.graph.pan(dx, dy);
    [held.x, held.y] = [event.clientX, event.clientY];
    app.render();
  });
  document.addEventListener('pointerup', () => {
    // The click that ends a drag opens nothing.
    if (held?.isDrag) {
      const stop = (/** @type {Event} */ event) => { event.preventDefault(); event.stopPropagation(); };
      document.addEventListener('click', stop, { capture: true, once: true });
      setTimeout(() => document.removeEventListener('click', stop, { capture: true }), 50);
    }
    held = null;
  });
  document.addEventListener('pointercancel', () => { held = null; });
  document.addEventListener('dragstart', (event) => { if (picture(event)) event.preventDefault(); });
  document.addEventListener('wheel', (event) => {
    const box = picture(event)?.getBoundingClientRect();
    if (!box) return;
    event.preventDefault();
    app.graph.zoom(Math.exp(-event.deltaY * 0.0015), { x: event.clientX - box.left, y: event.clientY - box.top });
    app.render();
  }, { passive: false });
}
