// One node: its health with reasons, its peers, and why it rejected packets.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { codeName } from './codes.js';
import { NONE, amount, clock, count, duration, rate, since } from './format.js';
import { writePlace } from './place.js';
import { balanceBar, badge, beside, copy, empty, facts, peerLink, time } from './parts.js';
import { nodeLab } from './lab.js';
import { hasProbes, probePanel } from './probes.js';
import { levelButton, levelLines, peerVerbs } from './verbs.js';
import { assetOf, pingCommand } from './words.js';

/** @import { App } from './main.js' */
/** @import { NodeInfo, Peer, ReasonCount } from './types.js' */

const PEERS_PAGE = 100;
const ENDED_MAX = 8;

/** @param {App} app @param {string} id */
export function nodeView(app, id) {
  const { store } = app;
  const node = store.nodes.get(id);
  if (!node) {
    return store.connection === 'live' && store.revision > 0
      ? empty(`There is no node ${id} in this view.`, `There are ${[...store.nodes.keys()].join(', ') || 'none'}.`) : empty('Connecting …', store.problem);
  }
  const rates = store.nodeRates.get(id);
  return html`<article data-testid="node-view"><h2>${node.id} ${badge(node.status)}</h2>
    ${node.seenAt ? html`<p class="warn-text">It does not answer. What you see is from ${since(node.seenAt, app.now())} ago.</p>` : nothing}
    ${node.reasons.length > 0 ? html`<ul class="reasons" data-testid="reasons">${node.reasons.map((reason) => html`<li>${reason}</li>`)}</ul>` : nothing}
    ${facts([
    ['ILP address', node.address ? html`<code>${node.address}</code>` : 'none yet; its parent gives it one'],
    ['packets/s', rate(rates?.packetsPerSecond), 'Prepares that this node handled in the last second'],
    ['in flight', count(rates?.inFlight), 'Prepares without an answer yet'],
    ['up', duration(uptime(app, node))],
    ['version', node.version], ['BTP', node.btp], ['API', node.api],
  ])}
    <p class="actions"><a class="button" href=${writePlace({ view: 'packets', params: { filter: `node=${id}` } })}>Its packets</a>
      <a class="button" href=${writePlace({ view: 'routes', params: { node: id } })}>Its routes</a>
      ${store.seenBy ? nothing : html`<a class="button" href=${writePlace({ view: 'config', params: { node: id } })}>Its configuration</a>`}${levelButton(app, id)}
      ${copy(app, 'copy ping command', pingCommand([...[...store.nodes.values()].filter((other) => other !== node).slice(0, 1), node]))}</p>
    ${levelLines(app, id)}${nodeLab(app, id)}
    ${node.address ? reach(app, node) : nothing}
    ${peers(app, node)}
    ${reasons(app, id)}
    ${endings(app, id)}</article>`;
}

/** From this node to another one, which the reader chooses. @param {App} app @param {NodeInfo} node */
function reach(app, node) {
  if (!hasProbes(app)) return nothing;
  const others = [...app.store.nodes.values()].filter((other) => other.address && other !== node);
  const to = app.place.params.to || (others.at(-1)?.address ?? '');
  const choose = (/** @type {any} */ event) => app.go({ ...app.place, params: { ...app.place.params, to: event.target.value.trim() } }, true);
  return html`<h3>Can it reach …</h3><label class="reach">address <input list="addresses" .value=${to} placeholder="test.bob" autocomplete="off" spellcheck="false" @change=${choose}></label>
    <datalist id="addresses">${others.slice(0, 50).map((other) => html`<option value=${other.address}></option>`)}</datalist>
    ${probePanel(app, node.id, to)}`;
}

/** @param {App} app @param {NodeInfo} node */
const uptime = (app, node) => (node.startedAt ? (app.now() - Date.parse(node.startedAt)) / 1000 : node.uptimeSeconds);

/** @param {App} app @param {NodeInfo} node */
function peers(app, node) {
  const all = node.peers.filter((peer) => peer.kind !== 'own');
  const page = Number(app.place.params.page ?? 0) || 0;
  const shown = all.slice(page * PEERS_PAGE, (page + 1) * PEERS_PAGE);
  const turn = (/** @type {number} */ by) => writePlace({ ...app.place, params: { ...app.place.params, page: String(page + by) } });
  return html`<h3>Accounts</h3>
    ${all.length === 0 ? empty('This node has no peers yet.', 'Add one under peers in its configuration; a running node reads the file again by itself.') : nothing}
    <ul class="cards" data-testid="accounts">${shown.map((peer) => account(app, node, peer))}</ul>
    ${all.length > PEERS_PAGE ? html`<p class="actions">${page > 0 ? html`<a class="button" href=${turn(-1)}>before</a>` : nothing}
      ${count(page * PEERS_PAGE + 1)} to ${count(page * PEERS_PAGE + shown.length)} of ${count(all.length)}
      ${(page + 1) * PEERS_PAGE < all.length ? html`<a class="button" href=${turn(1)}>next</a>` : nothing}</p>` : nothing}`;
}

/** @param {App} app @param {NodeInfo} node @param {Peer} peer */
function account(app, node, peer) {
  const link = app.store.linkOf(node.id, peer.id);
  const info = link ? app.store.links.get(link) : null;
  const rates = link ? app.store.rates.get(link) : null;
  const isA = info?.a === node.id && info.aPeer === peer.id;
  const [out, into] = isA ? [rates?.abPerSecond, rates?.baPerSecond] : [rates?.baPerSecond, rates?.abPerSecond];
  const balance = (isA ? rates?.balanceA : rates?.balanceB) ?? peer.balance;
  return html`<li class="card"><div class="line"><b>${link ? beside(app, 'link', link, peer.id) : peer.id}</b>
      <span class="dim">${peer.kind === 'receiver' ? 'receiver' : peer.relation ?? peer.kind}</span> ${badge(peer.state)}
      ${peer.since ? html`<span class="dim">${since(peer.since, app.now())}</span>` : nothing}
      ${peer.required ? html`<span class="dim" title="without it the node is unhealthy">required</span>` : nothing}</div>
    <div class="line"><span title="packets a second to the peer">→ ${rate(out)}/s</span><span title="packets a second from the peer">← ${rate(into)}/s</span>
      <span title="Prepares without an answer: from the peer, to the peer">in flight ${count(peer.packetsInFlight.received)} / ${count(peer.packetsInFlight.sent)}</span></div>
    <div class="line" title="positive: the peer owes this node">balance ${balanceBar({ balance, min: peer.limits.minBalance, max: peer.limits.maxBalance, held: peer.held.received })}
      <span class="dim">${assetOf(peer)}</span></div>
    ${peer.lastError ? html`<div class="line bad-text">${peer.lastError}</div>` : nothing}
    ${peer.lastRefusal ? html`<div class="line dim">last refusal, ${since(peer.lastRefusal.at, app.now())} ago: ${peer.lastRefusal.reason}</div>` : nothing}
    ${peer.uncertain !== '0' ? html`<div class="line warn-text">uncertain ${amount(peer.uncertain)}: in flight when the node last ended without a clean stop</div>` : nothing}
    ${peerVerbs(app, node.id, peer)}</li>`;
}

/** Complete counters of the reasons for rejects. @param {App} app @param {string} id */
function reasons(app, id) {
  const answer = app.answers.get('reasons', 2000);
  /** @type {ReasonCount[]} */
  const list = (answer.data?.reasons ?? []).filter((/** @type {ReasonCount} */ row) => row.node === id);
  list.sort((a, b) => b.count - a.count);
  return html`<h3>Why it rejected packets</h3>
    ${list.length === 0 ? html`<p class="dim">${answer.error ? `The node did not say: ${answer.error.message}` : answer.data ? 'It has rejected none.' : 'Loading …'}</p>`
    : html`<p class="dim">All that it decided itself since ${clock(answer.data.since)}, not only the sampled ones.</p>
      <ul class="cards" data-testid="reasons-table">${list.slice(0, 20).map((row) => html`<li class="card"><div class="line"><b class="num">${count(row.count)}</b>
        <b class="code" title=${codeName(row.code)}>${row.code}</b> <span class="grow">${row.text}</span></div>
        <div class="line dim">${row.from ?? 'itself'} → ${row.to ?? NONE}, last ${since(row.lastAt, app.now())} ago
        ${row.key ? html`set by <code>${row.key}</code>` : nothing}
        <a href=${writePlace({ view: 'packets', params: { filter: `node=${id} code=${row.code} kind=${row.kind}` } })}>show</a></div>
        ${row.advice ? html`<div class="line">${row.advice}</div>` : nothing}</li>`)}</ul>`}`;
}

/** Sessions that ended, with their reasons, as far as events are kept. @param {App} app @param {string} id */
function endings(app, id) {
  const list = app.store.events.filter((event) => event.node === id && event.kind === 'peer.disconnected').slice(-ENDED_MAX).reverse();
  return html`<h3>Sessions that ended</h3>${list.length === 0 ? html`<p class="dim">None that is known.</p>` : html`<ul class="rows" data-testid="ended">${list.map((event) => html`<li>${time(event.at)}
    <b>${peerLink(app, id, event.peer)}</b> <span>${event.text}</span></li>`)}</ul><p class="actions"><a class="button" href=${writePlace({ view: 'events', params: { node: id } })}>All its events</a></p>`}`;
}
