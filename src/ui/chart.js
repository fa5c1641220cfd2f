// Charts of a link. uPlot draws on a canvas of its own; lit-html only gives it a place.

import { html } from './vendor/lit-html/lit-html.js';
import { clock } from './format.js';

/** @import { App } from './main.js' */
/** @typedef {{ label: string, color: string, values: (number | null)[] }} Series */

const HEIGHT = 150;
const SECONDS = 300;

/** The plots in sight, by their places. @type {Map<Element, any>} */
const drawn = new Map();

/**
 * @param {App} app @param {string} key @param {string} title @param {number[]} at seconds @param {Series[]} series
 * @param {(value: number | null | undefined) => string} format
 */
export function chart(app, key, title, at, series, format) {
  app.after(() => {
    const place = document.querySelector(`[data-chart="${CSS.escape(key)}"]`);
    if (place) draw(place, at, series, format);
  });
  const last = series.map(({ label, values }) => `${label} ${format(values.at(-1))}`).join(', ');
  return html`<figure class="chart"><figcaption>${title}: ${series.map(({ label, values, color }) => html`<span class="key"><i class="swatch ${color.slice(2)}"></i>
    ${label} <b>${format(values.at(-1))}</b></span>`)}</figcaption><div data-chart=${key} role="img" aria-label="${title} over the last five minutes; now ${last}"></div></figure>`;
}

/** @param {Element} place @param {number[]} at @param {Series[]} series @param {(value: number | null | undefined) => string} format */
function draw(place, at, series, format) {
  const data = [at, ...series.map(({ values }) => values)];
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const theme = color('--text') + series.map(({ label }) => label).join();
  const width = place.clientWidth;
  // A plot listens to the window, which keeps it until it is destroyed.
  for (const [old, { plot }] of drawn) {
    if (old.isConnected) continue;
    plot.destroy();
    drawn.delete(old);
  }
  let known = drawn.get(place);
  if (known && known.theme !== theme) {
    known.plot.destroy();
    known = undefined;
  }
  if (!known) {
    // @ts-expect-error uPlot is a classic script: it defines a global.
    const Plot = globalThis.uPlot;
    if (!Plot || width === 0) return;
    const axis = { stroke: color('--dim'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui' };
    const plot = new Plot({
      width, height: HEIGHT, legend: { show: false }, cursor: { show: false },
      scales: { x: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ max) => [max - SECONDS, max] }, y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ max) => [0, Math.max(1, max || 0) * 1.1] } },
      axes: [{ ...axis, space: 90, size: 26, values: (/** @type {any} */ _, /** @type {number[]} */ list) => list.map((s) => clock(new Date(s * 1000).toISOString()).slice(0, 8)) }, { ...axis, size: 58, values: (/** @type {any} */ _, /** @type {number[]} */ list) => list.map((v) => format(v)) }],
      series: [{}, ...series.map((line) => ({ label: line.label, stroke: color(line.color), width: 1.75, points: { show: false } }))],
    }, data, place);
    drawn.set(place, { plot, theme, at: at.at(-1) });
    return;
  }
  if (known.plot.width !== width && width > 0) known.plot.setSize({ width, height: HEIGHT });
  if (known.at === at.at(-1)) return;
  known.at = at.at(-1);
  known.plot.setData(data);
}
