// What the graph shows: all nodes of a network that is small enough, else the neighbourhood of one. Bounded, and what is
// left out is counted.

import { ends } from './ends.js';

/** @import { Store } from './store.js' */
/** @import { Edge, Link, Vertex } from './types.js' */

/** Above this, tables show the nodes, and the graph the neighbourhood of the selected one. */
export const NODES_DRAWN_MAX = 150;
/** Links between drawn nodes. */
const LINKS_MAX = 400;
/** Accounts that lead out of the view, and receivers and tools: of all nodes together, and of one. */
const HANGING_MAX = 240;
const HANGING_OF_ONE_MAX = 48;

/** @param {Store} store @param {string | null} focus a node, for a network that is too large */
export function partsOf(store, focus) {
  const nodes = store.nodes.size <= NODES_DRAWN_MAX ? new Set(store.nodes.keys()) : around(store, focus);
  /** @type {Vertex[]} */
  const vertices = [...store.nodes.values()].filter(({ id }) => nodes.has(id)).map((node) => ({ id: node.id, kind: 'node', label: node.id, node, link: null }));
  const known = [...store.links.values()].filter((link) => link.kind !== 'tool' || link.state === 'up');
  const all = known.filter((link) => nodes.has(link.a) && (nodes.has(link.b) || !store.isInside(link)));
  const between = all.filter((link) => store.isInside(link)).slice(0, LINKS_MAX);
  const share = Math.min(HANGING_OF_ONE_MAX, Math.max(2, Math.floor(HANGING_MAX / Math.max(1, nodes.size))));
  // What is broken first: it is looked for.
  const hanging = all.filter((link) => !store.isInside(link)).sort((a, b) => rank(a) - rank(b));
  /** @type {Map<string, number>} */
  const taken = new Map();
  const drawn = hanging.filter(({ a }) => {
    taken.set(a, (taken.get(a) ?? 0) + 1);
    return (taken.get(a) ?? 0) <= share;
  });
  /** @type {Edge[]} */
  const edges = [...between, ...drawn].map((link) => {
    const [a, b] = ends(link, store.nodes);
    if (!store.nodes.has(b)) vertices.push({ id: b, kind: link.kind === 'peer' ? 'outside' : link.kind, label: link.aPeer, node: null, link });
    return { id: link.id, a, b, link };
  });
  return { vertices, edges, notDrawn: known.length - edges.length };
}

/** @param {Link} link */
const rank = ({ kind, state }) => (kind === 'outside' && state !== 'up' ? 0 : kind === 'outside' ? 1 : kind === 'receiver' ? 2 : 3);

/** A node and its neighbours; those of the neighbours too, while there is room. @param {Store} store @param {string | null} focus */
function around(store, focus) {
  const nodes = new Set(focus != null && store.nodes.has(focus) ? [focus] : []);
  for (let hop = 0; hop < 2; hop += 1) {
    const inner = new Set(nodes);
    for (const link of store.links.values()) {
      if (nodes.size >= NODES_DRAWN_MAX || !store.isInside(link)) continue;
      if (inner.has(link.a)) nodes.add(link.b);
      else if (inner.has(link.b)) nodes.add(link.a);
    }
    if (nodes.size > NODES_DRAWN_MAX / 3) break;
  }
  return nodes;
}
