// What an operator does to a running node: each change has a reason, ends by itself, and never goes into the file.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { REASON, TTL, ask } from './ask.js';
import { overrideLine } from './active.js';
import { send } from './connect.js';
import { clock, plural } from './format.js';

/** @import { App } from './main.js' */
/** @import { Peer } from './types.js' */

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];

/** @param {string} time */
const until = (time) => `until ${clock(time).slice(0, 8)}`;

/** Suspends or resumes a peer. @param {App} app @param {string} node @param {string} peer @param {'suspend' | 'resume'} verb */
function turn(app, node, peer, verb) {
  const isOff = verb === 'suspend';
  ask(app, {
    title: isOff ? `Suspend ${peer} at ${node}?` : `Switch ${peer} on at ${node}?`,
    says: isOff ? 'The node refuses its packets and sends it none. Balances stay as they are. The configuration does not change.'
      : 'The configuration switches this peer off. Packets pass until the time is over.',
    fields: [REASON, TTL],
    button: isOff ? 'Suspend' : 'Switch on',
    run: async ({ reason, ttl }) => {
      const made = await send('POST', `nodes/${encodeURIComponent(node)}/peers/${encodeURIComponent(peer)}/${verb}`, { ttlSeconds: Number(ttl), reason });
      return `${peer} is ${isOff ? 'suspended' : 'switched on'} at ${node} ${until(made.expiresAt)}`;
    },
  });
}

/** @param {App} app @param {string} node @param {string} peer */
function reconnect(app, node, peer) {
  ask(app, {
    title: `Reconnect ${peer} at ${node}?`,
    says: 'Its sessions are closed. The side that dials opens a new one at once; packets without an answer wait for their deadlines.',
    fields: [REASON],
    button: 'Reconnect',
    run: async ({ reason }) => {
      const made = await send('POST', `nodes/${encodeURIComponent(node)}/peers/${encodeURIComponent(peer)}/reconnect`, { reason });
      return `${plural(made.closedSessions ?? 0, 'session')} of ${peer} closed at ${node}`;
    },
  });
}

/** @param {App} app @param {string} node */
function setLevel(app, node) {
  ask(app, {
    title: `Log level of ${node}`,
    says: 'The node logs at this level until the time is over, then as its configuration says.',
    fields: [{ name: 'level', label: 'Level', value: 'debug', options: LEVELS.map((level) => [level, level]) }, REASON, TTL],
    button: 'Set',
    run: async ({ level, reason, ttl }) => {
      const made = await send('POST', `nodes/${encodeURIComponent(node)}/log-level`, { level, ttlSeconds: Number(ttl), reason });
      return `${node} logs at level ${level} ${until(made.expiresAt)}`;
    },
  });
}

/** What is changed at a peer, and buttons for what may be. @param {App} app @param {string} node @param {Peer} peer */
export function peerVerbs(app, node, peer) {
  const changes = app.store.overrides.filter((override) => override.node === node && override.peer === peer.id);
  const isOffered = app.store.may('operate') && peer.kind === 'peer' && peer.configured;
  if (changes.length === 0 && !isOffered) return nothing;
  const button = (/** @type {string} */ label, /** @type {() => void} */ click) => html`<button class="small" type="button" aria-label="${label} ${peer.id} at ${node}" @click=${click}>${label}</button>`;
  return html`${changes.map((change) => html`<div class="line">${overrideLine(app, change)}</div>`)}
    ${isOffered ? html`<div class="line verbs">${changes.some(({ kind }) => kind !== 'pauseSettlement') ? nothing : peer.enabled ? button('Suspend', () => turn(app, node, peer.id, 'suspend'))
    : button('Switch on', () => turn(app, node, peer.id, 'resume'))} ${button('Reconnect', () => reconnect(app, node, peer.id))}</div>` : nothing}`;
}

/** @param {App} app @param {string} node */
const levels = (app, node) => app.store.overrides.filter((override) => override.node === node && override.kind === 'logLevel');

/** A button among others. @param {App} app @param {string} node */
export const levelButton = (app, node) => (app.store.may('operate') && levels(app, node).length === 0
  ? html`<button type="button" @click=${() => setLevel(app, node)}>Log level …</button>` : nothing);

/** What is changed at a node. @param {App} app @param {string} node */
export const levelLines = (app, node) => levels(app, node).map((change) => html`<p class="line">${overrideLine(app, change)}</p>`);
