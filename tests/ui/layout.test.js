// The layout: the same graph always looks the same, and nothing covers anything.

import assert from 'node:assert/strict';
import test from 'node:test';
import { fit, project, unproject } from '../../src/ui/camera.js';
import { Graph } from '../../src/ui/graph.js';
import { SEPARATION, layout } from '../../src/ui/layout.js';
import { Store } from '../../src/ui/store.js';

/** A tree with some chords. */
function network(n) {
  const ids = Array.from({ length: n }, (_, i) => `node-${i}`);
  const edges = ids.slice(1).map((id, i) => [ids[Math.floor(i / 2)], id]);
  for (let i = 0; i < n / 5; i += 1) edges.push([ids[(i * 7) % n], ids[(i * 13 + 5) % n]]);
  return { ids, edges: edges.filter(([a, b]) => a !== b) };
}

const distance = (p, q) => Math.hypot(p.x - q.x, p.y - q.y);

/** All pairs of positions, with the names of both. */
function pairs(at) {
  const all = [...at];
  return all.flatMap(([a, p], i) => all.slice(i + 1).map(([b, q]) => ({ a, b, gap: distance(p, q) })));
}

for (const n of [1, 2, 3, 20, 100]) {
  test(`${n} nodes: the same positions each time, none too close`, () => {
    const { ids, edges } = network(n);
    const at = layout(ids, edges);
    assert.deepEqual(layout(ids, edges), at);
    for (const [id, { x, y }] of at) assert.ok(Number.isFinite(x) && Number.isFinite(y), id);
    for (const { a, b, gap } of pairs(at)) assert.ok(gap >= SEPARATION * 0.99, `${a} and ${b} are ${gap} apart`);
  });

  for (const [width, height] of [[1300, 480], [900, 420], [390, 340]]) {
    test(`${n} nodes in ${width}x${height}: all are inside, and no node covers another`, () => {
      const graph = new Graph(storeOf(n));
      graph.update(width, height);
      const places = graph.vertices.map(({ id }) => [id, graph.place(id)]);
      const r = graph.radius();
      for (const [id, { x, y }] of places) {
        assert.ok(x >= r && x <= width - r && y >= r && y <= height - r, `${id} is at ${x} ${y}`);
      }
      // On a phone a hundred nodes are drawn as small as they get; the table is a key away.
      const share = n > 20 && width < 600 ? 0.5 : 2;
      for (const { a, b, gap } of pairs(places)) assert.ok(gap >= share * r, `${a} and ${b} are ${gap} apart, the radius is ${r}`);
    });
  }
}

/** A store with a network of `n` nodes, each with a receiver if there are few. */
function storeOf(n) {
  const { ids, edges } = network(n);
  const store = new Store();
  const link = (a, b, kind) => ({ id: `${a}~${b}`, a, b, aPeer: b, bPeer: kind === 'peer' ? a : null, state: 'up', kind });
  const links = edges.map(([a, b]) => link(a, b, 'peer'));
  if (n <= 20) links.push(...ids.map((id) => link(id, 'wallet', 'receiver')));
  store.apply({ type: 'state', nodes: ids.map((id) => ({ id, status: 'healthy', reasons: [], address: `test.${id}`, peers: [] })), links });
  return store;
}

test('nodes in a line stand in a line', () => {
  const at = layout(['a', 'b', 'c', 'd'], [['a', 'b'], ['b', 'c'], ['c', 'd']]);
  const [a, b, c, d] = [...at.values()];
  assert.ok(a.x < b.x && b.x < c.x && c.x < d.x);
  for (const { y } of at.values()) assert.ok(Math.abs(y) < 0.02, `y is ${y}`);
});

test('a node that comes moves the others little, and pinned ones not at all', () => {
  const { ids, edges } = network(20);
  const before = layout(ids, edges);
  const after = layout([...ids, 'new'], [...edges, ['node-3', 'new']], before, new Set(['node-5']));
  assert.deepEqual(after.get('node-5'), before.get('node-5'));
  for (const id of ids) assert.ok(distance(before.get(id), after.get(id)) < 0.6, id);
});

test('separate parts and unknown ends of links are no problem', () => {
  const at = layout(['a', 'b', 'c'], [['a', 'b'], ['c', 'gone']]);
  assert.equal(at.size, 3);
  assert.deepEqual(layout([], []), new Map());
});

test('a tool that connects moves no node', () => {
  const store = storeOf(3);
  const graph = new Graph(store);
  graph.update(900, 400);
  const before = new Map(graph.at);
  const tool = { id: 'node-0~cli', a: 'node-0', b: 'cli', aPeer: 'cli', bPeer: null, state: 'up', kind: 'tool' };
  store.apply({ type: 'state', nodes: [...store.nodes.values()], links: [...store.links.values(), tool] });
  graph.update(900, 400);
  for (const id of store.nodes.keys()) assert.deepEqual(graph.at.get(id), before.get(id));
  assert.ok(graph.place('~node-0~cli'));
});

test('the camera turns for a high box, and back', () => {
  const points = [{ x: -2, y: 0 }, { x: 2, y: 0.5 }];
  const camera = fit(points, 390, 800, 40);
  assert.ok(camera.isTurned);
  for (const point of points) {
    const back = unproject(project(point, camera), camera);
    assert.ok(distance(back, point) < 1e-9);
  }
});

test('arrows walk to the neighbour that lies most in their direction', () => {
  const graph = new Graph(storeOf(3));
  graph.update(900, 400);
  const from = graph.place('node-1');
  const to = graph.place('node-0');
  assert.equal(graph.neighbour('node-1', { x: Math.sign(to.x - from.x), y: 0 }), 'node-0');
});
