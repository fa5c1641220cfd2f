// What is shown from before the page opened: what the nodes have kept.

import { getJson } from './connect.js';

/** @import { Store } from './store.js' */

/** Under load the newest packets are samples only, so Rejects are asked for too. */
const PACKETS = ['packets?limit=1000', 'packets?limit=1000&filter=lane%3Dreject'];

/** @param {Store} store @param {() => void} changed */
export function fetchEarlier(store, changed) {
  const paths = ['events', ...(store.may('packets') ? PACKETS : [])];
  for (const path of paths) getJson(path).then((earlier) => { store.addEarlier(earlier); changed(); }, () => {});
}
