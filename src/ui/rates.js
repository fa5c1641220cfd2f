// The exchange rates in force, how old they are, and how their sources are.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { REASON, ask } from './ask.js';
import { send } from './connect.js';
import { duration } from './format.js';
import { rateOf } from './money_words.js';
import { beside } from './parts.js';

/** @import { App } from './main.js' */
/** @import { ExchangeRate, NodeExchangeRates, RateSource } from './types.js' */

const ASKED_EVERY_MS = 2000;
const ROWS_MAX = 100;
/** @type {Record<string, { tone: string, mark: string }>} */
const STATES = { used: { tone: 'good-text', mark: '✓' }, missing: { tone: 'bad-text', mark: '✕' }, stale: { tone: 'bad-text', mark: '✕' }, jumped: { tone: 'warn-text', mark: '!' } };

/** The rates of all nodes in view; nothing where all accounts have one asset. @param {App} app */
export function ratesOf(app) {
  // They are not for the token of a peer, and not every program has them for this page.
  if (!app.store.offers('books') || app.store.seenBy) return nothing;
  const answer = app.answers.get('exchange-rates', ASKED_EVERY_MS);
  /** @type {NodeExchangeRates[]} */
  const nodes = answer.data?.nodes ?? [];
  const rates = nodes.flatMap((node) => node.rates.map((rate) => ({ node, rate })));
  const sources = nodes.flatMap((node) => node.sources.map((source) => ({ node: node.node, source })));
  if (rates.length + sources.length === 0) return nothing;
  return html`<h2>Exchange rates</h2>
    <p class="dim">What a unit of the one asset is worth in units of the other, before the spread. Packets of a pair that is not used get T00.</p>
    ${rates.length === 0 ? html`<p class="dim">All accounts are in one asset, so no rate is needed.</p>` : html`<div class="wide-table"><table data-testid="rates"><caption class="unseen">Rates</caption><thead><tr><th scope="col">node</th><th scope="col">from</th><th scope="col">to</th>
      <th scope="col" class="num">rate</th><th scope="col" class="num">spread</th><th scope="col">state</th><th scope="col" class="num">age</th><th scope="col">source</th></tr></thead>
      <tbody>${rates.slice(0, ROWS_MAX).map(({ node, rate }) => pair(app, node, rate))}</tbody></table></div>
      ${rates.length > ROWS_MAX ? html`<p class="dim">The first ${ROWS_MAX} pairs; see <code>ilp-connector rates</code>.</p>` : nothing}`}
    ${sources.length === 0 ? nothing : html`<h3>Sources</h3><ul class="cards" data-testid="rate-sources">${sources.slice(0, ROWS_MAX).map(({ node, source }) => card(app, node, source))}</ul>`}`;
}

/** @param {App} app @param {NodeExchangeRates} node @param {ExchangeRate} rate */
function pair(app, node, rate) {
  const { tone, mark } = STATES[rate.state] ?? { tone: '', mark: '' };
  const source = node.sources.find(({ name }) => name === rate.source);
  return html`<tr><th scope="row">${beside(app, 'node', node.node)}</th><td>${rate.from}</td><td>${rate.to}</td><td class="num" title=${rate.rate ?? ''}>${rateOf(rate.rate)}</td><td class="num">${rate.spread ?? '–'}</td>
    <td class=${tone}><span aria-hidden="true">${mark}</span> ${rate.state}</td><td class="num">${source?.ageSeconds == null ? '–' : duration(source.ageSeconds)}</td>
    <td class="wrap">${rate.source ?? (rate.rate ? 'configuration' : html`<span class="dim">none has it</span>`)}</td></tr>`;
}

/** @param {App} app @param {string} node @param {RateSource} source */
function card(app, node, source) {
  const { name, base, ageSeconds, maxAgeSeconds, fresh, assets, unusable, jumped, error } = source;
  const state = fresh ? jumped.length > 0 ? { tone: 'warn', mark: '!', text: `used, but for ${jumped.map(({ asset }) => asset).slice(0, 3).join(', ')}${jumped.length > 3 ? ' …' : ''}` } : { tone: 'good', mark: '✓', text: 'used' }
    : { tone: 'bad', mark: '✕', text: ageSeconds == null ? 'missing' : 'too old' };
  return html`<li class="card"><div class="line"><b>${beside(app, 'node', node)}</b> <span class="badge ${state.tone}"><span aria-hidden="true">${state.mark}</span> ${state.text}</span></div>
    <div class="line"><code>${name}</code></div>
    <div class="line dim">${ageSeconds == null ? 'no figures yet' : `${duration(ageSeconds)} old`}, at most ${duration(maxAgeSeconds)}; ${assets} assets${base ? ` for one ${base}` : ''}${unusable > 0 ? `; ${unusable} quotes are no rates` : ''}</div>
    ${error ? html`<div class="line bad-text">${error}</div>` : nothing}
    ${jumped.slice(0, 5).map((jump) => html`<div class="line"><span class="warn-text">${jump.asset} jumped from ${rateOf(jump.from)} to ${rateOf(jump.quote)}</span>
      ${app.store.may('operate') ? html`<button class="small" type="button" aria-label="Accept ${jump.asset} at ${node}" @click=${() => accept(app, node, name, jump)}>Accept …</button>` : nothing}</div>`)}</li>`;
}

/** @param {App} app @param {string} node @param {string} source @param {RateSource['jumped'][number]} jump */
function accept(app, node, source, jump) {
  ask(app, {
    title: `Use ${jump.quote} for ${jump.asset} at ${node}?`,
    says: html`The quote changed from ${jump.from} by more than <code>maxStep</code>, so packets that need it are refused. If the market has moved, use it; if the source is wrong, leave it.`,
    fields: [REASON],
    button: 'Use it',
    run: async ({ reason }) => {
      await send('POST', `nodes/${encodeURIComponent(node)}/exchange-rates/accept`, { source, asset: jump.asset, quote: jump.quote, reason });
      return `${jump.asset} is ${jump.quote} at ${node} from now on`;
    },
  });
}
