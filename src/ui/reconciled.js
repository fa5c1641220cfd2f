// How the books of an account compare with those of its peer, in a few words.

import { html } from './vendor/lit-html/lit-html.js';
import { since } from './format.js';
import { verdictOf } from './money_words.js';

/** @import { App } from './main.js' */
/** @import { Peer } from './types.js' */

/** Tools log in with it, and keep no books. */
const TOOL = 'cli';

/** The verdict, with all that is known as its title. @param {App} app @param {Peer | null} peer */
export function reconciled(app, peer) {
  if (!peer || peer.kind !== 'peer' || (peer.id === TOOL && !peer.reconcile?.comparedAt)) return html`<span class="dim">–</span>`;
  const { tone, text } = verdictOf(peer);
  const { text: all = '', comparedAt = null } = peer.reconcile ?? {};
  return html`<span class=${tone} title=${all}>${text}</span>${comparedAt ? html` <span class="dim">${since(comparedAt, app.now())} ago</span>` : ''}`;
}
