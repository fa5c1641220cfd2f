// Five minutes of a link: from the node, and then from the stream, without a seam.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Histories } from '../../src/ui/history.js';

const point = (second, n = second) => ({ at: new Date(second * 1000).toISOString(), abPerSecond: n, baPerSecond: 0, latency: second % 2 ? { p50Us: 1, p99Us: 2 } : null });
const add = (made, second) => made.add(second, { id: 'a~b', ...point(second) });

test('what the node kept stands before what came since, each second once', () => {
  const made = new Histories();
  for (const second of [100, 101, 102]) add(made, second);
  made.merge('a~b', [97, 98, 99, 100, 101, 102, 103].map((second) => point(second, 7)));
  const { at, ab, p50, p99 } = made.get('a~b');
  assert.deepEqual(at, [97, 98, 99, 100, 101, 102]);
  assert.deepEqual(ab, [7, 7, 7, 100, 101, 102]);
  assert.deepEqual(p50, [1, null, 1, null, 1, null]);
  assert.equal(p99.length, 6);
  made.merge('a~b', [97, 98, 99].map((second) => point(second, 7)));
  assert.equal(made.get('a~b').at.length, 6);
});

test('a history that comes first is gone on with', () => {
  const made = new Histories();
  made.merge('a~b', Array.from({ length: 400 }, (_, i) => point(i)));
  assert.deepEqual([made.get('a~b').at.length, made.get('a~b').at[0]], [300, 100]);
  add(made, 400);
  assert.deepEqual([made.get('a~b').at.length, made.get('a~b').at.at(-1)], [300, 400]);
});

test('times that cannot be read, or go back, are left out', () => {
  const made = new Histories();
  made.merge('a~b', [{ ...point(1), at: 'garbage' }, point(5), point(4), point(6)]);
  assert.deepEqual(made.get('a~b').at, [5, 6]);
  made.merge('x~y', []);
  assert.equal(made.get('x~y'), undefined);
});
