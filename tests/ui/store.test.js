// What the page keeps: bounded, and honest about what it does not know.

import assert from 'node:assert/strict';
import test from 'node:test';
import { partsOf } from '../../src/ui/graph_parts.js';
import { EVENTS_MAX, PACKETS_MAX, Store } from '../../src/ui/store.js';

const node = (id, peers = []) => ({ id, status: 'healthy', reasons: [], address: `test.${id}`, peers });
const link = (a, b, more = {}) => ({ id: `${a}~${b}`, a, b, aPeer: b, bPeer: a, state: 'up', kind: 'peer', ...more });
const traffic = (prepares = 0, fulfills = 0, rejects = {}) => ({ prepares, fulfills, rejects });

/** Two nodes, and a tool at the first. */
function store() {
  const made = new Store();
  made.apply({ type: 'state', nodes: [node('a'), node('b')], links: [link('a', 'b'), link('a', 'cli', { bPeer: null, kind: 'tool' })] });
  return made;
}

/** Rates at a second: `n` packets have come in from the tool and gone on to b. */
const rates = (second, n, rejects = {}) => ({
  type: 'rates', at: new Date(second * 1000).toISOString(), sampled: { oneIn: 1, lost: 0 },
  nodes: [{ id: 'a', status: 'healthy', packetsPerSecond: 0, inFlight: 1 }],
  links: [
    { id: 'a~b', ab: traffic(n, n, rejects), ba: traffic(), abPerSecond: n, baPerSecond: 0, latency: null },
    { id: 'a~cli', ab: traffic(), ba: traffic(n, n, rejects), abPerSecond: 0, baPerSecond: n, latency: null },
  ],
});

test('packets and events are bounded and never twice', () => {
  const made = store();
  for (let i = 0; i < PACKETS_MAX * 2; i += 1) {
    made.apply({ type: 'packet', id: `0-${i}`, node: 'a', condition: 'c', phase: 'forwarded' });
    made.apply({ type: 'packet', id: `0-${i}`, node: 'a', condition: 'c', phase: 'forwarded' });
    assert.ok(made.packets.length <= PACKETS_MAX);
  }
  assert.equal(made.seen, PACKETS_MAX * 2);
  assert.equal(made.packets.at(-1).id, `0-${PACKETS_MAX * 2 - 1}`);
  for (let i = 0; i < EVENTS_MAX + 10; i += 1) made.apply({ type: 'event', id: `0-${i}`, at: '', node: 'a', level: 'info' });
  assert.equal(made.events.length, EVENTS_MAX);
});

test('a pause stops what is shown and goes on collecting', () => {
  const made = store();
  made.apply({ type: 'packet', id: '0-1', node: 'a', condition: 'c' });
  made.pause(true);
  made.apply({ type: 'packet', id: '0-2', node: 'a', condition: 'c' });
  assert.equal(made.shownPackets().length, 1);
  assert.equal(made.seen - made.paused.seen, 1);
  made.pause(false);
  assert.equal(made.shownPackets().length, 2);
});

test('no figure without data', () => {
  const now = new Store().summary();
  assert.deepEqual(now, { nodes: 0, healthy: 0, perSecond: null, fulfilled: null, inFlight: null });
  const made = store();
  made.apply(rates(1, 0));
  made.apply(rates(2, 0));
  assert.equal(made.summary().fulfilled, null);
  assert.equal(made.summary().perSecond, 0);
});

test('packets are counted where they enter, not at every hop', () => {
  const made = store();
  made.apply(rates(1, 0));
  made.apply(rates(3, 20, { T01: 5 }));
  const now = made.summary();
  assert.equal(now.perSecond, 10);
  assert.equal(now.fulfilled, 80);
});

test('neither what a node sends back to another, nor what a receiver sends, enters the view', () => {
  const made = new Store();
  made.apply({ type: 'state', nodes: [node('a'), node('b')], links: [link('a', 'b'), link('a', 'wallet', { bPeer: null, kind: 'receiver' })] });
  const both = (second, n) => ({ ...rates(second, 0), links: ['a~b', 'a~wallet'].map((id) => ({ id, ab: traffic(), ba: traffic(n, n), abPerSecond: 0, baPerSecond: n })) });
  made.apply(both(1, 0));
  made.apply(both(3, 20));
  assert.equal(made.summary().perSecond, 0);
  assert.equal(made.summary().fulfilled, 100);
});

test('a rate is that of the last ten seconds', () => {
  const made = store();
  for (let second = 0; second <= 60; second += 1) made.apply(rates(second, second <= 50 ? second * 100 : 5000 + (second - 50)));
  assert.equal(made.summary().perSecond, 1);
  assert.equal(made.totals.list.length, 11);
});

test('counters that fall begin again', () => {
  const made = store();
  made.apply(rates(1, 100));
  made.apply(rates(2, 3));
  assert.equal(made.summary().perSecond, null);
  made.apply(rates(3, 9));
  assert.equal(made.summary().perSecond, 6);
});

test('history has a value a second and ends after five minutes', () => {
  const made = store();
  for (let i = 0; i < 2000; i += 1) made.apply(rates(i / 4, i));
  const history = made.history.get('a~b');
  assert.equal(history.at.length, 300);
  assert.equal(history.p50.length, 300);
  assert.ok(history.at[1] - history.at[0] >= 0.9);
});

test('a clock that is set back begins again', () => {
  const made = store();
  for (const second of [5000, 5001, 5002]) made.apply(rates(second, 10));
  for (const [i, second] of [1000, 1001, 1002].entries()) made.apply(rates(second, 20 + i));
  assert.equal(made.totals.list.length, 3);
  assert.equal(made.summary().perSecond, 1);
  assert.deepEqual(made.history.get('a~b').at, [1000, 1001, 1002]);
  for (let i = 0; i < 20; i += 1) made.apply({ ...rates(0, 30), at: 'no time' });
  assert.ok(made.totals.list.length < 3 && made.history.get('a~b').at.length < 3);
});

test('figures of unknown nodes and links are not kept', () => {
  const made = store();
  const { nodes, links, ...rest } = rates(1, 1);
  made.apply({ ...rest, nodes: nodes.map((has) => ({ ...has, id: 'x' })), links: links.map((has) => ({ ...has, id: `x~${has.id}` })) });
  assert.equal(made.rates.size + made.history.size + made.nodeRates.size, 0);
});

test('a node is as its last figures say', () => {
  const made = store();
  made.apply(rates(1, 1));
  assert.deepEqual([made.nodes.get('a').status, made.summary().inFlight], ['healthy', 1]);
  const { revision } = made;
  made.apply({ ...rates(2, 1), nodes: [{ id: 'a', status: 'unhealthy', packetsPerSecond: 0, inFlight: 3 }] });
  assert.deepEqual([made.nodes.get('a').status, made.summary().inFlight, made.summary().healthy], ['unhealthy', 3, 1]);
  assert.ok(made.revision > revision);
  made.apply({ ...rates(3, 1), nodes: [{ id: 'a', status: 'unhealthy', packetsPerSecond: 0, inFlight: 3 }] });
  assert.equal(made.revision, revision + 1);
});

test('accounts lead to the other end, and removed links are forgotten', () => {
  const made = store();
  made.apply(rates(1, 1));
  assert.equal(made.far('a', 'b'), 'b');
  assert.equal(made.far('b', 'a'), 'a');
  assert.equal(made.far('a', 'cli'), '~a~cli');
  assert.equal(made.linkOf('b', 'a'), 'a~b');
  assert.equal(made.far('a', 'nobody'), null);
  made.apply({ type: 'state', nodes: [node('a')], links: [] });
  assert.equal(made.far('a', 'b'), null);
  assert.equal(made.rates.size + made.history.size, 0);
  made.apply({ type: 'state', nodes: [], links: [] });
  assert.equal(made.nodeRates.size, 0);
});

test('a tool is drawn while it is connected', () => {
  const made = store();
  assert.equal(partsOf(made, null).vertices.length, 3);
  made.apply({ type: 'state', nodes: [node('a'), node('b')], links: [link('a', 'b'), link('a', 'cli', { bPeer: null, kind: 'tool', state: 'down' })] });
  assert.equal(partsOf(made, null).vertices.length, 2);
});

test('losses add up', () => {
  const made = store();
  made.apply({ type: 'gap', topic: 'packets', lost: 3, why: 'slow' });
  made.apply({ type: 'gap', topic: 'packets', lost: 4, why: 'budget' });
  assert.equal(made.lost, 7);
});

test('what was kept before the page opened takes its place by time', () => {
  const made = store();
  const at = (second) => ({ id: `0-${second}`, at: `2026-01-01T00:00:0${second}.000000Z`, node: 'a', condition: 'c' });
  made.apply({ type: 'packet', ...at(5) });
  made.addEarlier({ packets: [at(5), at(4), at(2)] });
  // Older than some that are known, and newer than others: the answer for Rejects, and one after a break.
  made.addEarlier({ packets: [at(6), at(4), at(3), at(1)] });
  // One time, and the numbers of ids decide.
  made.addEarlier({ packets: [{ ...at(6), id: '0-10' }, { ...at(6), id: '0-9' }] });
  assert.deepEqual(made.packets.map(({ id }) => id), ['0-1', '0-2', '0-3', '0-4', '0-5', '0-6', '0-9', '0-10']);
  assert.equal(made.seen, 1);
  made.apply({ type: 'packet', ...at(3) });
  assert.equal(made.packets.length, 8);
});

test('what was kept before never displaces what is newer', () => {
  const made = store();
  const at = (number) => ({ id: `0-${number}`, at: new Date(number).toISOString(), node: 'a', condition: 'c', level: 'info' });
  const older = (count) => Array.from({ length: count }, (_, i) => at(count - i));
  for (let i = 0; i < PACKETS_MAX; i += 1) made.apply({ type: 'packet', ...at(1e6 + i) });
  for (let i = 0; i < EVENTS_MAX; i += 1) made.apply({ type: 'event', ...at(1e6 + i) });
  for (let round = 0; round < 2; round += 1) made.addEarlier({ packets: older(PACKETS_MAX * 2), events: older(EVENTS_MAX * 2) });
  for (const list of [made.packets, made.events]) assert.equal(list[0].id, '0-1000000');
  assert.deepEqual([made.packets.length, made.events.length], [PACKETS_MAX, EVENTS_MAX]);
  const fresh = store();
  fresh.addEarlier({ packets: older(PACKETS_MAX * 2) });
  assert.deepEqual([fresh.packets.length, fresh.packets.at(-1).id], [PACKETS_MAX, `0-${PACKETS_MAX * 2}`]);
});
