// The list of packets by itself, with chips that set the filter.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { codeName } from './codes.js';
import { hasTerm, toggleTerm } from './filter.js';
import { count, plural } from './format.js';
import { packetTable } from './packet_table.js';
import { cli } from './parts.js';
import { quoted } from './words.js';

/** @import { App } from './main.js' */

const CHIPS_MAX = 8;

/** @param {App} app */
export function packetsView(app) {
  const { store, place } = app;
  const filter = place.params.filter ?? '';
  /** @type {Map<string, number>} */
  const codes = new Map();
  for (const packet of store.shownPackets()) {
    if (packet.code) codes.set(packet.code, (codes.get(packet.code) ?? 0) + 1);
  }
  const frequent = [...codes].sort((a, b) => b[1] - a[1]).slice(0, CHIPS_MAX);
  /** @param {string} term @param {unknown} label @param {string} [title] */
  const chip = (term, label, title = term) => html`<button class="chip" type="button" title=${title}
    aria-pressed=${hasTerm(filter, term) ? 'true' : 'false'} @click=${() => app.setFilter(toggleTerm(filter, term))}>${label}</button>`;
  // First, because it decides which records are listed, and the number above it is theirs.
  const table = packetTable(app);
  return html`<section class="list-view"><h1 class="unseen">Packets</h1>
    <div class="chips" role="group" aria-label="Filters">
      ${chip('phase=forwarded', '● forwarded')}${chip('phase=received', '■ received')}
      ${chip('phase=fulfilled', '■ fulfilled')}${chip('phase=rejected', '✕ rejected')}
      ${frequent.map(([code, n]) => chip(`code=${code}`, html`${code} <span class="dim">${count(n)}</span>`, `${code} ${codeName(code)}`))}
      ${store.nodes.size > 1 && store.nodes.size <= CHIPS_MAX ? [...store.nodes.keys()].map((id) => chip(`node=${id}`, `at ${id}`)) : nothing}
      <span class="grow"></span>
      <span class="dim" data-testid="kept">${plural(app.ui.listed.length, 'record')} of ${count(store.shownPackets().length)} kept here</span>
      ${cli(app, `tap${filter ? ` ${quoted(filter)}` : ''}`)}
    </div>
    ${table}</section>`;
}
