// Pings and traces that a node sends for the reader, with their results in place.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { codeName } from './codes.js';
import { send } from './connect.js';
import { NONE, micros, middle } from './format.js';
import { beside } from './parts.js';
import { besideOf } from './place.js';

/** @import { App } from './main.js' */
/**
 * @typedef {{ seq: number, latencyUs?: number | null, error?: { code?: string | null, name?: string | null, message?: string | null, triggeredBy?: string | null } | null }} PingResult
 * @typedef {{ kind: string, from: string, destination: string, results?: PingResult[], hops?: { address: string, latencyUs: number }[] | null }} Probe
 * @typedef {{ isRunning: boolean, error: string, answer: Probe | null }} Kept
 */

const PINGS = 3;
/** Above this, all nodes are pinged from one of them. */
const MATRIX_MAX = 8;
const PAIRS_MAX = 150;
/** A node takes four probes at a time, of all its clients. */
const AT_ONCE = 2;
const KEPT_MAX = 200;

/** @param {App} app */
export const hasProbes = (app) => app.store.offers('probes') && app.store.may('operate');

/** @param {'ping' | 'trace'} kind @param {string} from @param {string} to */
const keyOf = (kind, from, to) => `${kind} ${from} ${to}`;

/** @param {App} app @param {'ping' | 'trace'} kind @param {string} from a node @param {string} to a node or an address @param {number} [count] */
export async function probe(app, kind, from, to, count = PINGS) {
  const { probes } = app.ui;
  const key = keyOf(kind, from, to);
  if (probes.get(key)?.isRunning) return;
  /** @type {Kept} */
  const kept = { isRunning: true, error: '', answer: null };
  probes.delete(key);
  if (probes.size >= KEPT_MAX) probes.delete(probes.keys().next().value ?? '');
  probes.set(key, kept);
  app.render();
  try {
    kept.answer = await send('POST', 'probes', kind === 'ping' ? { kind, from, to, count } : { kind, from, to });
  } catch (error) {
    kept.error = String(/** @type {Error} */ (error).message ?? error);
  }
  kept.isRunning = false;
  app.voice.announce(`${kind} from ${from} to ${to}: ${summary(kept)}`);
  app.render();
}

/** @param {Kept} kept */
function summary({ isRunning, error, answer }) {
  if (isRunning) return 'under way';
  if (error) return error;
  const results = answer?.results ?? [];
  const failed = results.find((result) => result.error)?.error;
  if (failed) return `${failed.code ?? ''} ${failed.name ?? codeName(failed.code)}`.trim() || failed.message || 'failed';
  return micros(best(results));
}

/** @param {PingResult[]} results */
const best = (results) => results.reduce((/** @type {number | null} */ least, { latencyUs }) => (latencyUs == null ? least : Math.min(least ?? Infinity, latencyUs)), null);

/** Buttons for an address, and what came of them. @param {App} app @param {string} from @param {string} to */
export function probePanel(app, from, to) {
  if (!hasProbes(app) || !to) return nothing;
  return html`<div class="probe" data-testid="probe"><p class="actions">
      <button type="button" @click=${() => probe(app, 'ping', from, to)}>Ping</button><button type="button" @click=${() => probe(app, 'trace', from, to)}>Trace</button>
      <span class="dim">from ${from} to <code>${middle(to, 40)}</code></span></p>
    ${(/** @type {const} */ (['ping', 'trace'])).map((kind) => result(app, kind, app.ui.probes.get(keyOf(kind, from, to))))}</div>`;
}

/** @param {App} app @param {'ping' | 'trace'} kind @param {Kept | undefined} kept */
function result(app, kind, kept) {
  if (!kept) return nothing;
  if (kept.isRunning) return html`<p class="dim">${kind} is under way …</p>`;
  if (!kept.answer) return html`<p class="bad-text" role="alert">${kind}: ${kept.error}</p>`;
  const { results = [] } = kept.answer;
  const hops = kept.answer.hops ?? [];
  // Of a trace, the result is the answer to the last packet, which the last hop gave.
  const shown = kind === 'trace' ? results.filter((one) => one.error) : results;
  return html`${hops.length > 0 ? html`<ol class="plain" aria-label="Hops of the trace">${hops.map((hop, index) => html`<li><span class="dim">${index + 1}</span>
      ${place(app, hop.address)} <b>${micros(hop.latencyUs)}</b></li>`)}</ol>` : nothing}
    ${shown.length > 0 ? html`<ol class="plain" aria-label="Results of the ${kind}">${shown.map(({ seq, latencyUs, error }) => html`<li><span class="dim">${kind}${kind === 'ping' ? ` ${seq}` : ''}</span>
      ${error ? failure(error) : html`<b class="good-text">✓ ${micros(latencyUs)}</b>`}</li>`)}</ol>`
    : kind === 'trace' && hops.length > 0 ? html`<p class="good-text">✓ It arrives.</p>` : nothing}`;
}

/** An address, as its node where that is in view. @param {App} app @param {string} address */
function place(app, address) {
  const node = [...app.store.nodes.values()].find((one) => one.address === address);
  return node ? html`<b>${beside(app, 'node', node.id)}</b> <code class="dim">${address}</code>` : html`<code>${address}</code>`;
}

/** @param {NonNullable<PingResult['error']>} error */
const failure = ({ code, name, message, triggeredBy }) => html`<span class="bad-text">✕ <b class="code">${code ?? ''}</b> ${name ?? codeName(code)}${
  message ? `: ${message}` : ''}${triggeredBy ? ` (${triggeredBy})` : ''}</span>`;

/** The pairs of nodes of "ping all". @param {App} app @returns {[string, string][]} */
function pairs(app) {
  const ids = [...app.store.nodes.keys()];
  const froms = ids.length <= MATRIX_MAX ? ids : ids.slice(0, 1);
  return froms.flatMap((from) => ids.filter((to) => to !== from).map((to) => /** @type {[string, string]} */ ([from, to]))).slice(0, PAIRS_MAX);
}

/** Pings from each node to each other one; in a large network from the first one only. @param {App} app */
async function pingAll(app) {
  const waiting = pairs(app);
  const work = async () => {
    for (let pair = waiting.shift(); pair; pair = waiting.shift()) await probe(app, 'ping', pair[0], pair[1], 1);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Pings all, with the results beside the graph. @param {App} app */
export function startPings(app) {
  app.go(besideOf({ ...app.place, view: 'network', id: '' }, 'pings', 'all'));
  pingAll(app);
}

/** What came of "ping all". @param {App} app */
export function probesView(app) {
  const list = pairs(app);
  const [froms, tos] = [[...new Set(list.map(([from]) => from))], [...app.store.nodes.keys()]];
  const isTurned = froms.length === 1;
  const cell = (/** @type {string} */ from, /** @type {string} */ to) => {
    const kept = app.ui.probes.get(keyOf('ping', from, to));
    if (from === to || !kept) return html`<td class="num dim">${from === to ? '·' : NONE}</td>`;
    const isGood = kept.answer != null && !kept.answer.results?.some((result) => result.error);
    return html`<td class="num ${kept.isRunning ? 'dim' : isGood ? 'good-text' : 'bad-text'}" title="${from} to ${to}: ${summary(kept)}">${
      kept.isRunning ? '…' : isGood ? summary(kept) : html`✕ ${kept.answer?.results?.find((result) => result.error)?.error?.code ?? 'failed'}`}</td>`;
  };
  const failed = list.filter(([from, to]) => {
    const kept = app.ui.probes.get(keyOf('ping', from, to));
    return kept && !kept.isRunning && (kept.error || kept.answer?.results?.some((result) => result.error));
  });
  return html`<article data-testid="probes-view"><h2>Ping all</h2>
    <p class="lead">${isTurned ? `From ${froms[0]} to each other node.` : 'From each node to each other one: there and back, over the links in between.'}</p>
    ${hasProbes(app) ? html`<p class="actions"><button type="button" @click=${() => pingAll(app)}>${app.ui.probes.size > 0 ? 'Ping again' : 'Ping all'}</button></p>` : nothing}
    <div class="wide-table"><table data-testid="pings"><thead><tr><td>${isTurned ? '' : 'from \\ to'}</td>${(isTurned ? froms : tos).map((id) => html`<th scope="col" class="num">${id}</th>`)}</tr></thead>
      <tbody>${(isTurned ? tos.filter((to) => to !== froms[0]) : froms).map((row) => html`<tr><th scope="row">${row}</th>${
  isTurned ? cell(froms[0] ?? '', row) : tos.map((to) => cell(row, to))}</tr>`)}</tbody></table></div>
    ${failed.length > 0 ? html`<h3>What failed</h3><ul class="plain">${failed.map(([from, to]) => html`<li><b>${from} → ${to}</b> ${result(app, 'ping', app.ui.probes.get(keyOf('ping', from, to)))}</li>`)}</ul>` : nothing}</article>`;
}
