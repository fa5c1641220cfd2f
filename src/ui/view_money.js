// Who owes whom. The figures are those of the nodes' ledgers, never sums over sampled packets.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { amount, inAsset, short } from './format.js';
import { incomeOf } from './income.js';
import { balanceBar, beside, empty, peerLink, problem } from './parts.js';
import { ratesOf } from './rates.js';
import { reconciled } from './reconciled.js';
import { settlementsOf } from './settlements.js';

/** @import { App } from './main.js' */
/** @import { Money, MoneyPeer } from './types.js' */

/** @param {App} app */
export function moneyView(app) {
  const answer = app.answers.get('money', 1000);
  if (!answer.data) return answer.error ? problem(answer, 'balances') : empty('Loading …');
  /** @type {Money} */
  const { assets, peers } = answer.data;
  if (peers.length === 0) return empty('No accounts yet.', 'Each peer in the configuration has an account, which appears here.');
  const hasVolume = peers.some((row) => row.volumeIn != null || row.volumeOut != null);
  return html`<section class="page"><h1>Money</h1>
    <p class="dim">From the ledger of each node. The table is in the smallest unit of each asset: USD/9 counts billionths of a dollar.</p>
    <div class="assets">${assets.map((row) => html`<section class="card asset" aria-label=${`${row.asset} ${row.node ?? ''}`}>
      <h2>${row.node ? html`${row.node} <span class="dim">${row.asset}</span>` : row.asset}</h2>
      <dl class="sums">${total('peers owe it', row.assets, row.asset)}${total('it owes', row.liabilities, row.asset)}${total('net', row.net, row.asset)}
        ${row.volumeIn == null ? nothing : html`${total('came in', row.volumeIn, row.asset)}${total('went out', row.volumeOut, row.asset)}`}
        ${row.earned == null ? nothing : total('earned', row.earned, row.asset, 'what the node itself received and gained by conversions, less what it paid')}</dl></section>`)}</div>
    <div class="wide-table"><table data-testid="money"><thead><tr><th scope="col">node</th><th scope="col">account</th><th scope="col">asset</th><th scope="col">balance between its limits</th>
      <th scope="col">who owes</th><th scope="col" class="num">room up</th><th scope="col" class="num">room down</th><th scope="col" class="num">held in / out</th>${hasVolume ? html`<th scope="col" class="num">volume in / out</th><th scope="col" class="num">net</th>` : nothing}<th scope="col" class="num">uncertain</th><th scope="col">books of the peer</th></tr></thead>
      <tbody>${peers.map((row) => line(app, row, hasVolume))}</tbody></table></div>
    <p class="dim">Room up: what the peer may still come to owe before <code>maxBalance</code>. Room down: what the node may still come to owe before <code>minBalance</code>. Beyond them packets get T04.${hasVolume ? ' Volume: all that has come from the account and gone to it; net is their difference.' : ''}</p>
    ${ratesOf(app)}
    ${incomeOf(app, [...new Set(peers.map((row) => row.node))])}
    ${settlementsOf(app, [...new Set(peers.map((row) => row.node))])}</section>`;
}

/** @param {string} name @param {string | null | undefined} value @param {string} asset @param {string} [says] */
const total = (name, value, asset, says = '') => html`<div><dt title=${says}>${name}</dt><dd title=${amount(value)}>${inAsset(value, asset)}</dd></div>`;

const NET = { in: '← more came in', out: '→ more went out', even: 'even' };

/** @param {App} app @param {MoneyPeer} row @param {boolean} hasVolume */
function line(app, row, hasVolume) {
  const { balance, min, max } = row;
  const who = balance === '0' ? 'no debt' : balance.startsWith('-') ? `${row.node} owes ${row.peer}` : `${row.peer} owes ${row.node}`;
  const isIdle = balance === '0' && (row.volumeIn ?? '0') === '0' && (row.volumeOut ?? '0') === '0';
  return html`<tr class=${isIdle ? 'default' : ''}><th scope="row">${beside(app, 'node', row.node)}</th><td>${peerLink(app, row.node, row.peer)}</td><td>${row.asset}</td>
    <td>${balanceBar({ balance, min, max, held: row.heldIn })}</td><td class="nowrap">${who}</td>
    ${figure(max == null ? null : String(BigInt(max) - BigInt(balance) - BigInt(row.heldIn)))}
    ${figure(min == null ? null : String(BigInt(balance) - BigInt(row.heldOut) - BigInt(row.uncertain) - BigInt(min)))}
    ${pair(row.heldIn, row.heldOut)}${hasVolume ? html`${pair(row.volumeIn, row.volumeOut)}<td class="num" title=${NET[row.direction ?? 'even']}>${row.volumeNet == null ? nothing : short(row.volumeNet)}</td>` : nothing}
    <td class="num ${row.uncertain === '0' ? 'dim' : 'warn-text'}" title=${amount(row.uncertain)}>${short(row.uncertain)}</td><td>${reconciled(app, app.store.peer(row.node, row.peer))}</td></tr>`;
}

/** @param {string | null} value */
const figure = (value) => html`<td class="num" title=${value == null ? 'no limit' : amount(value)}>${value == null ? html`<span class="dim">no limit</span>` : short(value)}</td>`;

/** @param {string | null} into @param {string | null} out */
const pair = (into, out) => html`<td class="num" title="${amount(into)} / ${amount(out)}">${into == null && out == null ? nothing : `${short(into)} / ${short(out)}`}</td>`;
