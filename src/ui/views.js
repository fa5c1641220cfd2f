// Which view a place shows, and which details the drawer.

import { html } from './vendor/lit-html/lit-html.js';
import { labView } from './lab.js';
import { selectionOf } from './place.js';
import { probesView } from './probes.js';
import { configView } from './view_config.js';
import { eventsView } from './view_events.js';
import { linkView } from './view_link.js';
import { moneyView } from './view_money.js';
import { networkView } from './view_network.js';
import { nodeView } from './view_node.js';
import { packetView } from './view_packet.js';
import { packetsView } from './view_packets.js';
import { routesView } from './view_routes.js';

/** @import { App } from './main.js' */

/** @type {Record<import('./types.js').Kind, (app: App, id: string) => unknown>} */
const DETAILS = { node: nodeView, link: linkView, packet: packetView, lab: labView, pings: probesView };
const TITLES = { node: 'Node', link: 'Link', packet: 'Packet' };

/** @param {App} app */
export function view(app) {
  const { view: name, id } = app.place;
  switch (name) {
    case 'packets': return packetsView(app);
    case 'routes': return routesView(app);
    case 'money': return moneyView(app);
    case 'events': return eventsView(app);
    case 'config': return configView(app);
    case 'node':
    case 'link':
    case 'packet': return html`<section class="page detail"><h1 class="unseen">${TITLES[name]}</h1>${DETAILS[name](app, id)}</section>`;
    default: return networkView(app);
  }
}

/** What the drawer shows; `null` if nothing is selected. @param {App} app */
export function details(app) {
  const selection = selectionOf(app.place);
  return selection && DETAILS[selection.kind](app, selection.id);
}
