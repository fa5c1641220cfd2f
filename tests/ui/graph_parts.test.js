// What of a large network is drawn: bounded, and the rest is counted.

import assert from 'node:assert/strict';
import test from 'node:test';
import { NODES_DRAWN_MAX, partsOf } from '../../src/ui/graph_parts.js';
import { Store } from '../../src/ui/store.js';

const node = (id) => ({ id, status: 'healthy', reasons: [], address: `test.${id}`, peers: [] });
const link = (a, b, more = {}) => ({ id: `${a}~${b}`, a, b, aPeer: b, bPeer: a, state: 'up', kind: 'peer', ...more });

/** @param {number} n nodes in a row */
function row(n, more = []) {
  const store = new Store();
  const ids = Array.from({ length: n }, (_, i) => `n${i}`);
  store.apply({ type: 'state', nodes: ids.map(node), links: [...ids.slice(1).map((id, i) => link(`n${i}`, id)), ...more] });
  return store;
}

test('a network that is small enough is drawn whole', () => {
  const { vertices, edges, notDrawn } = partsOf(row(NODES_DRAWN_MAX), null);
  assert.deepEqual([vertices.length, edges.length, notDrawn], [NODES_DRAWN_MAX, NODES_DRAWN_MAX - 1, 0]);
});

test('of a large one, the neighbourhood of a node is drawn', () => {
  const store = row(1000);
  assert.equal(partsOf(store, null).vertices.length, 0);
  assert.equal(partsOf(store, 'gone').vertices.length, 0);
  assert.deepEqual(partsOf(store, 'n500').vertices.map(({ id }) => id), ['n498', 'n499', 'n500', 'n501', 'n502']);
  assert.deepEqual(partsOf(store, 'n0').edges.map(({ id }) => id), ['n0~n1', 'n1~n2']);
});

test('a node with many neighbours does not draw them all', () => {
  const store = new Store();
  const ids = Array.from({ length: 5000 }, (_, i) => `n${i}`);
  store.apply({ type: 'state', nodes: ids.map(node), links: ids.slice(1).map((id) => link('n0', id)) });
  assert.equal(partsOf(store, 'n0').vertices.length, NODES_DRAWN_MAX);
});

test('of thousands of peers the broken ones are drawn first, and the others counted', () => {
  const peers = Array.from({ length: 10_000 }, (_, i) => link('n0', `p${i}`, { bPeer: null, kind: 'outside', state: i === 9000 ? 'down' : 'up' }));
  const { vertices, edges, notDrawn } = partsOf(row(2, peers), null);
  assert.ok(edges.some(({ id }) => id === 'n0~p9000'));
  assert.ok(vertices.length < 60, `${vertices.length}`);
  assert.equal(edges.length + notDrawn, 10_001);
});
