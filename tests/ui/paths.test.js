// Joining the records of a packet: over shuffled, repeated and missing ones.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assemble, decision, ending, isSamePacket, moves } from '../../src/ui/paths.js';

/** Nodes a, b, c in a line, as each calls the other; a tool at a, a receiver at c. */
const FAR = { a: { cli: '~a~cli', b: 'b' }, b: { a: 'a', c: 'c' }, c: { b: 'b', wallet: '~c~wallet' } };
const far = (node, peer) => FAR[node]?.[peer] ?? null;

const CONDITION = 'ab'.repeat(32);
let number = 0;

/** A record; `start` tells apart packets that share a condition. */
function record(node, phase, fields, start = 0) {
  const ids = { a: [start + 1, start + 2], b: [start + 2, start + 3], c: [start + 3, null] }[node];
  number += 1;
  return {
    id: `0-${number}`, node, phase, condition: CONDITION, from: { a: 'cli', b: 'a', c: 'b' }[node], requestId: ids[0],
    to: { a: 'b', b: 'c', c: 'wallet' }[node], outgoingRequestId: ids[1], decidedHere: node === 'c', ...fields,
  };
}

const fulfilled = (start) => [
  record('a', 'forwarded', {}, start), record('b', 'forwarded', {}, start), record('c', 'received', {}, start),
  record('b', 'fulfilled', {}, start), record('a', 'fulfilled', {}, start),
];

/** All orders of a list would be many: some hundred, made by a fixed generator. */
function* shuffles(list) {
  let seed = 7;
  for (let round = 0; round < 200; round += 1) {
    const mixed = [...list];
    for (let i = mixed.length - 1; i > 0; i -= 1) {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      const j = seed % (i + 1);
      [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
    }
    yield mixed;
  }
}

test('shuffled and repeated records give the path in its order', () => {
  const records = fulfilled(10);
  for (const mixed of shuffles([...records, records[1], records[4]])) {
    const chains = assemble(mixed, far);
    assert.equal(chains.length, 1);
    assert.deepEqual(chains[0].map((hop) => hop.node), ['a', 'b', 'c']);
    assert.equal(ending(chains[0]).node, 'a');
    assert.equal(chains[0][2].forwarded, null);
  }
});

test('packets with one condition are told apart, as pings are', () => {
  const records = [...fulfilled(100), ...fulfilled(200), ...fulfilled(300)];
  for (const mixed of shuffles(records)) {
    const chains = assemble(mixed, far);
    assert.equal(chains.length, 3);
    for (const chain of chains) assert.deepEqual(chain.map((hop) => hop.node), ['a', 'b', 'c']);
  }
  const [first, second] = [fulfilled(100), fulfilled(200)];
  for (const one of first) {
    assert.ok(first.some((other) => other !== one && isSamePacket(one, other, far)), one.node);
    assert.ok(!second.some((other) => isSamePacket(one, other, far)), one.node);
  }
});

test('a missing record cuts the path and nothing else', () => {
  const records = fulfilled(10).filter(({ node }) => node !== 'b');
  assert.deepEqual(assemble(records, far).map((chain) => chain.map((hop) => hop.node)), [['a'], ['c']]);
});

test('the same request id on another link is another packet', () => {
  const other = { ...record('c', 'received', {}, 10), from: 'd' };
  assert.deepEqual(assemble([record('b', 'forwarded', {}, 10), other], far).length, 2);
});

test('a dot goes from the sender to the receiver and back', () => {
  const [chain] = assemble(fulfilled(10), far);
  const way = moves(chain, far).map(({ from, to, kind }) => `${from} ${to} ${kind}`);
  assert.deepEqual(way, ['~a~cli a prepare', 'a b prepare', 'b c prepare', 'c ~c~wallet prepare',
    '~c~wallet c fulfill', 'c b fulfill', 'b a fulfill', 'a ~a~cli fulfill']);
});

test('a reject turns back at the node that decided it', () => {
  const decided = record('b', 'rejected', { decidedHere: true, to: 'c', outgoingRequestId: null, code: 'T01' }, 10);
  const records = [record('a', 'forwarded', {}, 10), decided, record('a', 'rejected', { code: 'T01' }, 10)];
  const [chain] = assemble(records, far);
  assert.equal(decision(chain), decided);
  const way = moves(chain, far).map(({ from, to, kind }) => `${from} ${to} ${kind}`);
  assert.deepEqual(way, ['~a~cli a prepare', 'a b prepare', 'b a reject', 'a ~a~cli reject']);
});

test('a reject without its Prepare still has a way', () => {
  const [chain] = assemble([record('a', 'rejected', { code: 'F02' }, 10)], far);
  assert.equal(decision(chain), null);
  assert.deepEqual(moves(chain, far).map(({ from, to, kind }) => `${from} ${to} ${kind}`),
    ['~a~cli a prepare', 'a b prepare', 'b a reject', 'a ~a~cli reject']);
});

test('a node without a record is passed both ways', () => {
  // As the API gives it: it knows from the condition that b was between.
  const [a, c] = [assemble([record('a', 'forwarded', {}, 10), record('a', 'fulfilled', {}, 10)], far)[0][0], assemble([record('c', 'received', {}, 10)], far)[0][0]];
  const way = moves([a, { node: 'b', forwarded: null, answer: null }, c], far).map(({ from, to, kind }) => `${from} ${to} ${kind}`);
  assert.deepEqual(way, ['~a~cli a prepare', 'a b prepare', 'b c prepare', 'c ~c~wallet prepare',
    '~c~wallet c fulfill', 'c b fulfill', 'b a fulfill', 'a ~a~cli fulfill']);
});

test('records of one hop belong together, and those of its next use of the request id do not', () => {
  const [forwarded, fulfilled_] = [record('b', 'forwarded', {}, 10), record('b', 'fulfilled', {}, 10)];
  assert.ok(isSamePacket(forwarded, fulfilled_, far));
  assert.ok(!isSamePacket(forwarded, record('b', 'fulfilled', {}, 11), far));
  assert.ok(!isSamePacket(forwarded, { ...fulfilled_, from: 'c' }, far));
});

test('without the Prepare, its answer leads to the next node', () => {
  const records = [record('a', 'rejected', { code: 'F02' }, 10), record('b', 'rejected', { code: 'F02', decidedHere: true, to: null, outgoingRequestId: null }, 10)];
  assert.deepEqual(assemble(records, far).map((chain) => chain.map((hop) => hop.node)), [['a', 'b']]);
});

test('a packet in flight has no ending, and links out of view end nothing', () => {
  const [chain] = assemble([record('a', 'forwarded', {}, 10)], far);
  assert.equal(ending(chain), null);
  assert.deepEqual(moves(chain, () => null), []);
});
