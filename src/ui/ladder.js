// A packet as a ladder: one vertical line for each account on the way, the Prepare going right, the answer coming back.

import { html, svg } from './vendor/lit-html/lit-html.js';
import { amount, micros, middle } from './format.js';
import { ending, hasRecord, moves } from './paths.js';
import { eventOf } from './words.js';

/** @import { App } from './main.js' */
/** @import { Hop } from './types.js' */

const STEP = 30;
const TOP = 44;
const SIDE_MIN = 36;
const SIDE_MAX = 92;

/** @param {App} app @param {Hop[]} chain @param {number} room pixels from side to side */
export function ladder(app, chain, room) {
  const far = (/** @type {string} */ n, /** @type {string} */ p) => app.store.far(n, p) ?? `?${p}`;
  const steps = moves(chain, far);
  const lines = [...new Set(steps.flatMap((move) => (move.kind === 'prepare' ? [move.from, move.to] : [])))];
  for (const move of steps) for (const id of [move.from, move.to]) if (!lines.includes(id)) lines.push(id);
  if (lines.length === 0) lines.push(...chain.map((hop) => hop.node));
  // The names of the first and the last line stand half outside of them.
  const longest = Math.max(...[lines[0], lines.at(-1)].map((id) => label(id ?? '').length));
  const side = Math.min(SIDE_MAX, Math.max(SIDE_MIN, longest * 4.6));
  const gap = Math.max(62, Math.min(190, (room - 2 * side) / Math.max(1, lines.length - 1)));
  const [width, height] = [gap * Math.max(1, lines.length - 1) + 2 * side, TOP + STEP * (steps.length + 1)];
  const x = (/** @type {string} */ id) => side + gap * lines.indexOf(id);
  const last = chain.at(-1)?.answer;
  const recorded = new Set(chain.filter(hasRecord).map((hop) => hop.node));
  const isBlank = (/** @type {string} */ id) => ending(chain) != null && app.store.nodes.has(id) && !recorded.has(id);
  const named = (/** @type {string} */ id) => label(id) + (isBlank(id) ? ' (no record here)' : '');
  return html`<div class="ladder"><svg viewBox="0 0 ${width} ${height}" width=${width} height=${height} role="img" data-testid="ladder"
    aria-label=${`The way of the packet: ${lines.map(named).join(', ')}`}>
    ${lines.map((id) => svg`<g><line class="life" x1=${x(id)} x2=${x(id)} y1=${TOP - (isBlank(id) ? 4 : 12)} y2=${height - 8}></line>
      <text class="name" x=${x(id)} y="20" text-anchor="middle">${middle(label(id), Math.floor(gap / 8.5))}<title>${named(id)}</title></text>
      ${isBlank(id) ? svg`<text class="none" x=${x(id)} y="36" text-anchor="middle">${gap > 100 ? 'no record here' : 'no record'}</text>` : ''}</g>`)}
    ${steps.map((move, index) => {
    const y = TOP + STEP * (index + 0.6);
    const [from, to] = [x(move.from), x(move.to)];
    const away = Math.sign(to - from);
    const { record } = move;
    const isOut = move.kind === 'prepare' && record.node === move.from;
    const text = move.kind === 'prepare' ? amount(isOut ? record.outgoingAmount ?? record.amount : record.amount)
      : `${record.code ?? ''} ${record.latencyUs != null && record.node === move.from ? micros(record.latencyUs) : ''}`.trim();
    return svg`<g class="move ${move.kind}"><line x1=${from} y1=${y} x2=${to - away * 5} y2=${y}></line>
      <path d="M${to - away * 10} ${y - 5}L${to - away * 2} ${y}L${to - away * 10} ${y + 5}"></path>
      <text x=${(from + to) / 2} y=${y - 6} text-anchor="middle">${text}</text></g>`;
  })}
    ${last?.decidedHere ? svg`<g class="decided ${last.phase}"><circle cx=${x(last.node)} r="9"
      cy=${TOP + STEP * (steps.filter((move) => move.kind === 'prepare').length + 0.1)}></circle>
      <text x=${x(last.node)} y=${TOP + STEP * (steps.filter((move) => move.kind === 'prepare').length + 0.1) + 4} text-anchor="middle">${eventOf(last).mark}</text></g>` : ''}
  </svg></div>`;
}

/** A vertex as its reader knows it: outside a view it is `~a~peer`. @param {string} id */
function label(id) {
  if (id.startsWith('?')) return id.slice(1);
  return id.startsWith('~') ? id.slice(id.indexOf('~', 1) + 1) : id;
}
