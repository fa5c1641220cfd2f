// What is not as the configuration says, for a while: changes by operators, and faults of the lab. Each with its end, and
// a button that ends it now.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { act } from './ask.js';
import { send } from './connect.js';
import { count, left, middle, plural } from './format.js';
import { beside } from './parts.js';

/** @import { App } from './main.js' */
/** @import { Fault, Link, Override } from './types.js' */

const SHOWN_MAX = 4;
/** Characters of a reason above the view. */
const REASON_WIDE = 90;
const REASON_NARROW = 40;

/** @param {string} id */
const linkText = (id) => id.replace('~', ' – ');

/** What a fault does, in a sentence that the name of its place begins. @param {Fault} fault */
export function faultText({ kind, value }) {
  switch (kind) {
    case 'stopNode': return 'is stopped';
    case 'cut': return 'is cut';
    case 'delay': return value ? `is slower by ${value}` : 'is slow';
    case 'drop': return value ? `loses ${value} of its packets` : 'loses packets';
    default: return `sends ${value ?? 'packets'}`;
  }
}

/** The same without its place, for a label. @param {Fault} fault */
export const faultLabel = (fault) => (fault.link ? faultText(fault).replace(/^is /, '').replace(' of its packets', '') : `${fault.node} ${faultText(fault)}`);

/** @param {Fault} fault */
export const placeOf = (fault) => (fault.link ? linkText(fault.link) : fault.node ?? 'the network');

/** @param {Override} override */
function overrideText({ node, peer, kind, value }) {
  switch (kind) {
    case 'suspend': return `${peer} is suspended at ${node}`;
    case 'resume': return `${peer} is switched on at ${node}`;
    case 'pauseSettlement': return `settlements with ${peer} are paused at ${node}`;
    default: return `${node} logs at level ${value}`;
  }
}

/** @param {App} app @param {{ id: string }} item @param {'overrides' | 'lab'} list @param {string} what */
const undo = (app, item, list, what) => html`<button class="small" type="button" data-testid="undo" aria-label="Undo: ${what}" @click=${() => act(app, async () => {
  // The button goes with what it undoes.
  document.getElementById('main')?.focus();
  await send('DELETE', `${list}/${encodeURIComponent(item.id)}`);
  return `Undone: ${what}`;
})}>Undo</button>`;

/** @param {App} app @param {{ expiresAt: string }} item */
const countdown = (app, { expiresAt }) => html`<span class="countdown" title="ends by itself at ${expiresAt}"><b class="num">${left(expiresAt, app.now())}</b> left</span>`;

/** What has become of the packets of a burst. @param {Fault} fault */
function outcome({ result }) {
  if (!result || result.sent === 0) return nothing;
  const codes = Object.entries(result.rejected).map(([code, n]) => html` <b class="code">${code}</b> ${count(n)}`);
  return html`<span class="dim" data-testid="burst">${count(result.sent)} sent, <span class="good-text">${count(result.fulfilled)} fulfilled</span>${codes}</span>`;
}

/** @param {App} app @param {Fault} fault */
export function faultLine(app, fault) {
  const what = `${placeOf(fault)} ${faultText(fault)}`;
  const place = fault.link && app.store.links.has(fault.link) ? beside(app, 'link', fault.link, placeOf(fault))
    : fault.node && app.store.nodes.has(fault.node) ? beside(app, 'node', fault.node) : placeOf(fault);
  return html`<span class="active" data-testid="fault"><span><b>${place}</b> ${faultText(fault)}</span> ${outcome(fault)} ${countdown(app, fault)}
    ${app.store.may('operate') ? undo(app, fault, 'lab', what) : nothing}</span>`;
}

/** @param {App} app @param {Override} override @param {number} [room] characters of the reason */
export function overrideLine(app, override, room = Infinity) {
  const what = overrideText(override);
  const link = override.peer ? app.store.linkOf(override.node, override.peer) : null;
  return html`<span class="active" data-testid="override"><span><b>${link ? beside(app, 'link', link, what) : beside(app, 'node', override.node, what)}</b>${
    override.reason ? html`: <q title=${override.reason}>${middle(override.reason, room)}</q>` : nothing}${override.by ? html` <span class="dim">by ${override.by}</span>` : nothing}</span>
    ${countdown(app, override)}${app.store.may('operate') ? undo(app, override, 'overrides', what) : nothing}</span>`;
}

/** Above every view: nobody shall take a broken network for a real one. @param {App} app */
export function notices(app) {
  const { faults, overrides } = app.store;
  return html`${faults.length > 0 ? html`<div class="banner lab" role="group" aria-label="Faults of the lab" data-testid="faults"><b class="sign">Lab</b>
      ${faults.slice(0, SHOWN_MAX).map((fault) => faultLine(app, fault))}${more(faults)}</div>` : nothing}
    ${overrides.length > 0 ? html`<div class="banner changed" role="group" aria-label="Changes by operators" data-testid="overrides">
      ${overrides.slice(0, SHOWN_MAX).map((override) => overrideLine(app, override, app.isNarrow() ? REASON_NARROW : REASON_WIDE))}${more(overrides)}</div>` : nothing}`;
}

/** @param {unknown[]} list */
const more = (list) => (list.length > SHOWN_MAX ? html`<span>and ${plural(list.length - SHOWN_MAX, 'more')}</span>` : nothing);

/** The fault that breaks a link: its own, or that of a node at its end. @param {App} app @param {Link} link @returns {Fault | null} */
export const faultOf = (app, link) => app.store.faults.find((fault) => fault.kind !== 'burst'
  && (fault.link === link.id || (fault.node != null && (fault.node === link.a || fault.node === link.b)))) ?? null;

/**
 * The fault that was set when a node refused a packet, because of which it may have: as the lab says now, or as its events
 * said then. In words, or null.
 * @param {App} app @param {string} node @param {string | null | undefined} peer @param {string} at
 */
export function labThen(app, node, peer, at) {
  const link = peer ? app.store.links.get(app.store.linkOf(node, peer) ?? '') : undefined;
  if (!link) return null;
  const now = faultOf(app, link);
  if (now && now.setAt <= at) return `${placeOf(now)} ${faultText(now)}`;
  const ends = [link.id, link.a, link.b];
  const last = app.store.events.findLast(({ kind, at: when, fields }) => kind.startsWith('lab.') && when <= at && fields?.fault !== 'burst' && ends.includes(String(fields?.place)));
  return last?.kind === 'lab.set' ? `${linkText(String(last.fields.place))} ${faultText({ kind: /** @type {Fault['kind']} */ (last.fields.fault), id: '', setAt: at, expiresAt: at })}` : null;
}

/** What breaks or suspends an account now, each with the button that ends it. @param {App} app @param {string} node @param {string | null | undefined} peer */
export function mendable(app, node, peer) {
  const link = peer ? app.store.links.get(app.store.linkOf(node, peer) ?? '') : undefined;
  const fault = link ? faultOf(app, link) : null;
  const changes = app.store.overrides.filter((override) => override.kind === 'suspend' && override.node === node && override.peer === peer);
  return html`${fault ? html`<p class="line">${faultLine(app, fault)}</p>` : nothing}${changes.map((override) => html`<p class="line">${overrideLine(app, override)}</p>`)}`;
}
