// Small pieces that several views use.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { hasToken } from './connect.js';
import { amount, clock, short } from './format.js';
import { besideOf, pageOf } from './place.js';
import { shareOf, spaced, stateOf } from './words.js';

/** @import { App } from './main.js' */

/** A state by colour, mark and word. @param {string | null | undefined} state */
export function badge(state) {
  if (!state) return html`<span class="badge calm">unknown</span>`;
  const { tone, mark, says } = stateOf(state);
  return html`<span class="badge ${tone}" title=${says}><span aria-hidden="true">${mark}</span> ${spaced(state)}</span>`;
}

/** Terms and what they are. Rows without a value are left out. @param {[string, unknown, string?][]} rows */
export const facts = (rows) => html`<dl class="facts">${rows.filter(([, value]) => value != null && value !== '').map(
  ([name, value, title]) => html`<div><dt title=${title ?? ''}>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** @param {App} app @param {'node' | 'link' | 'packet'} kind @param {string} id @param {unknown} [text] */
export const beside = (app, kind, id, text) => html`<a href=${
  app.place.view === kind ? pageOf(kind, id) : besideOf(app.place, kind, id)}>${text ?? id}</a>`;

/** A name of an account, as a link to its link. @param {App} app @param {string} node @param {string | null} peer */
export function peerLink(app, node, peer) {
  const link = peer == null ? null : app.store.linkOf(node, peer);
  return link ? beside(app, 'link', link, peer) : html`${peer ?? '–'}`;
}

/** A button that copies a text. @param {App} app @param {string} label @param {string} text */
export const copy = (app, label, text) => html`<button class="small" type="button" title=${text}
  @click=${() => app.voice.copy(text)}>${label}</button>`;

/** A button that copies a command which reads this API. @param {App} app @param {string} command */
export const cli = (app, command) => copy(app, 'copy as CLI',
  `ilp-connector ${command} --via ${location.origin}${hasToken() ? ' --token-file FILE' : ''}`);

/** An empty view: what is missing, what to do, and a button that helps to do it. @param {unknown} title @param {unknown} [what] @param {unknown} [action] */
export const empty = (title, what, action) => html`<div class="empty"><p class="title">${title}</p>${
  what ? html`<p>${what}</p>` : nothing}${action ?? nothing}</div>`;

/** A command with a button that copies it. @param {App} app @param {string} command */
export const command = (app, command) => html`<p class="command"><code>${command}</code> ${copy(app, 'copy', command)}</p>`;

/**
 * A balance between its limits. Holds are drawn beyond the balance. Without both limits only the figure is shown.
 * @param {{ balance: string, min: unknown, max: unknown, held?: string }} account
 */
export function balanceBar({ balance, min, max, held = '0' }) {
  const share = shareOf(balance, min, max);
  const zero = shareOf('0', min, max);
  if (share == null || zero == null) return html`<span class="num" title=${amount(balance)}>${short(balance)}</span>`;
  const full = shareOf(String(Number(balance) + Number(held)), min, max) ?? share;
  const tone = share > 0.9 || share < 0.1 ? 'warn' : 'calm';
  const x = (/** @type {number} */ value) => (value * 100).toFixed(2);
  const width = (/** @type {number} */ a, /** @type {number} */ b) => x(Math.abs(a - b));
  return html`<span class="balance">
    <span class="num dim" title="minBalance ${amount(String(min))}">${short(String(min))}</span>
    <svg class="bar ${tone}" viewBox="0 0 100 10" preserveAspectRatio="none" role="img"
      aria-label="balance ${amount(balance)} between ${amount(String(min))} and ${amount(String(max))}">
      <rect class="track" width="100" height="10"></rect>
      <rect class="held" x=${x(Math.min(share, full))} width=${width(share, full)} height="10"></rect>
      <rect class="fill" x=${x(Math.min(share, zero))} width=${width(share, zero)} height="10"></rect>
      <rect class="zero" x=${x(zero)} width="0.6" height="10"></rect>
      <rect class="mark" x=${x(Math.max(0, share - 0.008))} width="1.6" height="10"></rect>
    </svg>
    <span class="num dim" title="maxBalance ${amount(String(max))}">${short(String(max))}</span>
    <span class="num" title=${amount(balance)}>${short(balance)}</span></span>`;
}

/** The time of a record, with the full time as its title. @param {string} at */
export const time = (at) => html`<time datetime=${at} title=${at}>${clock(at)}</time>`;

/** Why an answer of the API is missing; nothing while it loads. @param {{ error: { status: number, message: string } | null }} answer @param {string} what */
export function problem(answer, what) {
  if (!answer.error) return nothing;
  const { status, message } = answer.error;
  if (status === 404) return empty(`This node does not offer ${what}.`, message);
  if (status === 403) return empty(`Your token may not read ${what}.`, message);
  return empty(`The node did not give ${what}.`, `${status ? `${status}: ` : ''}${message}`);
}
