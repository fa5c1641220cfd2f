// The landing view: the graph with the packets that go over it, and the table of packets below.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { faultOf } from './active.js';
import { count, plural, rate, since } from './format.js';
import { drawGraph } from './draw_graph.js';
import { NODES_DRAWN_MAX } from './graph_parts.js';
import { balanceBar, beside, badge, empty } from './parts.js';
import { packetTable } from './packet_table.js';
import { writePlace } from './place.js';
import { hasProbes, startPings } from './probes.js';
import { kindOf, linkName, shortAddress, stateOf } from './words.js';

/** @import { App } from './main.js' */

/** @param {App} app */
export function networkView(app) {
  const isLarge = app.store.nodes.size > NODES_DRAWN_MAX;
  // Of a large network, the neighbourhood of a node is drawn above the tables.
  const isDrawn = isLarge ? app.store.nodes.has(app.focus() ?? '') && !app.ui.isTable : !app.ui.isTable;
  return html`<div class="network"><h1 class="unseen">Network</h1>
    ${isDrawn ? picture(app, isLarge) : twin(app, isLarge)}
    ${packetTable(app)}</div>`;
}

/** @param {App} app @param {boolean} isLarge */
function picture(app, isLarge) {
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
      ${hasProbes(app) && store.nodes.size > 1 ? html`<button class="small" type="button" title="A ping from each node to each other one" @click=${() => startPings(app)}>Ping all</button>` : nothing}
      ${toggle('Table', ui.isTable, () => { ui.isTable = true; }, 'Nodes and links as tables (t)')}
    </div>
    <div class="legend">
      <span><i class="dot prepare"></i> Prepare</span><span><i class="dot fulfill"></i> Fulfill</span><span><i class="dot reject">✕</i> Reject</span>
      <span class="wide">a line's width: packets per second, a step for each factor of ten</span>
      ${isLarge ? html`<span><b>${count(app.graph.vertices.length)}</b> of ${count(store.nodes.size)} nodes: the neighbourhood of ${app.ui.focus}</span>` : nothing}
      ${app.graph.notDrawn > 0 && !isLarge ? html`<span>${plural(app.graph.notDrawn, 'account')} not drawn: the table has them</span>` : nothing}
      ${ui.isStill ? html`<span>motion is off, as your system asks; the table shows each packet</span>` : nothing}
      ${app.dots.notDrawn > 0 ? html`<span>${count(app.dots.notDrawn)} records not drawn: too many at once</span>` : nothing}
    </div>
  </section>`;
}

/** @param {App} app */
const waiting = (app) => (app.store.connection === 'live'
  ? empty('This network has no nodes yet.', 'Add one to the configuration file; it appears here by itself.')
  : empty('Connecting …', app.store.problem));

/** Rows of each of the two tables. */
const PAGE = 50;

/** @param {App} app @param {string} name @param {number} total */
function pages(app, name, total) {
  const at = Math.min(Number(app.place.params[name] ?? 0) || 0, Math.max(0, Math.ceil(total / PAGE) - 1));
  const turn = (/** @type {number} */ by) => writePlace({ ...app.place, params: { ...app.place.params, [name]: String(at + by) } });
  return {
    from: at * PAGE, to: (at + 1) * PAGE,
    links: total <= PAGE ? nothing : html`<p class="actions">${at > 0 ? html`<a class="button small" href=${turn(-1)}>before</a>` : nothing}
      <span>${count(at * PAGE + 1)} to ${count(Math.min(total, (at + 1) * PAGE))} of ${count(total)}</span>
      ${(at + 1) * PAGE < total ? html`<a class="button small" href=${turn(1)}>next</a>` : nothing}</p>`,
  };
}

/** What is not well comes first. @param {string} state */
const rank = (state) => ({ bad: 0, warn: 1, calm: 2, good: 3 })[stateOf(state).tone];

/** The same as tables: for readers of a screen reader, and for networks that are too large to draw. @param {App} app @param {boolean} isLarge */
function twin(app, isLarge) {
  const { store } = app;
  const nodes = [...store.nodes.values()].sort((a, b) => rank(a.status) - rank(b.status));
  const links = [...store.links.values()].sort((a, b) => rank(a.state) - rank(b.state));
  const [ofNodes, ofLinks] = [pages(app, 'nodes', nodes.length), pages(app, 'links', links.length)];
  return html`<section class="twin" aria-label="Nodes and links">
    <div class="tools">${isLarge ? html`<span class="dim">${count(nodes.length)} nodes are too many to draw. Select one to see what is around it.</span>` : nothing}
      <button class="small" type="button" ?disabled=${isLarge && app.focus() == null} @click=${() => {
    app.ui.isTable = false;
    app.render();
  }}>Graph</button></div>
    <div class="wide-table"><table data-testid="nodes-table"><caption>Nodes</caption><thead><tr><th scope="col">node</th><th scope="col">state</th><th scope="col">address</th>
      <th scope="col" class="num">packets/s</th><th scope="col" class="num">in flight</th><th scope="col">reasons</th></tr></thead>
      <tbody>${nodes.slice(ofNodes.from, ofNodes.to).map((node) => html`<tr><th scope="row">${beside(app, 'node', node.id)}</th><td>${badge(node.status)}</td>
        <td title=${node.address ?? ''}>${shortAddress(node.address)}</td><td class="num">${rate(store.nodeRates.get(node.id)?.packetsPerSecond)}</td>
        <td class="num">${count(store.nodeRates.get(node.id)?.inFlight)}</td><td>${node.reasons.join('; ')}</td></tr>`)}</tbody></table></div>${ofNodes.links}
    <div class="wide-table"><table data-testid="links-table"><caption>Links</caption><thead><tr><th scope="col">link</th><th scope="col">what</th><th scope="col">state</th>
      <th scope="col">since</th><th scope="col" class="num">there /s</th><th scope="col" class="num">back /s</th><th scope="col">balance of the first end</th><th scope="col">last error</th></tr></thead>
      <tbody>${links.slice(ofLinks.from, ofLinks.to).map((link) => {
    const rates = store.rates.get(link.id);
    const peer = store.peer(link.a, link.aPeer);
    return html`<tr><th scope="row">${beside(app, 'link', link.id, linkName(link))}</th><td>${kindOf(link)}</td><td>${badge(link.state)}</td>
      <td>${since(link.since, app.now())}</td><td class="num">${rate(rates?.abPerSecond)}</td><td class="num">${rate(rates?.baPerSecond)}</td>
      <td>${peer ? balanceBar({ balance: rates?.balanceA ?? peer.balance, min: peer.limits?.minBalance, max: peer.limits?.maxBalance }) : nothing}</td>
      <td>${faultOf(app, link) ? html`<b class="warn-text">lab</b> ` : nothing}${link.lastError ?? ''}</td></tr>`;
  })}</tbody></table></div>${ofLinks.links}</section>`;
}
