// The keys.

import { step } from './packet_table.js';
import { besideOf, isPage, selectionOf, writePlace } from './place.js';
import { hasLab } from './lab.js';

/** @import { App } from './main.js' */

/** @type {[string, string][]} */
export const KEYS = [
  ['/', 'filter'], ['space', 'pause, go on'], ['j k', 'next and previous packet'], ['enter', 'open as a page'], ['esc', 'close'],
  ['n p r m e c', 'network, packets, routes, money, events, configuration'], ['arrows', 'walk the graph'], ['f', 'show the whole graph'], ['t', 'graph or tables'], ['.', 'one hop, while paused'], ['l', 'lab, if there is one'], ['?', 'this help'],
];
/** @type {Record<string, string>} */
const VIEW_OF = { n: 'network', p: 'packets', r: 'routes', m: 'money', e: 'events', c: 'config' };
/** @type {Record<string, { x: number, y: number }>} */
const ARROWS = { ArrowLeft: { x: -1, y: 0 }, ArrowRight: { x: 1, y: 0 }, ArrowUp: { x: 0, y: -1 }, ArrowDown: { x: 0, y: 1 } };

export const openHelp = () => /** @type {HTMLDialogElement | null} */ (document.getElementById('help'))?.showModal();

/** @param {App} app */
export function listenToKeys(app) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const isText = target.matches('input, select, textarea') || target.closest('dialog[open], .cover') != null;
    if (event.key === 'Escape') {
      if (target.closest('dialog[open]')) return;
      if (target.id === 'filter') target.blur();
      else app.closeDrawer();
      return;
    }
    if (isText) return;
    if (act(app, event, target)) event.preventDefault();
  });
}

/** @param {App} app @param {KeyboardEvent} event @param {HTMLElement} target @returns {boolean} whether the key did something */
function act(app, event, target) {
  const { key } = event;
  const view = VIEW_OF[key];
  const arrow = ARROWS[key];
  if (view) app.go(writePlace({ view, params: app.place.params.filter ? { filter: app.place.params.filter } : {} }));
  else if (arrow && target.closest('.vertex')) walk(app, target, arrow);
  else if (key === '/') document.getElementById('filter')?.focus();
  else if (key === '?') openHelp();
  else if (key === ' ' && !target.matches('button, a, summary')) app.pause();
  else if (key === 'j') step(app, 1);
  else if (key === 'k') step(app, -1);
  else if (key === 'Enter' && target.matches('body, main, .scroll')) {
    const selection = selectionOf(app.place);
    if (selection && isPage(selection.kind)) app.go({ view: selection.kind, id: selection.id, params: {} });
  } else if (key === 'f') app.graph.fit();
  else if (key === 'l' && hasLab(app)) app.go(besideOf({ ...app.place, view: 'network', id: '' }, 'lab', 'all'));
  else if (key === 't') app.ui.isTable = !app.ui.isTable;
  else if (key === '.') app.dots.step();
  else return false;
  app.render();
  return true;
}

/** @param {App} app @param {HTMLElement} target @param {{ x: number, y: number }} direction */
function walk(app, target, direction) {
  const from = target.closest('.vertex')?.getAttribute('data-id') ?? '';
  const next = app.graph.neighbour(from, direction);
  if (next) /** @type {SVGElement | null} */ (document.querySelector(`.vertex[data-id="${CSS.escape(next)}"]`))?.focus();
}
