// What a node earned and lost in a period, by account and by flow.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { amount, count, inAsset, plural, short, since } from './format.js';
import { periodOf, rateOf } from './money_words.js';
import { peerLink } from './parts.js';

/** @import { App } from './main.js' */
/** @import { Earned, Flow, Income } from './types.js' */

const ASKED_EVERY_MS = 15_000;
const ACCOUNTS_MAX = 100;
const FLOWS_MAX = 50;
/** @type {[string, string][]} */
const PERIODS = [['month', 'this month'], ['before', 'last month'], ['year', 'this year']];

/** @param {App} app @param {string[]} nodes those of the view */
export function incomeOf(app, nodes) {
  // It is not for the token of a peer, and not every program has it.
  if (!app.store.offers('books') || app.store.seenBy || nodes.length === 0) return nothing;
  const { params } = app.place;
  const node = nodes.includes(params.of ?? '') ? params.of ?? '' : nodes[0] ?? '';
  const period = PERIODS.some(([name]) => name === params.period) ? params.period ?? '' : 'month';
  const { from, to } = periodOf(period, app.now());
  const answer = app.answers.get(`nodes/${encodeURIComponent(node)}/income?from=${from}${to ? `&to=${to}` : ''}&limit=${FLOWS_MAX}`, ASKED_EVERY_MS);
  const set = (/** @type {string} */ key) => (/** @type {any} */ event) => app.go({ ...app.place, params: { ...params, [key]: event.target.value } }, true);
  const options = (/** @type {[string, string][]} */ all, /** @type {string} */ chosen) => all.map(([key, text]) => html`<option value=${key} ?selected=${key === chosen}>${text}</option>`);
  return html`<h2>Profit and loss</h2>
    <div class="explain"><label>of node <select aria-label="Node of the income" @change=${set('of')}>${options(nodes.map((id) => [id, id]), node)}</select></label>
      <label>in <select aria-label="Period" @change=${set('period')}>${options(PERIODS, period)}</select></label>
      <span class="dim">UTC, from ${from}${to ? ` up to, without, ${to}` : ''}</span></div>
    ${answer.data ? tables(app, node, answer.data) : html`<p class="dim" data-testid="income">${answer.error ? `The node did not say: ${answer.error.message}` : 'Loading …'}</p>`}`;
}

/** @param {App} app @param {string} node @param {Income} income */
function tables(app, node, income) {
  if (!income.asOf) return html`<p class="dim" data-testid="income">${node} has no <code>store</code>, and so no books: what it earned is not kept.</p>`;
  const rows = income.byAccount.slice(0, ACCOUNTS_MAX);
  const unknown = income.unattributed.filter((one) => one.amount !== '0');
  return html`<p class="dim">From the books of ${since(income.asOf, app.now())} ago, with the mid rates of each hour. A flow counts for both of its accounts, so the rows add up to more than the total. Exchange is a position, not a profit: what it is worth later is the node's risk.</p>
    ${rows.length === 0 ? html`<p class="dim" data-testid="income">No packet has paid anything in this period.</p>` : html`<div class="wide-table"><table data-testid="income"><caption class="unseen">Earned by account</caption><thead><tr><th scope="col">account</th>
      <th scope="col">asset</th><th scope="col" class="num">spread</th><th scope="col" class="num">rounding</th><th scope="col" class="num">exchange</th><th scope="col" class="num">own packets</th><th scope="col" class="num">earned</th></tr></thead>
      <tbody>${rows.map((row) => earned(peerLink(app, node, row.account), row))}${income.total.map((row) => earned('all together', row, true))}</tbody></table></div>`}
    ${income.byAccount.length > rows.length ? html`<p class="dim">${plural(income.byAccount.length - rows.length, 'further account')}: see <code>ilp-connector ledger income</code>.</p>` : nothing}
    ${income.losses.length === 0 ? html`<p class="dim" data-testid="losses">Nothing was conceded or written off in this period.</p>` : html`<h3>Conceded or written off</h3><ul class="plain" data-testid="losses">${income.losses.slice(0, ACCOUNTS_MAX).map((loss) => html`<li>${peerLink(app, node, loss.account)}:
      <b class=${loss.amount.startsWith('-') ? 'warn-text' : ''} title=${amount(loss.amount)}>${inAsset(loss.amount, `${loss.assetCode}/${loss.assetScale}`)}</b></li>`)}</ul>`}
    ${income.flows.length === 0 ? nothing : flows(app, node, income)}
    ${unknown.length === 0 ? nothing : html`<p class="dim">Since the books began, packets in no flow have brought ${unknown.map((one, i) => html`${i > 0 ? ', ' : ''}${inAsset(one.amount, assetOf(one))}`)}.</p>`}`;
}

/** @param {{ assetCode: string, assetScale: number }} of */
const assetOf = (of) => `${of.assetCode}/${of.assetScale}`;

/** @param {unknown} name @param {Earned} row @param {boolean} [isTotal] */
function earned(name, row, isTotal = false) {
  const cell = (/** @type {string} */ units) => html`<td class="num ${units === '0' ? 'dim' : units.startsWith('-') ? 'warn-text' : ''}" title=${amount(units)}>${inAsset(units, assetOf(row))}</td>`;
  return html`<tr class=${isTotal ? 'total' : ''}><th scope="row">${name}</th><td>${assetOf(row)}</td>${[row.spread, row.rounding, row.exchange, row.own, row.amount].map(cell)}</tr>`;
}

/** @param {App} app @param {string} node @param {Income} income */
const flows = (app, node, income) => html`<h3>Flows</h3>
  <div class="wide-table"><table data-testid="flows"><caption class="unseen">Paid from account to account</caption><thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col" class="num">packets</th><th scope="col" class="num">in</th><th scope="col" class="num">out</th>
    <th scope="col" class="num">mid rate</th><th scope="col" class="num">spread</th><th scope="col" class="num">rounding</th></tr></thead><tbody>${income.flows.map((row) => flow(app, node, row))}</tbody></table></div>
  ${income.flowsLeftOut > 0 ? html`<p class="dim">${plural(income.flowsLeftOut, 'further flow')} with fewer packets: see <code>ilp-connector ledger income</code>.</p>` : nothing}`;

/** @param {App} app @param {string} node @param {Flow} row */
function flow(app, node, row) {
  const end = (/** @type {Flow['from']} */ { account }) => (account.startsWith('own:') ? html`<span class="dim">${node} itself</span>` : peerLink(app, node, account));
  const to = assetOf(row.to);
  return html`<tr><th scope="row">${end(row.from)}</th><td>${end(row.to)}</td><td class="num">${count(Number(row.packets))}</td><td class="num" title=${amount(row.amountIn)}>${inAsset(row.amountIn, assetOf(row.from))}</td>
    <td class="num" title=${amount(row.amountOut)}>${inAsset(row.amountOut, to)}</td><td class="num" title=${row.midRate ?? ''}>${rateOf(row.midRate)}</td>
    <td class="num" title=${amount(row.spread)}>${inAsset(row.spread, to)}</td><td class="num" title=${amount(row.rounding)}>${short(row.rounding)}</td></tr>`;
}
