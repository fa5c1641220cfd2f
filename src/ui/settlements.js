// What was paid outside of Interledger: the newest settlements of nodes, those that an engine has not accepted, and peers
// with which an operator lets none begin.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { amount, inAsset, short } from './format.js';
import { beside, peerLink, time } from './parts.js';

/** @import { App } from './main.js' */
/** @import { Settlement, Settlements } from './types.js' */

/** Each node is asked by itself: more than so many are not shown together. */
const NODES_MAX = 16;
const SHOWN_MAX = 30;
const ASKED_EVERY_MS = 3000;

/** The settlements of the nodes of a view. @param {App} app @param {string[]} nodes */
export function settlementsOf(app, nodes) {
  // They are not for the token of a peer, and not every program has them.
  if (!app.store.offers('settlements') || app.store.seenBy) return nothing;
  const asked = nodes.slice(0, NODES_MAX);
  const answers = asked.map((node) => answerOf(app, node, `?limit=${SHOWN_MAX}`));
  const all = merged(answers);
  const newest = all.settlements.slice(0, SHOWN_MAX);
  return html`<h2>Settlements</h2>
    <p class="dim">What was paid outside of Interledger: by a settlement engine, or by hand and recorded with <code>ilp-connector settlement record</code>.${nodes.length > NODES_MAX
    ? ` Those of the first ${NODES_MAX} nodes; each link shows its own.` : ''}</p>
    ${notes(app, all)}
    ${newest.length === 0 ? html`<p class="dim" data-testid="settlements">${answers.every(Boolean) ? 'There are none yet.' : 'Loading …'}</p>` : table(app, newest)}`;
}

/** The settlements of both ends of a link. @param {App} app @param {{ node: string, peer: string }[]} ends */
export function settlementsBetween(app, ends) {
  if (!app.store.offers('settlements') || app.store.seenBy) return nothing;
  const all = merged(ends.map(({ node, peer }) => answerOf(app, node, `?peer=${encodeURIComponent(peer)}&limit=5`)));
  if (all.settlements.length + all.underWay.length + all.paused.length === 0) return nothing;
  return html`<h3>Settlements</h3>${notes(app, all)}${all.settlements.length === 0 ? nothing : table(app, all.settlements)}`;
}

/** @param {App} app @param {string} node @param {string} query @returns {(Settlements & { node: string }) | null} */
function answerOf(app, node, query) {
  const { data } = app.answers.get(`nodes/${encodeURIComponent(node)}/settlements${query}`, ASKED_EVERY_MS);
  return data && { ...data, node };
}

/** The newest settlements first. @param {((Settlements & { node: string }) | null)[]} answers */
function merged(answers) {
  const known = answers.filter((answer) => answer != null);
  return {
    settlements: known.flatMap((answer) => answer.settlements).toSorted((a, b) => b.createdAt.localeCompare(a.createdAt)),
    underWay: known.flatMap((answer) => answer.underWay),
    paused: known.flatMap((answer) => answer.paused.map((peer) => ({ node: answer.node, peer, until: answer.pausedUntil?.[peer] }))),
  };
}

/** What an operator may have to do something about. @param {App} app @param {ReturnType<typeof merged>} all */
const notes = (app, { underWay, paused }) => html`${underWay.filter((one) => one.lastError || one.heldUp).map(({ settlement, peer, lastError, nextAttemptAt, heldUp }) => html`<p class="warn-text" data-testid="settlement-failing">
    ${peerLink(app, settlement.node, peer)}: the engine has not accepted ${inAsset(settlement.units, settlement.asset)} after ${settlement.attempts} attempts${lastError ? `: ${lastError}` : ''}.${heldUp ? ` It is not asked now: ${heldUp}.` : nextAttemptAt ? html` It is asked again at ${time(nextAttemptAt)}.` : nothing}</p>`)}
  ${paused.map(({ node, peer, until }) => html`<p class="warn-text" data-testid="settlement-paused">${node} begins no settlement with ${peerLink(app, node, peer)}: an operator has paused them${until ? html` until ${time(until)}` : nothing}.</p>`)}`;

/** @param {App} app @param {Settlement[]} rows */
const table = (app, rows) => html`<div class="wide-table"><table data-testid="settlements"><thead><tr><th scope="col">when</th><th scope="col">node</th><th scope="col">who paid whom</th>
  <th scope="col" class="num">amount</th><th scope="col" class="num">units</th><th scope="col">state</th><th scope="col">reference</th></tr></thead><tbody>${rows.map((row) => html`<tr title=${`${row.key}, by ${row.by}`}>
  <th scope="row">${time(row.createdAt)}</th><td>${beside(app, 'node', row.node)}</td>
  <td class="nowrap">${row.direction === 'sent' ? html`${row.node} paid ${peerLink(app, row.node, row.peer)}` : html`${peerLink(app, row.node, row.peer)} paid ${row.node}`}</td>
  <td class="num">${inAsset(row.units, row.asset)}</td><td class="num" title=${amount(row.units)}>${short(row.units)}</td>
  <td class=${row.state === 'pending' ? 'warn-text' : ''}>${row.state === 'pending' ? `not accepted yet, ${row.attempts} attempts` : row.state}</td><td class="wrap">${row.reference || html`<span class="dim">${row.by}</span>`}</td></tr>`)}</tbody></table></div>`;
