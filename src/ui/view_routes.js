// Where a packet would go and why, and the routing table of each node.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { labThen } from './active.js';
import { codeName } from './codes.js';
import { drawGraph } from './draw_graph.js';
import { amount, plural } from './format.js';
import { NODES_DRAWN_MAX } from './graph_parts.js';
import { badge, beside, cli, empty, facts, problem } from './parts.js';
import { writePlace } from './place.js';
import { probePanel } from './probes.js';
import { quoted } from './words.js';

/** @import { App } from './main.js' */
/** @import { Candidate, Route, Step, Walk } from './types.js' */

const PAGE = 200;
const ENDS = { delivered: 'It arrives.', refused: 'It is refused.', leavesView: 'It leaves this view; what happens there is not known here.', loops: 'It loops.' };

/** @param {App} app */
export function routesView(app) {
  const { store, place } = app;
  const ids = [...store.nodes.keys()];
  if (ids.length === 0) return empty('Connecting …', store.problem);
  const node = store.nodes.has(place.params.node ?? '') ? place.params.node ?? '' : ids[0] ?? '';
  const { destination = '', amount: sum = '' } = place.params;
  // A peer may ask about its own packets only.
  const from = store.seenBy ?? place.params.from ?? '';
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const values = Object.fromEntries([...new FormData(/** @type {HTMLFormElement} */ (event.target))].map(([k, v]) => [k, String(v).trim()]));
    app.go({ view: 'routes', id: '', params: values });
  };
  const senders = store.nodes.get(node)?.peers.filter((peer) => peer.kind !== 'own' && peer.kind !== 'receiver') ?? [];
  return html`<section class="page"><h1>Where would a packet go?</h1>
    <form class="explain" @submit=${submit} data-testid="explain">
      <label>at node <select name="node" @change=${(/** @type {any} */ e) => app.go({ ...place, params: { ...place.params, node: e.target.value, after: '', from: '' } })}>
        ${ids.map((id) => html`<option value=${id} ?selected=${id === node}>${id}</option>`)}</select></label>
      <label>from <select name="from">${store.seenBy ? nothing : html`<option value="">the node itself</option>`}${senders.map((peer) => html`<option value=${peer.id} ?selected=${peer.id === from}>${peer.id}</option>`)}</select></label>
      <label class="grow">to <input name="destination" required placeholder=${[...store.nodes.values()].at(-1)?.address ?? 'test.bob'} .value=${destination} autocomplete="off" spellcheck="false"></label>
      <label>amount <input name="amount" inputmode="numeric" pattern="[0-9]*" .value=${sum} placeholder="any" autocomplete="off"></label>
      <button type="submit">Explain</button></form>
    ${destination ? walk(app, node, destination, from, sum) : html`<p class="dim">Give an address: each node in view says where it would send the packet, and by which rule.</p>`}
    ${store.seenBy ? nothing : html`<h2>Routing table of ${node}</h2>${table(app, node)}`}</section>`;
}

/** @param {App} app @param {string} node @param {string} destination @param {string} from @param {string} sum */
function walk(app, node, destination, from, sum) {
  const query = new URLSearchParams({ node, destination });
  if (from) query.set('from', from);
  if (sum) query.set('amount', sum);
  const answer = app.answers.get(`explain?${query}`, 2000);
  /** @type {Walk | null} */
  const data = answer.data;
  if (answer.error) return problem(answer, 'an explanation');
  if (!data) return html`<p class="dim">Asking …</p>`;
  return html`<section class="walk" aria-label="Explanation" data-testid="walk"><h2 class="lead"><b class=${data.ends}>${ENDS[data.ends] ?? data.ends}</b>
    ${cli(app, `explain ${quoted(destination)} --from ${quoted(node)}${sum ? ` --amount ${quoted(sum)}` : ''}`)}</h2>
    ${probePanel(app, node, destination)}${way(app, data)}
    <ol class="hops">${data.steps.map((step) => html`<li class="hop ${step.decision}">${stepCard(app, step)}</li>`)}</ol></section>`;
}

/** The walk on the graph. @param {App} app @param {Walk} data */
function way(app, data) {
  if (app.store.nodes.size < 2 || app.store.nodes.size > NODES_DRAWN_MAX) return nothing;
  const links = data.steps.map(({ node, to, reason }) => app.store.linkOf(node, to ?? reason?.peer ?? '')).filter((link) => link != null);
  return html`<div class="picture small-picture" id="picture">${drawGraph(app, new Set(links))}</div>`;
}

/** @param {App} app @param {Step} step */
function stepCard(app, step) {
  const { decision, reason } = step;
  const does = decision === 'forward' ? html`sends it on${step.to ? html` to <b>${step.to}</b>` : nothing}` : decision === 'local' ? html`delivers it${step.to ? html` to <b>${step.to}</b>` : nothing}`
    : html`refuses it: <b>${reason?.text ?? step.why ?? codeName(step.code)}</b>`;
  const fault = decision === 'refuse' ? labThen(app, step.node, reason?.peer, new Date(app.now()).toISOString()) : null;
  const changed = step.outgoingAmount != null && step.outgoingAmount !== step.amount;
  return html`<h3>${beside(app, 'node', step.node)} ${does}</h3>
    ${facts([['prefix', step.prefix == null ? null : html`<code>${step.prefix || '(default route)'}</code>`], ['because', decision === 'refuse' && reason ? null : step.why],
    ['origin', step.origin], ['amount', step.amount == null ? null : changed ? `${amount(step.amount)} → ${amount(step.outgoingAmount)}` : amount(step.amount)],
    ['code', step.code ? html`<b class="code">${step.code}</b> ${codeName(step.code)}` : null], ['set by', reason?.key ? html`<code>${reason.key}</code>` : null]])}
    ${fault ? html`<p><b class="sign">Lab</b> <b>${fault}</b>, on purpose.</p>` : nothing}
    ${reason?.advice ? html`<p class="advice"><b>What to change:</b> ${reason.advice}</p>` : nothing}
    ${(step.candidates?.length ?? 0) > 1 ? html`<details><summary>${plural(step.candidates?.length ?? 0, 'candidate')}</summary>${candidates(step.candidates ?? [])}</details>` : nothing}`;
}

/** @param {Candidate[]} list */
const candidates = (list) => html`<ul class="plain">${list.map((candidate) => html`<li>${badge(candidate.usable ? 'connected' : 'down')} <b>${candidate.nextHop}</b>
  <span class="dim">${candidate.origin}, priority ${candidate.priority}</span></li>`)}</ul>`;

/** @param {App} app @param {string} node */
function table(app, node) {
  const after = app.place.params.after ?? '';
  const answer = app.answers.get(`nodes/${encodeURIComponent(node)}/routes?limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ''}`, 5000);
  if (answer.error) return problem(answer, 'its routes');
  if (!answer.data) return html`<p class="dim">Loading …</p>`;
  /** @type {{ routes: Route[], total: number, next: string | null }} */
  const { routes, total, next } = answer.data;
  if (routes.length === 0) return empty('This node has no routes.', 'It knows only its own address. Add routes, links or a parent to its configuration.');
  const go = (/** @type {string} */ prefix) => writePlace({ ...app.place, params: { ...app.place.params, node, after: prefix } });
  return html`<div class="wide-table"><table data-testid="routes"><thead><tr><th scope="col">prefix</th><th scope="col">next hop</th><th scope="col">why</th><td></td></tr></thead>
    <tbody>${routes.map((route) => html`<tr><th scope="row"><code>${route.prefix || '(default route)'}</code></th>
      <td>${route.nextHop ?? html`<span class="bad-text">✕ none connected</span>`}</td><td class="wrap">${route.reason}</td>
      <td>${route.prefix ? html`<a href=${writePlace({ view: 'routes', params: { node, destination: route.prefix } })}>explain</a>` : nothing}</td></tr>`)}</tbody></table></div>
    <p class="dim">${plural(total, 'route')} ${after ? html`<a class="button" href=${go('')}>first page</a>` : nothing} ${next ? html`<a class="button" href=${go(next)}>next page</a>` : nothing}</p>`;
}
