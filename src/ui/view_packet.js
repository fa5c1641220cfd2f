// One packet: who sent it where, what each node decided, and why it ended as it did.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { codeClass, codeName } from './codes.js';
import { amount, clock, duration, micros, middle } from './format.js';
import { labThen, mendable } from './active.js';
import { assemble, decision, ending } from './paths.js';
import { ladder } from './ladder.js';
import { writePlace } from './place.js';
import { beside, copy, empty, facts, peerLink, problem } from './parts.js';
import { fieldsOf } from './wire.js';
import { eventOf, messageOf, outcome, sentence, spaced } from './words.js';

/** @import { App } from './main.js' */
/** @import { Hop, Packet } from './types.js' */

/** The hops of a packet: of the API while it keeps them, else of what this page has. @param {App} app @param {string} id @returns {{ chain: Hop[], note: unknown }} */
export function chainOf(app, id) {
  const { store } = app;
  const mine = store.packets.find((packet) => packet.id === id);
  const far = (/** @type {string} */ n, /** @type {string} */ p) => store.far(n, p);
  const own = mine ? store.paths(mine.condition).find((chain) => chain.some((hop) => hop.forwarded?.id === id || hop.answer?.id === id)) ?? [] : [];
  // What may be asked is known with the first line of the stream.
  if (!store.hello) return { chain: own, note: empty('Connecting …', store.problem) };
  if (store.connection === 'live' && !store.may('packets')) return { chain: own, note: empty('Your token may not read packets.') };
  const answer = app.answers.get(`packets/${encodeURIComponent(id)}`, ending(own) ? 60_000 : 2000);
  /** @type {Hop[]} */
  const given = answer.data?.hops ?? [];
  const records = [...given, ...own].flatMap((hop) => [hop.forwarded, hop.answer]).filter((record) => record != null);
  // The server has the order of hops; records that came since are added.
  const known = new Set(given.flatMap((hop) => [hop.forwarded?.id, hop.answer?.id]));
  const chain = given.length > 0 && records.every((record) => known.has(record.id)) ? given
    : assemble(records, far).find((hops) => hops.some((hop) => hop.forwarded?.id === id || hop.answer?.id === id)) ?? own;
  if (chain.length > 0) return { chain, note: nothing };
  if (answer.isLoading && !answer.error) return { chain, note: empty('Looking for the packet …') };
  const gone = 'It was seen before this page opened, and the node no longer keeps it. A node keeps the last packets only.';
  const list = html`<a class="button" href=${writePlace({ view: 'packets' })}>Show the packets that are kept</a>`;
  return { chain, note: answer.error?.status === 404 || !answer.error ? empty('This packet is gone.', gone, list) : problem(answer, 'this packet') };
}

/** @param {App} app @param {string} id */
export function packetView(app, id) {
  const { chain, note } = chainOf(app, id);
  if (chain.length === 0) return note;
  const records = chain.flatMap((hop) => [hop.forwarded, hop.answer]).filter((record) => record != null);
  const first = records[0];
  const end = ending(chain);
  const destination = records.find((record) => record.destination)?.destination ?? null;
  const decided = decision(chain);
  return html`<article class="packet" data-testid="packet">
    <h2>${end ? html`<span class="outcome ${end.phase}">${eventOf(end).mark} ${outcome(end)}</span>` : html`<span class="outcome forwarded">● In flight</span>`}</h2>
    <p class="lead">${amount(first?.amount)} ${first?.amount === '1' ? 'unit' : 'units'}${destination ? html` to <code class="address" title=${destination}>${middle(destination, 60)}</code>` : nothing}${
  end?.latencyUs != null ? html`, answered in <b>${micros(end.latencyUs)}</b>` : nothing}</p>
    ${end?.phase === 'rejected' ? verdict(app, decided, end, destination, chain) : nothing}
    ${ladder(app, chain, app.roomForDetails())}
    <h3>What each node did</h3>
    <ol class="hops">${chain.map((hop, index) => hopCard(app, hop, chain[index + 1] ?? null))}</ol>
    <details><summary>On the wire</summary><p class="dim">Made again from the records, field by field. What no record has is named, and never invented.</p>${records.map((record) => wire(app, record))}</details>
    <details><summary>All fields of the records</summary>${records.map((record) => html`<pre tabindex="0">${JSON.stringify(record, null, 1)}</pre>`)}</details>
  </article>`;
}

/** Whose decision, by which rule, and what to change. @param {App} app @param {Packet | null} decided @param {Packet} end @param {string | null} destination @param {Hop[]} chain */
function verdict(app, decided, end, destination, chain) {
  const code = decided?.code ?? end.code;
  const title = html`<b class="code">${code}</b> ${codeName(code)} <span class="dim">${codeClass(code)}</span>`;
  if (!decided) {
    const last = [...chain].reverse().find((hop) => hop.answer)?.answer ?? end;
    return html`<section class="verdict" aria-label="Why"><p>${title}</p>
      <p><b>${end.triggeredBy ?? last.to ?? 'A node outside this view'}</b> decided this, outside this view.${
  end.message ? html` It says: <q>${messageOf(end)}</q>` : nothing}</p></section>`;
  }
  const { reason, node } = decided;
  const fault = labThen(app, node, reason?.peer, decided.at);
  return html`<section class="verdict" aria-label="Why" data-testid="verdict">
    <p class="who"><b>${beside(app, 'node', node)}</b> refused it: <b data-testid="reason">${reason?.text ?? messageOf(decided) ?? codeName(code)}</b></p>
    <p>${title}</p>
    ${fault ? html`<p data-testid="lab-then"><b class="sign">Lab</b> <b>${fault}</b>, on purpose: somebody broke it with the lab.</p>` : nothing}
    ${facts([['figures', reason?.figures], ['rule', reason ? spaced(reason.kind) : null], ['account', reason?.peer ? peerLink(app, node, reason.peer) : null],
    ['set by', reason?.key ? html`<code data-testid="key">${reason.key}</code> ${copy(app, 'copy', reason.key)}` : null]])}
    ${mendable(app, node, reason?.peer ?? (reason?.kind === 'suspendedByOperator' ? decided.from : null))}
    ${reason?.advice ? html`<p class="advice" data-testid="advice"><b>What to change:</b> ${reason.advice}</p>` : nothing}
    ${destination ? html`<p><a class="button" href=${writePlace({ view: 'routes', params: {
    node: chain[0]?.node ?? node, destination, amount: (chain[0]?.forwarded ?? decided).amount ?? '', from: chain[0]?.answer?.from ?? '' } })}>Explain this route</a></p>` : nothing}
  </section>`;
}

/** The frame that a record is about. @param {App} app @param {Packet} record */
function wire(app, record) {
  const isSent = record.phase === 'forwarded';
  const peer = isSent ? record.to : record.from;
  const link = peer == null ? null : app.store.links.get(app.store.linkOf(record.node, peer) ?? '');
  const isPrepare = isSent || record.phase === 'received';
  const way = isPrepare && !isSent ? `${peer ?? 'itself'} → ${record.node}` : `${record.node} → ${peer ?? 'itself'}`;
  const fields = fieldsOf(record, peer != null && link?.transport !== 'http');
  return html`<div class="wide-table" tabindex="0" role="region" aria-label="${eventOf(record).word}, ${way}"><table class="wire" data-testid="wire"><caption>${eventOf(record).mark} ${way}${link?.transport === 'http' ? ' (over HTTP)' : ''}</caption>
    <thead><tr><th scope="col">field</th><th scope="col">bytes</th><th scope="col">value</th></tr></thead>
    <tbody>${fields.map(({ layer, name, hex, means }) => html`<tr><th scope="row"><span class="dim">${layer}</span> ${name}</th><td class="wrap">${hex == null ? html`<span class="dim">…</span>` : html`<code>${hex}</code>`}</td>
      <td class="wrap ${hex == null ? 'dim' : ''}">${means}</td></tr>`)}</tbody></table></div>`;
}

/** @param {App} app @param {Hop} hop @param {Hop | null} next */
function hopCard(app, hop, next) {
  const { forwarded, answer, node } = hop;
  const record = forwarded ?? answer;
  if (!record) return html`<li class="hop" data-testid="no-record"><h4>${beside(app, 'node', node)}</h4><p class="dim">The packet passed this node. No record of it is kept.</p></li>`;
  const own = answer?.latencyUs != null && next?.answer?.latencyUs != null ? answer.latencyUs - next.answer.latencyUs : null;
  const left = forwarded?.expiresAt ? (Date.parse(forwarded.expiresAt) - Date.parse(forwarded.at)) / 1000 : null;
  const [into, out] = [record.amount, forwarded?.outgoingAmount ?? answer?.outgoingAmount];
  const converted = into && out && into !== out && Number(into) > 0 ? `rate ${Number((Number(out) / Number(into)).toPrecision(6))}` : '';
  return html`<li class="hop"><h4>${beside(app, 'node', node)}</h4>
    <p>${sentence(record)}${forwarded?.prefix != null ? html`, because <code>${forwarded.prefix || '(default route)'}</code> is the longest prefix` : nothing}.</p>
    ${answer && answer !== record ? html`<p class=${answer.phase}>${eventOf(answer).mark} ${sentence(answer)}.</p>` : nothing}
    ${facts([
    ['from', record.from == null ? 'the node itself' : peerLink(app, node, record.from)],
    ['to', record.to ? peerLink(app, node, record.to) : null],
    ['amount', out != null && out !== into ? `${amount(into)} → ${amount(out)} ${converted ? `(${converted})` : ''}` : amount(into)],
    ['balance after', record.to && (answer?.balanceAfter ?? forwarded?.balanceAfter) != null ? amount(answer?.balanceAfter ?? forwarded?.balanceAfter) : null, 'of the account that it was sent to, right after this; positive: that peer owes this node'],
    ['at', clock(record.at)],
    ['expiry left', left == null ? null : duration(left), 'from here to the expiry that the next hop was given'],
    ['answer after', answer?.latencyUs == null ? null : micros(answer.latencyUs)],
    ['of it at this hop', own != null && own >= 0 ? micros(own) : null, 'the time until the answer, less the time that the next hop needed'],
  ])}</li>`;
}

