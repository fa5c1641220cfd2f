// The events that the store of a node keeps, page by page: what happened before this page was opened, and before the node
// was started.

import { html, nothing } from './vendor/lit-html/lit-html.js';
import { empty, problem } from './parts.js';

/** @import { App } from './main.js' */
/** @import { SavedEvents } from './types.js' */

const PAGE = 100;
const ASKED_EVERY_MS = 5000;

/** @param {App} app @param {string} node @param {(events: SavedEvents['events']) => unknown} list @param {(params: Record<string, string>) => void} set */
export function savedEvents(app, node, list, set) {
  const { params } = app.place;
  const [before, kind] = [params.before ?? '', params.kind ?? ''];
  const query = new URLSearchParams({ limit: String(PAGE), ...(before ? { before } : {}), ...(kind ? { kind } : {}) });
  const answer = app.answers.get(`nodes/${encodeURIComponent(node)}/saved-events?${query}`, ASKED_EVERY_MS);
  if (!answer.data) return answer.error ? problem(answer, 'saved events') : empty('Loading …');
  /** @type {SavedEvents} */
  const { events, next } = answer.data;
  const level = params.level ?? '';
  const shown = events.filter((event) => !level || event.level === level);
  return html`${shown.length === 0 ? empty(before || kind || level ? 'No such event on this page.' : `${node} keeps no events.`, before || kind || level ? '' : html`A node with a <code>store</code> keeps what concerns money, peers and itself for 30 days.`) : list(shown)}
    <p class="actions">${before ? html`<button type="button" @click=${() => set({ before: '' })}>Newest</button>` : nothing}
      ${next ? html`<button type="button" data-testid="older" @click=${() => set({ before: next })}>Older</button>` : nothing}</p>`;
}
