// One link: both ends side by side, as each end sees it.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { chart } from './chart.js';
import { total } from './codes.js';
import { NONE, amount, bytes, count, micros, percent, rate, short, since } from './format.js';
import { writePlace } from './place.js';
import { badge, balanceBar, beside, cli, empty, facts } from './parts.js';
import { linkLab } from './lab.js';
import { reconciled } from './reconciled.js';
import { settlementsBetween } from './settlements.js';
import { peerVerbs } from './verbs.js';
import { assetOf, kindOf, linkName, stateOf } from './words.js';

/** @import { App } from './main.js' */
/** @import { Link, LinkRates, Peer, Traffic } from './types.js' */

/** @param {App} app @param {string} id */
export function linkView(app, id) {
  const { store } = app;
  const link = store.links.get(id);
  if (!link) {
    return store.connection === 'live' && store.revision > 0
      ? empty(`There is no link ${id} in this view.`, 'A reload of the configuration may have removed it.') : empty('Connecting …', store.problem);
  }
  const rates = store.rates.get(id);
  const isInside = store.isInside(link);
  const [endA, endB] = [store.peer(link.a, link.aPeer), isInside ? store.peer(link.b, link.bPeer ?? '') : null];
  const far = isInside ? link.b : link.aPeer;
  return html`<article data-testid="link-view"><h2>${linkName(link)} ${badge(link.state)}</h2>
    <p class="lead">${kindOf(link)}${link.since ? html`, ${stateOf(link.state).says} (for ${since(link.since, app.now())})` : nothing}</p>
    ${link.lastError ? html`<p class=${link.state === 'up' ? 'dim' : 'verdict'} data-testid="last-error">${link.state === 'up' ? 'last error: ' : ''}${link.lastError}</p>` : nothing}
    ${linkLab(app, link)}
    <table class="ends"><caption class="unseen">Both directions</caption><thead><tr><td></td><th scope="col" class="num">${link.a} → ${far}</th><th scope="col" class="num">${far} → ${link.a}</th></tr></thead>
      <tbody>
        ${line('packets/s', rate(rates?.abPerSecond), rate(rates?.baPerSecond))}
        ${line('Prepares', count(rates?.ab.prepares), count(rates?.ba.prepares))}
        ${line('fulfilled', count(rates?.ab.fulfills), count(rates?.ba.fulfills))}
        ${line('rejected', rejects(rates?.ab), rejects(rates?.ba))}
        ${line('in flight', of(rates?.inFlightAb, endA?.limits.maxPacketsInFlight), of(rates?.inFlightBa, endB?.limits.maxPacketsInFlight))}
        ${line('outbox', outbox(rates?.outboxA, endA), isInside ? outbox(rates?.outboxB, endB) : NONE)}
      </tbody></table>
    ${facts([['fulfilled', percent(rates?.fulfilledPercent), 'of the answers on this link'], ['latency p50', micros(rates?.latency?.p50Us)], ['latency p99', micros(rates?.latency?.p99Us)],
    ['transport', link.transport], ['asset', link.asset]])}
    <h3>Balance, as each end sees it</h3>
    ${money(app, link, rates, endA, endB)}
    ${settlementsBetween(app, [{ node: link.a, peer: link.aPeer }, ...(isInside ? [{ node: link.b, peer: link.bPeer ?? '' }] : [])])}
    <h3>The last five minutes</h3>
    ${charts(app, id, link.a, far)}
    <p class="actions"><a class="button" href=${writePlace({ view: 'packets', params: { filter: filterOf(link, isInside) } })}>Its packets</a>
      ${cli(app, 'edges')}</p>
    <h3>The two ends</h3>
    <div class="two">${end(app, link.a, endA)}${isInside ? end(app, link.b, endB)
    : html`<section class="card"><b>${far}</b><p class="dim">This end is outside this view.</p></section>`}</div></article>`;
}

/** @param {string} name @param {unknown} ab @param {unknown} ba */
const line = (name, ab, ba) => html`<tr><th scope="row">${name}</th><td class="num">${ab}</td><td class="num">${ba}</td></tr>`;

/** @param {Traffic | undefined} traffic */
function rejects(traffic) {
  if (!traffic) return NONE;
  const codes = Object.entries(traffic.rejects).filter(([, n]) => n > 0);
  return codes.length === 0 ? '0' : html`${count(total(traffic.rejects))} <span class="dim">${codes.map(([code, n]) => `${code} ${count(n)}`).join(', ')}</span>`;
}

/** @param {number | undefined} value @param {unknown} limit */
const of = (value, limit) => (value == null ? NONE : html`${count(value)}${limit == null ? nothing : html` <span class="dim">of ${count(Number(limit))}</span>`}`);

/** @param {number | undefined} value @param {Peer | null} peer */
const outbox = (value, peer) => (value == null ? NONE
  : html`${bytes(value)}${peer?.limits.outboxBytesMax == null ? nothing : html` <span class="dim">of ${bytes(Number(peer.limits.outboxBytesMax))}</span>`}`);

/** @param {App} app @param {Link} link @param {LinkRates | undefined} rates @param {Peer | null} endA @param {Peer | null} endB */
function money(app, link, rates, endA, endB) {
  const rows = [{ node: link.a, peer: endA, balance: rates?.balanceA ?? endA?.balance }, { node: link.b, peer: endB, balance: rates?.balanceB ?? endB?.balance }];
  const [a, b] = rows.map((row) => (row.peer ? row.balance : null));
  const isSame = endA && endB && assetOf(endA) === assetOf(endB);
  // One end's claim is the other end's debt: together they are zero, but for packets in flight.
  const difference = isSame && a != null && b != null ? BigInt(a) + BigInt(b) : null;
  return html`<ul class="cards">${rows.map(({ node, peer, balance }) => (peer && balance != null ? html`<li class="card"><div class="line"><b>${node}</b>
      <span>${owes(node, node === link.a ? link.aPeer : link.a, balance)}</span> <span class="dim">${assetOf(peer)}</span></div>
      <div class="line">${peer.limits.minBalance == null && peer.limits.maxBalance == null ? html`<span class="dim">no limits</span>`
    : balanceBar({ balance, min: peer.limits.minBalance, max: peer.limits.maxBalance, held: peer.held.received })}</div>
      ${peer.kind === 'peer' ? html`<div class="line" data-testid="reconciled">books of the peer: ${reconciled(app, peer)}</div>` : nothing}</li>` : nothing))}</ul>
    ${difference == null ? nothing : html`<p class=${difference === 0n ? 'dim' : 'warn-text'} data-testid="difference">${difference === 0n ? 'Both ends agree.'
    : `The ends differ by ${amount(String(difference < 0n ? -difference : difference))}. Packets in flight explain a small difference for a moment; one that stays needs a look at both ledgers.`}</p>`}`;
}

/** @param {string} node @param {string} other @param {string} balance */
function owes(node, other, balance) {
  if (balance === '0') return 'no debt either way';
  const sum = html`<b title=${amount(balance)}>${short(balance.replace('-', ''))}</b>`;
  return balance.startsWith('-') ? html`owes ${other} ${sum}` : html`${other} owes ${node} ${sum}`;
}

/** @param {App} app @param {string} id @param {string} a @param {string} b */
function charts(app, id, a, b) {
  // It is not for the token of a peer.
  const earlier = app.store.seenBy ? null : app.answers.get(`links/${encodeURIComponent(id)}/history`, 15_000).data;
  if (earlier) app.store.history.merge(id, earlier.points ?? []);
  const history = app.store.history.get(id);
  const spread = histogram(earlier?.buckets ?? []);
  if (!history || history.at.length < 3) return html`<p class="dim">The chart begins with the page: a few seconds, please.</p>${spread}`;
  return html`${chart(app, `${id} rate`, 'packets per second', history.at, [
    { label: `${a} → ${b}`, color: '--prepare', values: history.ab }, { label: `${b} → ${a}`, color: '--other', values: history.ba }], rate)}
    ${chart(app, `${id} latency`, 'latency', history.at, [
    { label: 'p50', color: '--fulfill', values: history.p50 }, { label: 'p99', color: '--warn', values: history.p99 }], micros)}${spread}`;
}

/** How many answers came within which time. @param {{ upToUs: number | null, count: number }[]} buckets */
function histogram(buckets) {
  const all = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  if (all === 0) return nothing;
  const most = Math.max(...buckets.map((bucket) => bucket.count));
  const bound = (/** @type {number} */ i) => (buckets[i]?.upToUs == null ? `above ${micros(buckets[i - 1]?.upToUs)}` : `up to ${micros(buckets[i]?.upToUs)}`);
  const first = buckets.findIndex((bucket) => bucket.count > 0);
  const last = buckets.findLastIndex((bucket) => bucket.count > 0);
  return html`<h3>How long answers took</h3><table class="histogram" data-testid="histogram"><caption class="unseen">Answers by time</caption><tbody>${buckets.map((bucket, i) => (i < first || i > last ? nothing : html`<tr><th scope="row">${bound(i)}</th>
    <td><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width=${((100 * bucket.count) / most).toFixed(1)} height="10"></rect></svg></td>
    <td class="num">${count(bucket.count)}</td><td class="num dim">${percent((100 * bucket.count) / all)}</td></tr>`))}</tbody></table>`;
}

/** @param {Link} link @param {boolean} isInside */
const filterOf = (link, isInside) => (isInside ? `node=${link.a},${link.b} ` : `node=${link.a} `) + `to=${link.aPeer}${isInside ? `,${link.bPeer}` : ''}`;

/** @param {App} app @param {string} node @param {Peer | null} peer */
function end(app, node, peer) {
  if (!peer) return html`<section class="card"><b>${node}</b><p class="dim">no account</p></section>`;
  const { counters } = peer;
  return html`<section class="card"><div class="line"><b>${beside(app, 'node', node)}</b> ${badge(peer.state)}</div>
    ${facts([['account', peer.id], ['since', since(peer.since, app.now())], ['last error', peer.lastError],
    ['sessions', peer.sessions.map((session) => session.side).join(', ') || 'none'], ['reconnects', count(counters.reconnects)],
    ['failed attempts', counters.failedAttempts ? count(counters.failedAttempts) : null], ['timeouts', counters.timeouts ? count(counters.timeouts) : null],
    ['refused logins', counters.refusedLogins ? count(counters.refusedLogins) : null],
    ['last refusal', peer.lastRefusal?.reason], ['held', `${amount(peer.held.received)} received, ${amount(peer.held.sent)} sent`]])}
    ${peerVerbs(app, node, peer)}</section>`;
}
