// What happened to nodes, peers, routes and configuration, newest first: since this page was opened, or as a node's store
// keeps it.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { count, plural } from './format.js';
import { beside, cli, empty, peerLink, time } from './parts.js';
import { savedEvents } from './saved_events.js';
import { spaced } from './words.js';

/** @import { App } from './main.js' */
/** @import { Event, SavedEvent } from './types.js' */

const SHOWN_MAX = 300;
const MARKS = { info: '○', warn: '!', error: '✕' };

/** @param {App} app */
export function eventsView(app) {
  const { store, place } = app;
  const level = place.params.level ?? '';
  const hasSaved = store.offers('books') && !store.seenBy && store.nodes.size > 0;
  const isSaved = hasSaved && place.params.list === 'saved';
  const named = place.params.node ?? '';
  const node = isSaved && !store.nodes.has(named) ? [...store.nodes.keys()][0] ?? '' : named;
  const list = isSaved ? [] : [...store.shownEvents()].reverse().filter((event) => (!level || event.level === level) && (!node || event.node === node));
  const set = (/** @type {Record<string, string>} */ params) => app.go({ ...place, params: { ...place.params, ...params } }, true);
  const choose = (/** @type {string} */ name, /** @type {string} */ text) => html`<button class="chip" type="button" aria-pressed=${(name === 'saved') === isSaved ? 'true' : 'false'} @click=${() => set({ list: name, before: '' })}>${text}</button>`;
  return html`<section class="list-view"><h1 class="unseen">Events</h1>
    <div class="chips" role="group" aria-label="Filters">
      ${hasSaved ? html`${choose('', 'as they come')}${choose('saved', 'in the store')}` : nothing}
      ${['info', 'warn', 'error'].map((name) => html`<button class="chip" type="button" aria-pressed=${level === name ? 'true' : 'false'}
        @click=${() => set({ level: level === name ? '' : name })}>${MARKS[/** @type {keyof typeof MARKS} */ (name)]} ${name}</button>`)}
      ${store.nodes.size > 1 ? html`<label>node <select @change=${(/** @type {any} */ e) => set({ node: e.target.value, before: '' })}>
        ${isSaved ? nothing : html`<option value="">all</option>`}${[...store.nodes.keys()].map((id) => html`<option value=${id} ?selected=${id === node}>${id}</option>`)}</select></label>` : nothing}
      <span class="grow"></span>${isSaved ? nothing : html`<span class="dim">${plural(list.length, 'event')}${list.length > SHOWN_MAX ? `, the last ${count(SHOWN_MAX)} shown` : ''}</span>
      ${cli(app, 'events -f')}`}</div>
    <div class="body">${isSaved ? savedEvents(app, node, (events) => rows(app, events, true), set) : list.length === 0 ? empty(level || node ? 'No such event.' : 'Nothing has happened yet.',
    level || node ? html`<button type="button" @click=${() => set({ level: '', node: '' })}>Show all</button>`
      : 'Peers that connect or fail, reloads of the configuration and changes of routes appear here.') : rows(app, list.slice(0, SHOWN_MAX))}</div></section>`;
}

/** @param {App} app @param {(Event | SavedEvent)[]} events @param {boolean} [hasDay] they may be of another day */
const rows = (app, events, hasDay = false) => html`<ol class="events" data-testid="events">${events.map((event) => html`<li class=${event.level}>
      <span>${hasDay ? html`<span class="dim">${event.at.slice(0, 10)}</span> ` : nothing}${time(event.at)}</span> <span class="mark" title=${event.level}><span aria-hidden="true">${MARKS[event.level]}</span><span class="unseen">${event.level}</span></span>
      <span>${beside(app, 'node', event.node)}${event.peer ? html` · ${peerLink(app, event.node, event.peer)}` : nothing}</span>
      <span class="dim kind" title=${event.kind}>${spaced(event.kind.replace('.', ' '))}</span><span class="text">${event.text}</span></li>`)}</ol>`;
