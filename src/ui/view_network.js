// The landing view: the graph with the packets that go over it, and the table of packets below.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { count, rate, since } from './format.js';
import { drawGraph } from './draw_graph.js';
import { NODES_DRAWN_MAX } from './graph.js';
import { balanceBar, beside, badge, empty } from './parts.js';
import { packetTable } from './packet_table.js';
import { kindOf, linkName, shortAddress } from './words.js';

/** @import { App } from './main.js' */

/** @param {App} app */
export function networkView(app) {
  const isTable = app.ui.isTable || app.store.nodes.size > NODES_DRAWN_MAX;
  return html`<div class="network"><h1 class="unseen">Network</h1>
    ${isTable ? twin(app) : picture(app)}
    ${packetTable(app)}</div>`;
}

/** @param {App} app */
function picture(app) {
  const { ui, store } = app;
  const toggle = (/** @type {string} */ label, /** @type {boolean} */ isOn, /** @type {() => void} */ click, /** @type {string} */ title) => html`<button
    class="small" type="button" aria-pressed=${isOn ? 'true' : 'false'} title=${title} @click=${() => { click(); app.render(); }}>${label}</button>`;
  return html`<section class="picture" aria-label="Graph" id="picture">
    ${store.nodes.size > 0 ? drawGraph(app) : waiting(app)}
    <canvas id="dots" aria-hidden="true"></canvas>
    <div class="tools" role="group" aria-label="Graph">
      <button class="small" type="button" title="Show everything (f)" @click=${() => { app.graph.fit(); app.render(); }}>Fit</button>
      ${toggle('Slow motion', app.dots.slow > 1, () => { app.dots.slow = app.dots.slow > 1 ? 1 : 4; }, 'A hop takes four times as long')}
      ${toggle('Follow one packet', app.dots.follow != null, () => app.follow(), 'One packet at a time, with its details')}
      ${toggle('Table', ui.isTable, () => { ui.isTable = true; }, 'Nodes and links as tables (t)')}
    </div>
    <div class="legend">
      <span><i class="dot prepare"></i> Prepare</span><span><i class="dot fulfill"></i> Fulfill</span><span><i class="dot reject">✕</i> Reject</span>
      <span class="wide">a line's width: packets per second, a step for each factor of ten</span>
      ${ui.isStill ? html`<span>motion is off, as your system asks; the table shows each packet</span>` : nothing}
      ${app.dots.notDrawn > 0 ? html`<span>${count(app.dots.notDrawn)} records not drawn: too many at once</span>` : nothing}
    </div>
  </section>`;
}

/** @param {App} app */
const waiting = (app) => (app.store.connection === 'live'
  ? empty('This network has no nodes yet.', 'Add one to the configuration file; it appears here by itself.')
  : empty('Connecting …', app.store.problem));

/** The same as tables: for readers of a screen reader, and for networks that are too large to draw. @param {App} app */
function twin(app) {
  const { store } = app;
  const nodes = [...store.nodes.values()];
  return html`<section class="twin" aria-label="Nodes and links">
    <div class="tools"><button class="small" type="button" ?disabled=${store.nodes.size > NODES_DRAWN_MAX} @click=${() => {
    app.ui.isTable = false;
    app.render();
  }}>Graph</button></div>
    <div class="wide-table"><table data-testid="nodes-table"><caption>Nodes</caption><thead><tr><th scope="col">node</th><th scope="col">state</th><th scope="col">address</th>
      <th scope="col" class="num">packets/s</th><th scope="col" class="num">in flight</th><th scope="col">reasons</th></tr></thead>
      <tbody>${nodes.map((node) => html`<tr><th scope="row">${beside(app, 'node', node.id)}</th><td>${badge(node.status)}</td>
        <td title=${node.address ?? ''}>${shortAddress(node.address)}</td><td class="num">${rate(store.nodeRates.get(node.id)?.packetsPerSecond)}</td>
        <td class="num">${count(store.nodeRates.get(node.id)?.inFlight)}</td><td>${node.reasons.join('; ')}</td></tr>`)}</tbody></table></div>
    <div class="wide-table"><table data-testid="links-table"><caption>Links</caption><thead><tr><th scope="col">link</th><th scope="col">what</th><th scope="col">state</th>
      <th scope="col">since</th><th scope="col" class="num">there /s</th><th scope="col" class="num">back /s</th><th scope="col">balance of the first end</th><th scope="col">last error</th></tr></thead>
      <tbody>${[...store.links.values()].map((link) => {
    const rates = store.rates.get(link.id);
    const peer = store.peer(link.a, link.aPeer);
    return html`<tr><th scope="row">${beside(app, 'link', link.id, linkName(link))}</th><td>${kindOf(link)}</td><td>${badge(link.state)}</td>
      <td>${since(link.since, app.now())}</td><td class="num">${rate(rates?.abPerSecond)}</td><td class="num">${rate(rates?.baPerSecond)}</td>
      <td>${peer ? balanceBar({ balance: rates?.balanceA ?? peer.balance, min: peer.limits.minBalance, max: peer.limits.maxBalance }) : nothing}</td>
      <td>${link.lastError ?? ''}</td></tr>`;
  })}</tbody></table></div></section>`;
}
