// The graph as SVG: links as two lanes, nodes by state. Every node and link is a link to its details.

import { html, svg, nothing } from './vendor/lit-html/lit-html.js';
import { repeat } from './vendor/lit-html/directives/repeat.js';
import { faultLabel, faultOf } from './active.js';
import { left, middle, rate, since } from './format.js';
import { besideOf, selectionOf } from './place.js';
import { chainOf } from './view_packet.js';
import { briefly, linkName, shareOf, spaced, stateOf } from './words.js';

/** @import { App } from './main.js' */
/** @import { Edge, Vertex, Point } from './types.js' */

/** Pixels between the middle of a link and each of its lanes. */
export const LANE = 6;
const LABELS_MAX = 24;
/** With more vertices that stand this close, names are shown only for what is not well, and under the pointer. */
const NAMES_MAX = 60;
const CLOSE = 14;
const ARROWS = ['→', '↘', '↓', '↙', '←', '↖', '↑', '↗'];

/** Thicker by a step for each factor of ten. @param {number} perSecond */
const laneWidth = (perSecond) => (perSecond > 0 ? 2 + 2 * Math.log10(1 + perSecond) : 1.5);

/** @param {Point} a @param {Point} b */
const arrow = (a, b) => ARROWS[Math.round(Math.atan2(b.y - a.y, b.x - a.x) / (Math.PI / 4) + 8) % 8] ?? '→';

/** @param {App} app @param {Set<string>} [path] links that stand out; the way of the selected packet */
export function drawGraph(app, path = marked(app)) {
  const { graph } = app;
  const { width, height } = graph.size;
  return html`<svg class="graph" viewBox="0 0 ${width} ${height}" width=${width} height=${height} role="group" data-testid="graph"
    aria-label="The network: ${graph.vertices.filter((v) => v.kind === 'node').length} nodes, ${graph.edges.length} links">
    <g>${repeat(graph.edges, (e) => e.id, (edge) => drawEdge(app, edge, path))}</g>
    <g>${repeat(graph.vertices, (v) => v.id, (vertex) => drawVertex(app, vertex))}</g></svg>`;
}

/** @param {App} app @param {Edge} edge @param {Set<string>} path */
function drawEdge(app, edge, path) {
  const { graph, store } = app;
  const [a, b] = [graph.place(edge.a), graph.place(edge.b)];
  if (!a || !b) return nothing;
  const { link } = edge;
  const rates = store.rates.get(edge.id);
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  const [ux, uy] = [(b.x - a.x) / length, (b.y - a.y) / length];
  /** A point at a distance along the link and to its right. @param {number} along @param {number} right */
  const on = (along, right) => ({ x: a.x + ux * along - uy * right, y: a.y + uy * along + ux * right });
  const isDown = link.state !== 'up';
  const isChosen = isSelected(app, 'link', edge.id);
  // A receiver is a part of its node, which is marked itself.
  const fault = link.kind === 'receiver' ? null : faultOf(app, link);
  const css = `edge${fault ? ' lab' : ''} ${link.state} ${link.kind}${isChosen ? ' selected' : ''}${path.has(edge.id) ? ' marked' : ''}`;
  const [ab, ba] = [rates?.abPerSecond ?? 0, rates?.baPerSecond ?? 0];
  const near = graph.radiusOf(edge.a) + 5;
  const far = Math.max(near + 2, length - graph.radiusOf(edge.b) - 5);
  const line = (/** @type {Point} */ p, /** @type {Point} */ q, /** @type {string} */ name, /** @type {number} */ thick) => svg`<line class=${name}
    x1=${p.x.toFixed(1)} y1=${p.y.toFixed(1)} x2=${q.x.toFixed(1)} y2=${q.y.toFixed(1)} stroke-width=${thick.toFixed(1)}></line>`;
  return svg`<a class=${css} href=${besideOf(app.place, 'link', edge.id)} data-testid="link" data-id=${edge.id}
      aria-label=${nameOfEdge(app, edge)} draggable="false">
    ${line(on(near, 0), on(far, 0), 'hit', 26)}
    ${isDown ? line(on(near, 0), on(far, 0), 'broken', 2.5) : link.kind === 'receiver' || link.kind === 'tool'
    ? line(on(near, 0), on(far, 0), 'lane', Math.max(laneWidth(ab), laneWidth(ba))) : [
      line(on(near, LANE), on(far, LANE), ab > 0 ? 'lane busy' : 'lane', laneWidth(ab)),
      line(on(far, -LANE), on(near, -LANE), ba > 0 ? 'lane busy' : 'lane', laneWidth(ba)),
    ]}
    ${tick(app, edge, on, near, far)}
    ${length > 60 && isDown ? cross(on(length / 2, 0)) : length > 60 && fault ? warning(on(length / 2, 0)) : nothing}
    ${graph.edges.length <= LABELS_MAX && length > 110 ? labels(app, edge, a, b, on(length / 2, 0), ab, ba) : nothing}</a>`;
}

/** @param {Point} p */
const cross = (p) => svg`<g class="cross" transform="translate(${p.x.toFixed(1)} ${p.y.toFixed(1)})"><circle r="9"></circle>
  <path d="M-4-4L4 4M4-4L-4 4"></path></g>`;

/** A link that the lab slows or that loses packets. @param {Point} p */
const warning = (p) => svg`<g class="cross lab" transform="translate(${p.x.toFixed(1)} ${p.y.toFixed(1)})"><circle r="9"></circle><path d="M0-5V1.5M0 4.5V5"></path></g>`;

/** Where the balance of the first end stands between its limits: on a selected link, and near a limit. @param {App} app @param {Edge} edge @param {(along: number, right: number) => Point} on @param {number} near @param {number} far */
function tick(app, edge, on, near, far) {
  const peer = app.store.peer(edge.link.a, edge.link.aPeer);
  const share = shareOf(app.store.rates.get(edge.id)?.balanceA ?? peer?.balance, peer?.limits.minBalance, peer?.limits.maxBalance);
  const isNear = share != null && (share < 0.1 || share > 0.9);
  if (share == null || far - near < 40 || !(isNear || isSelected(app, 'link', edge.id))) return nothing;
  const along = near + 8 + (far - near - 16) * share;
  const [p, q] = [on(along, -3.2), on(along, 3.2)];
  return svg`<line class="tick ${isNear ? 'warn' : ''}" x1=${p.x.toFixed(1)} y1=${p.y.toFixed(1)} x2=${q.x.toFixed(1)} y2=${q.y.toFixed(1)}></line>`;
}

/** @param {App} app @param {Edge} edge @param {Point} a @param {Point} b @param {Point} mid @param {number} ab @param {number} ba */
function labels(app, edge, a, b, mid, ab, ba) {
  const { link } = edge;
  if (link.kind === 'receiver' || link.kind === 'tool') return nothing;
  const isSteep = Math.abs(b.y - a.y) > Math.abs(b.x - a.x) * 0.6;
  /** Beside a steep link, otherwise above or below it. @param {boolean} isRight @param {string} text @param {string} css */
  const label = (isRight, text, css) => {
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const [nx, ny] = [-(b.y - a.y) / length, (b.x - a.x) / length];
    const side = isRight ? 1 : -1;
    const x = mid.x + nx * side * (LANE + 10);
    const y = mid.y + ny * side * (LANE + 14) + 4;
    // Beside a steep link there is room for all of it.
    const shown = isSteep ? text : middle(text, Math.max(6, Math.floor((length - 2 * app.graph.radius()) / 6.6)));
    const anchor = !isSteep ? 'middle' : nx * side > 0 ? 'start' : 'end';
    return svg`<text aria-hidden="true" class="label ${css}" x=${x.toFixed(1)} y=${y.toFixed(1)} text-anchor=${anchor}>${shown}</text>`;
  };
  const fault = faultOf(app, link);
  if (fault) {
    return [label(b.x < a.x, `lab: ${faultLabel(fault)}`, 'fault'), label(b.x >= a.x, `${left(fault.expiresAt, app.now())} left`, 'dim')];
  }
  const change = app.store.overrides.find(({ kind, node, peer }) => kind === 'suspend' && ((node === link.a && peer === link.aPeer) || (node === link.b && peer === link.bPeer)));
  if (change) return [label(b.x < a.x, `suspended, ${left(change.expiresAt, app.now())} left`, 'suspended'), label(b.x >= a.x, middle(change.reason ?? '', 34), 'dim')];
  if (link.state !== 'up') {
    const isLower = b.x >= a.x;
    const ago = link.since && link.state === 'down' ? ` ${since(link.since, app.now())}` : '';
    return [label(!isLower, `${link.state}${ago}`, link.state), link.lastError ? label(isLower, middle(briefly(link.lastError), 34), 'dim') : nothing];
  }
  const text = (/** @type {number} */ value, /** @type {string} */ mark) => `${rate(value)}/s ${mark}`;
  return [ab > 0 ? label(true, text(ab, arrow(a, b)), '') : nothing, ba > 0 ? label(false, text(ba, arrow(b, a)), '') : nothing];
}

/** @param {App} app @param {Vertex} vertex */
function drawVertex(app, vertex) {
  const at = app.graph.place(vertex.id);
  if (!at) return nothing;
  const { node, link, kind } = vertex;
  const r = app.graph.radius();
  const isChosen = node ? isSelected(app, 'node', vertex.id) : isSelected(app, 'link', link?.id ?? '');
  const status = node?.status ?? link?.state ?? '';
  const { tone, mark } = stateOf(status);
  const href = node ? besideOf(app.place, 'node', vertex.id) : besideOf(app.place, 'link', link?.id ?? '');
  const isSmall = app.graph.vertices.length > LABELS_MAX || app.graph.size.width < 500;
  const isCrowded = app.graph.vertices.length > NAMES_MAX && r < CLOSE && tone === 'good';
  const limit = isSmall ? 12 : 20;
  const perSecond = app.store.nodeRates.get(vertex.id)?.packetsPerSecond;
  const under = r * (kind === 'node' ? 1 : 0.5) + (isSmall ? 12 : 17);
  return svg`<a class="vertex ${kind} ${tone}${isSmall ? ' small-text' : ''}${isCrowded ? ' crowded' : ''}${isChosen ? ' selected' : ''}" href=${href} data-testid=${kind === 'node' ? 'node' : 'peer'}
      data-id=${vertex.id} aria-label=${nameOfVertex(vertex)} draggable="false" transform="translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})">
    <title>${nameOfVertex(vertex)}</title>
    <circle class="hit" r=${Math.max(14, r + 4)}></circle>${body(kind, status, r)}
    ${kind === 'node' && r >= 10 ? svg`<text aria-hidden="true" class="glyph" y=${r * 0.32} text-anchor="middle" font-size=${(r * 0.9).toFixed(0)}>${mark}</text>` : nothing}
    ${kind !== 'node' && kind !== 'outside' && isSmall ? nothing : svg`<text aria-hidden="true" class="name" y=${under} text-anchor="middle">${middle(vertex.label, limit)}</text>`}
    ${node?.address && !isSmall ? svg`<text aria-hidden="true" class="address" y=${under + 15} text-anchor="middle">${middle(node.address, 24)}</text>` : nothing}
    ${node && perSecond && !isSmall ? svg`<text aria-hidden="true" class="address" y=${-r - 9} text-anchor="middle">${rate(perSecond)}/s</text>` : nothing}</a>`;
}

/** Healthy nodes are round; a node that is not has corners. @param {Vertex['kind']} kind @param {string} status @param {number} r */
function body(kind, status, r) {
  const h = Math.max(4, r * 0.42);
  if (kind === 'tool') return svg`<circle class="body" r=${Math.max(3.5, r * 0.26)}></circle>`;
  if (kind === 'receiver') return svg`<path class="body" d="M0 ${-h}L${h} 0L0 ${h}L${-h} 0Z"></path>`;
  if (kind !== 'node') return svg`<rect class="body" x=${-h * 1.2} y=${-h * 1.2} width=${h * 2.4} height=${h * 2.4} rx="2"></rect>`;
  if (status === 'healthy') return svg`<circle class="body" r=${r}></circle>`;
  const points = Array.from({ length: 8 }, (_, i) => {
    const angle = ((i + 0.5) * Math.PI) / 4;
    return `${(Math.cos(angle) * r * 1.08).toFixed(1)},${(Math.sin(angle) * r * 1.08).toFixed(1)}`;
  });
  return svg`<polygon class="body" points=${points.join(' ')}></polygon>`;
}

/** @param {Vertex} vertex */
function nameOfVertex({ kind, label, node, link }) {
  if (node) return `Node ${label}, ${spaced(node.status)}${node.address ? `, ${node.address}` : ''}`;
  const what = kind === 'receiver' ? 'Receiver' : kind === 'tool' ? 'Tool' : 'Peer outside this view';
  return `${what} ${label} of ${link?.a ?? ''}, ${link?.state ?? ''}`;
}

/** @param {App} app @param {Edge} edge */
function nameOfEdge(app, { id, link }) {
  const rates = app.store.rates.get(id);
  const flow = rates ? `, ${rate(rates.abPerSecond)} packets per second there, ${rate(rates.baPerSecond)} back` : '';
  return `Link ${linkName(link)}, ${link.state}${link.lastError && link.state !== 'up' ? `, ${link.lastError}` : ''}${flow}`;
}

/** @param {App} app @param {'node' | 'link'} kind @param {string} id */
function isSelected(app, kind, id) {
  const selection = selectionOf(app.place);
  return selection?.kind === kind && selection.id === id;
}

/** The links that the selected packet took. @param {App} app @returns {Set<string>} */
function marked(app) {
  const selection = selectionOf(app.place);
  const chain = selection?.kind === 'packet' ? chainOf(app, selection.id).chain : [];
  const used = chain.flatMap(({ node, forwarded, answer }) => [answer?.from ?? forwarded?.from, forwarded?.to]
    .map((peer) => (peer ? app.store.linkOf(node, peer) : null)));
  return new Set(used.filter((link) => link != null));
}
