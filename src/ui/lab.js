// The lab: breaks a link or stops a node on purpose, for a while, so that one sees what packets do then. Only `up --lab`
// offers it.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { act, ask } from './ask.js';
import { faultLine, faultText, placeOf } from './active.js';
import { send } from './connect.js';
import { amount } from './format.js';
import { badge, beside } from './parts.js';
import { besideOf } from './place.js';
import { linkName, whyOf } from './words.js';

/** @import { App } from './main.js' */
/** @import { Field } from './ask.js' */
/** @import { Fault, Link, NodeInfo } from './types.js' */

const LISTED_MAX = 60;
/** @type {[string, string][]} */
const TIMES = [['30', '30 seconds'], ['60', '1 minute'], ['300', '5 minutes'], ['1800', '30 minutes']];

/** @param {App} app */
export const hasLab = (app) => app.store.offers('lab') && app.store.may('operate');

/** @param {App} app @param {Record<string, unknown>} body */
async function set(app, body) {
  /** @type {Fault} */
  const fault = await send('POST', 'lab', { ttlSeconds: Number(app.ui.labSeconds), ...body });
  return `${placeOf(fault)} ${faultText(fault)}`;
}

/** @param {App} app */
const times = (app) => html`<label>for <select name="labSeconds" @change=${(/** @type {any} */ e) => { app.ui.labSeconds = e.target.value; app.render(); }}>${
  TIMES.map(([key, text]) => html`<option value=${key} ?selected=${key === app.ui.labSeconds}>${text}</option>`)}</select></label>`;

/** @returns {Field} @param {App} app */
const ttl = (app) => ({ name: 'ttl', label: 'for', value: app.ui.labSeconds, options: TIMES });

/** @param {App} app @param {string} link @param {string} name */
function delay(app, link, name) {
  ask(app, {
    title: `Slow ${name} down?`, says: 'Everything on this link comes later, both ways. Packets whose time runs out get R00.',
    fields: [{ name: 'delayMs', label: 'milliseconds', kind: 'number', value: '500', min: 1, max: 10_000, isRequired: true }, ttl(app)], button: 'Delay',
    run: ({ delayMs, ttl }) => set(app, { kind: 'delay', link, delayMs: Number(delayMs), ttlSeconds: Number(ttl) }),
  });
}

/** @param {App} app @param {string} link @param {string} name */
function drop(app, link, name) {
  ask(app, {
    title: `Lose packets on ${name}?`, says: 'So many of a hundred packets that are sent over this link never arrive.',
    fields: [{ name: 'dropPercent', label: 'percent', kind: 'number', value: '30', min: 1, max: 100, isRequired: true }, ttl(app)], button: 'Drop',
    run: ({ dropPercent, ttl }) => set(app, { kind: 'drop', link, dropPercent: Number(dropPercent), ttlSeconds: Number(ttl) }),
  });
}

/** @param {App} app @param {string} from @param {string} to */
function burst(app, from, to) {
  const ids = [...app.store.nodes.keys()];
  /** @type {[string, string][]} */
  const options = ids.map((id) => [id, id]);
  ask(app, {
    title: 'Send a burst of packets?', says: 'Real packets of the network, from one node to the account of another.',
    fields: [{ name: 'from', label: 'from', value: from, options }, { name: 'to', label: 'to', value: to, options },
      { name: 'count', label: 'packets', kind: 'number', value: '300', min: 1, max: 100_000, isRequired: true },
      { name: 'perSecond', label: 'a second', kind: 'number', value: '20', min: 1, max: 1000, isRequired: true },
      { name: 'amount', label: 'amount of each', kind: 'number', value: '1', min: 0, isRequired: true }],
    button: 'Send',
    run: async (values) => {
      const [count, perSecond] = [Number(values.count), Number(values.perSecond)];
      await set(app, { kind: 'burst', from: values.from, to: values.to, amount: values.amount, count, perSecond, ttlSeconds: Math.min(3600, Math.ceil(count / perSecond) + 10) });
      return `${amount(values.count)} packets are on their way from ${values.from} to ${values.to}`;
    },
  });
}

/** @param {string} label @param {string} name @param {() => void} click */
const button = (label, name, click) => html`<button class="small" type="button" aria-label="${label} ${name}" @click=${click}>${label}</button>`;

/** What breaks a link now. @param {App} app @param {Link} link */
const faultsOf = (app, link) => app.store.faults.filter((fault) => fault.link === link.id || (fault.kind === 'stopNode' && [link.a, link.b].includes(fault.node ?? '')));

/** @param {App} app @param {Link} link */
export function linkLab(app, link) {
  const faults = faultsOf(app, link);
  const isOffered = hasLab(app) && app.store.isInside(link);
  if (faults.length === 0 && !isOffered) return nothing;
  return html`<section class="card lab-card" aria-label="Lab" data-testid="lab"><b class="sign">Lab</b>
    ${faults.map((fault) => whole(app, fault))}
    ${isOffered ? html`<div class="line">${linkButtons(app, link)} ${times(app)}</div>` : nothing}</section>`;
}

/** @param {App} app @param {Link} link */
function linkButtons(app, link) {
  const name = linkName(link);
  const isCut = app.store.faults.some((fault) => fault.link === link.id && fault.kind === 'cut');
  return html`${isCut ? nothing : button('Cut', name, () => act(app, () => set(app, { kind: 'cut', link: link.id })))}
    ${button('Delay …', name, () => delay(app, link.id, name))} ${button('Drop …', name, () => drop(app, link.id, name))}`;
}

/** @param {App} app @param {string} node */
const stopOf = (app, node) => app.store.faults.find((fault) => fault.kind === 'stopNode' && fault.node === node);

/** A fault with what else follows from it. @param {App} app @param {Fault} fault */
const whole = (app, fault) => html`<div class="line">${faultLine(app, fault)}</div>${fault.note ? html`<p class="dim">Note: ${fault.note}.</p>` : nothing}`;

/** @param {App} app @param {string} node */
export function nodeLab(app, node) {
  const fault = stopOf(app, node);
  if (!fault && !hasLab(app)) return nothing;
  return html`<section class="card lab-card" aria-label="Lab" data-testid="lab"><b class="sign">Lab</b>
    ${fault ? whole(app, fault) : html`<div class="line">${stopButton(app, node)} ${times(app)}</div>`}</section>`;
}

/** @param {App} app @param {string} node */
const stopButton = (app, node) => button('Stop', node, () => act(app, () => set(app, { kind: 'stopNode', node })));

/** @param {App} app */
export function labView(app) {
  const { store } = app;
  if (!store.offers('lab')) return html`<article><h2>Lab</h2><p class="lead">This program was started without a lab: <code>ilp-connector up FILE --lab</code> has one.</p></article>`;
  const links = [...store.links.values()].filter((link) => store.isInside(link));
  const nodes = [...store.nodes.values()];
  const isAllowed = hasLab(app);
  return html`<article data-testid="lab-view"><h2>Lab</h2>
    <p class="lead">Break something, and see what packets do. Each fault ends by itself, nothing goes into the configuration.</p>
    ${isAllowed ? html`<p class="line">${times(app)}</p>${tour(app, links, nodes)}` : html`<p class="dim">Your token may look, and change nothing.</p>`}
    ${store.faults.length > 0 ? html`<h3>Broken now</h3><ul class="cards">${store.faults.map((fault) => html`<li class="card">${whole(app, fault)}</li>`)}</ul>` : nothing}
    ${isAllowed ? html`<h3>Links</h3><ul class="rows">${links.slice(0, LISTED_MAX).map((link) => html`<li>${beside(app, 'link', link.id, linkName(link))} ${badge(link.state)}<span class="grow"></span>${linkButtons(app, link)}</li>`)}</ul>
      <h3>Nodes</h3><ul class="rows">${nodes.slice(0, LISTED_MAX).map((node) => html`<li>${beside(app, 'node', node.id)} ${badge(node.status)}<span class="grow"></span>${
  stopOf(app, node.id) ? nothing : stopButton(app, node.id)}</li>`)}</ul>` : nothing}</article>`;
}

/** Three steps for somebody who opens the lab for the first time. @param {App} app @param {Link[]} links @param {NodeInfo[]} nodes */
function tour(app, links, nodes) {
  const { store } = app;
  const [first, last] = [nodes[0], nodes.at(-1)];
  const link = links.at(-1);
  if (!first || !last || !link) return nothing;
  const isFlowing = (store.summary().perSecond ?? 0) > 0;
  const broken = store.faults.find((fault) => fault.kind !== 'burst');
  const rejected = broken ? store.packets.findLast((packet) => packet.phase === 'rejected' && packet.decidedHere && packet.at >= broken.setAt) : undefined;
  const step = (/** @type {boolean} */ isDone, /** @type {unknown} */ text, /** @type {unknown} */ does) => html`<li class=${isDone ? 'done' : ''}><span>${text}</span> ${does}</li>`;
  return html`<ol class="tour" aria-label="First steps">
    ${step(isFlowing, isFlowing ? 'Packets flow.' : 'Let packets flow.', html`<button type="button" @click=${() => burst(app, first.id, last.id)}>Send a burst …</button>`)}
    ${step(broken != null, broken ? html`<b>${placeOf(broken)}</b> ${faultText(broken)}.` : 'Break a link on their way.',
    broken ? nothing : html`<button type="button" @click=${() => act(app, () => set(app, { kind: 'cut', link: link.id }))}>Cut ${linkName(link)}</button>`)}
    ${step(rejected != null, rejected ? html`A packet failed: ${whyOf(rejected)}` : 'Read why packets fail.',
    rejected ? html`<a class="button" href=${besideOf(app.place, 'packet', rejected.id)}>Why?</a>` : nothing)}</ol>`;
}
