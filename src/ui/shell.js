// What stands around each view: the top bar, the rail, the drawer, and the dialogs.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { live } from './vendor/lit-html/directives/live.js';
import { notices } from './active.js';
import { dialog } from './ask.js';
import { hasToken, setToken, urlOf } from './connect.js';
import { NONE, count, percent, plural, rate } from './format.js';
import { hasLab } from './lab.js';
import { besideOf, isPage, pageOf, selectionOf, writePlace } from './place.js';
import { copy } from './parts.js';
import { KEYS, openHelp } from './keys.js';
import { Store } from './store.js';
import { quoted } from './words.js';

/** @import { App } from './main.js' */

/** @type {[string, string, string][]} */
const RAIL = [
  ['network', 'Network', 'M5 12h14M5 12a2 2 0 1 0-.01 0M19 12a2 2 0 1 0-.01 0M12 5v14'],
  ['packets', 'Packets', 'M4 6h16M4 12h16M4 18h10'],
  ['routes', 'Routes', 'M5 19V9a4 4 0 0 1 4-4h10M15 1l4 4-4 4M5 13h9'],
  ['money', 'Money', 'M12 3v18M5 7h14M3 14l2-7 3 7zM16 14l3-7 2 7z'],
  ['events', 'Events', 'M12 7v5l3 3M12 3a9 9 0 1 0 .01 0'],
  ['config', 'Config', 'M4 7h9M19 7h1M4 17h3M13 17h7M16 4.5a2.5 2.5 0 1 0 .01 0M10 14.5a2.5 2.5 0 1 0 .01 0'],
];

/** @param {App} app @param {unknown} view @param {unknown} details */
export function shell(app, view, details) {
  return html`<a class="skip" href="#main" @click=${(/** @type {Event} */ e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>Skip to the content</a>
    ${bar(app)}${rail(app)}
    <main id="main" tabindex="-1" data-view=${app.place.view}>${banner(app)}${notices(app)}${view}</main>
    ${details ? drawer(app, details) : nothing}${help()}${dialog(app)}${app.store.connection === 'token' ? token(app) : nothing}
    ${app.voice.toast ? html`<div class="toast${app.voice.isTrouble ? ' trouble' : ''}" data-testid="toast">${app.voice.toast}</div>` : nothing}`;
}

/** @param {string} path */
const icon = (path) => html`<svg class="glyph" viewBox="0 0 24 24" width="14" height="14" aria-hidden="true"><path d=${path}></path></svg>`;

/** @param {App} app */
function bar(app) {
  const { store, filter, place } = app;
  // Without a connection there are no figures of now.
  const now = store.connection === 'live' ? store.summary() : new Store().summary();
  const isWhole = now.nodes > 0 && now.healthy === now.nodes;
  const name = store.hello?.nodes.length === 1 ? store.hello.nodes[0] : 'ilp-connector';
  const fulfilled = now.fulfilled == null ? 'calm' : now.fulfilled > 95 ? 'good-text' : 'warn-text';
  return html`<header class="bar"><a class="brand" href="#/network" title=${store.hello ? `version ${store.hello.version}` : ''}><img src="icon.svg" alt="" width="22" height="22"> <b>${name}</b></a>
    <div class="figures" role="group" aria-label="Now">
      ${store.seenBy ? html`<span data-testid="seen-by" title="Your token is that of this peer: what is about others is masked">as <b>${store.seenBy}</b> sees it</span>` : nothing}
      <span class=${now.nodes === 0 ? 'dim' : isWhole ? 'good-text' : 'bad-text'} data-testid="healthy" title="nodes that are ready">
        <b>${now.nodes === 0 ? NONE : `${isWhole ? '✓' : '!'} ${count(now.healthy)}/${count(now.nodes)}`}</b> healthy</span>
      <span title="Prepares a second that enter from outside this view; over the last ten seconds" data-testid="per-second"><b>${rate(now.perSecond)}</b> packets/s</span>
      <span title="share of Fulfills among the answers on all links, over the last ten seconds" class=${fulfilled} data-testid="fulfilled"><b>${percent(now.fulfilled)}</b> fulfilled</span>
      <span title="Prepares without an answer, at all nodes" data-testid="in-flight"><b>${count(now.inFlight)}</b> in flight</span>
      <span class="dim" data-testid="sampled" title="Which packets the page gets. All kept rejects come besides. Figures and widths of lines count every packet.">${
  store.sampled && store.sampled.oneIn > 0 ? html`sampled 1 of ${rate(store.sampled.oneIn)} · ${count(store.sampled.lost + store.lost)} lost` : nothing}</span></div>
    <search class="filter"><input id="filter" type="search" aria-label="Filter packets" placeholder="filter: code=T01 node=b  ( / )" autocomplete="off" spellcheck="false"
        .value=${live(place.params.filter ?? '')} aria-invalid=${filter.error ? 'true' : 'false'} aria-describedby="filter-error"
        @input=${(/** @type {any} */ e) => app.setFilter(e.target.value)}>
      <span id="filter-error" class="filter-error" role="alert">${filter.error}</span></search>
    <button type="button" class=${store.paused ? 'on' : ''} aria-pressed=${store.paused ? 'true' : 'false'} title="Stops lists and dots; collecting goes on (space)" data-testid="pause"
      @click=${() => app.pause()}>${store.paused ? html`${icon('M7 4l13 8-13 8z')} Go on <span class="new">+${count(store.seen - store.paused.seen)} new</span>` : html`${icon('M6 4h4v16H6zM14 4h4v16h-4z')} Pause`}</button>
    <button type="button" class="icon" title="Dark or light" aria-label="Dark or light" @click=${() => app.switchTheme()}>◐</button>
    <button type="button" class="icon" title="Help and keys (?)" aria-label="Help and keys" @click=${openHelp}>?</button></header>`;
}

/** @param {App} app */
const rail = (app) => html`<nav class="rail" aria-label="Views">${RAIL.filter(([view]) => view !== 'config' || !app.store.seenBy).map(([view, name, path]) => html`<a href=${writePlace({ view, params: app.place.params.filter && (view === 'network' || view === 'packets') ? { filter: app.place.params.filter } : {} })}
  aria-current=${app.place.view === view ? 'page' : nothing}><svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d=${path}></path></svg><span>${name}</span></a>`)}
  ${hasLab(app) ? html`<a href=${besideOf({ ...app.place, view: 'network', id: '' }, 'lab', 'all')} aria-current=${selectionOf(app.place)?.kind === 'lab' ? 'true' : nothing}><svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true"><path d="M9 3h6M10 3v6l-5 9a2 2 0 0 0 2 3h10a2 2 0 0 0 2-3l-5-9V3M7.5 15h9"></path></svg><span>Lab</span></a>` : nothing}</nav>`;

/** @param {App} app */
function banner({ store, reconnect }) {
  if (store.connection !== 'lost' || store.revision === 0) return nothing;
  return html`<div class="banner" role="alert" data-testid="lost">No connection to the node: ${store.problem}. What you see is from before. It connects again by itself.
    <button class="small" type="button" @click=${reconnect}>Try now</button></div>`;
}

/** @param {App} app @param {unknown} details */
function drawer(app, details) {
  const selection = selectionOf(app.place);
  if (!selection) return nothing;
  const { kind, id } = selection;
  return html`<aside class="drawer" aria-label="Details" data-testid="drawer"><div class="actions">
      ${isPage(kind) ? ways(app, kind, id) : copy(app, 'copy link', location.href)}
      <span class="grow"></span><button class="icon small" type="button" title="Close (esc)" aria-label="Close the details" @click=${() => app.closeDrawer()}>✕</button></div>
    <div class="inside">${details}</div></aside>`;
}

/** @param {App} app @param {'node' | 'link' | 'packet'} kind @param {string} id */
function ways(app, kind, id) {
  const page = pageOf(kind, id);
  const path = kind === 'node' ? `nodes/${encodeURIComponent(id)}` : kind === 'link' ? 'links' : `packets/${encodeURIComponent(id)}`;
  const bearer = hasToken() ? " -H 'Authorization: Bearer TOKEN'" : '';
  return html`<a class="button small" href=${page} title="As a page of its own">Open</a>
    ${copy(app, 'copy link', new URL(page, location.href).href)}${copy(app, 'copy as curl', `curl -s${bearer} ${quoted(urlOf(path))}`)}`;
}

const help = () => html`<dialog id="help" aria-label="Help"><form method="dialog"><button class="icon" aria-label="Close the help">✕</button></form>
  <h2>What you see</h2>
  <p>Interledger sends money as <b>packets</b>. A <b>Prepare</b> <i class="dot prepare"></i> goes from node to node and promises an amount at each hop. The last node answers with a
    <b>Fulfill</b> <i class="dot fulfill"></i>: each hop now owes the next. Or a node answers with a <b>Reject</b> <i class="dot reject">✕</i>, and nothing is owed.</p>
  <p>Each dot is a real packet, slowed so that you see it. Few of many are drawn: the top bar says how many. Figures, and the widths of lines, count every packet.</p>
  <h2>Keys</h2><dl class="keys">${KEYS.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
  <h2>Filter</h2><p><code>from=a code=F02,T01 dest^=test.c amount>=1000 latency>5ms to!=d</code></p>
  <p>All terms must hold; a comma means or. Fields: node, from, to, code, phase, lane, dest, kind, amount, latency.</p></dialog>`;

/** @param {App} app */
function token(app) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    setToken(String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get('token') ?? '').trim());
    app.reconnect();
  };
  const isWrong = hasToken();
  return html`<div class="cover"><form class="card token" role="dialog" aria-modal="true" aria-label="Token" @submit=${submit} data-testid="token">
    <h2>This node asks for a token</h2><p>It is the <code>apiToken</code> of its configuration, or one of its <code>apiTokens</code>. This page keeps it until you close the tab.</p>
    <label>Token <input name="token" type="password" required autocomplete="off" autofocus></label>
    ${isWrong ? html`<p class="bad-text" role="alert">The node refused the last one. Compare it with the configuration.</p>` : nothing}
    <p class="actions"><button type="submit">Go on</button></p></form></div>`;
}

/** What a screen reader is given when a state changes. @param {Map<string, string>} before @param {Map<string, string>} after */
export function changes(before, after) {
  const list = [...after].filter(([name, state]) => before.has(name) && before.get(name) !== state).map(([name, state]) => `${name} is ${state}`);
  return list.length > 5 ? `${plural(list.length, 'state')} changed` : list.join('. ');
}
