// Large networks and much traffic: the page stays small, and says what it does not draw.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { openPage, outsideOf, rows, startBrowser } from './lib/browser.js';
import { link, linkRates, node, peer, startFixture } from './lib/fixture.js';
import { ringOf, startNetwork } from './lib/network.js';
import { atEnd, eventually, suite } from './lib/waiting.js';

const NODES = 100;
const RECORDS_PER_SECOND = 1000;
const STEP_MS = 20;
const ELEMENTS_MAX = 3000;
const WARM_UP_MS = 8_000;
const MEASURED_MS = 60_000;
/** Above the heap after the warm-up: what the collector leaves differs from time to time. */
const HEAP_GROWTH_MAX = 0.1;
const HEAP_SLACK_BYTES = 2 * 1024 * 1024;

/** A ring of nodes with a chord at every second one; each has a receiver. @param {number} count */
function ring(count) {
  const id = (/** @type {number} */ i) => `node-${String(((i % count) + count) % count).padStart(3, '0')}`;
  const links = Array.from({ length: count }, (_, i) => [link(id(i), id(i + 1)), ...(i % 2 ? [] : [link(id(i), id(i + 7))]), link(id(i), 'wallet', { id: `${id(i)}~wallet`, bPeer: null, kind: 'receiver' })]).flat();
  const peers = (/** @type {string} */ of) => links.filter(({ a, b }) => a === of || b === of).map(({ a, b }) => peer(a === of ? b : a));
  return { nodes: Array.from({ length: count }, (_, i) => node(id(i), peers(id(i)))), links, id };
}

/** The records of one packet over three hops. @param {(i: number) => string} id @param {number} n */
function records(id, n) {
  const at = new Date().toISOString();
  const condition = n.toString(16).padStart(64, '1');
  const hop = (/** @type {number} */ i) => ({ type: 'packet', at, node: id(n + i), lane: 'sample', condition, from: id(n + i - 1), requestId: n + i, to: id(n + i + 1), outgoingRequestId: n + i + 1,
    destination: `test.${id(n + 3)}.wallet`, prefix: `test.${id(n + 3)}`, amount: '1000', outgoingAmount: '1000', expiresAt: at, latencyUs: null, code: null, decidedHere: false, reason: null, triggeredBy: null, message: null });
  return [0, 1, 2].flatMap((i) => [{ ...hop(i), id: `00000001-${n * 6 + i}`, phase: 'forwarded' },
    { ...hop(i), id: `00000001-${n * 6 + 3 + i}`, phase: n % 20 ? 'fulfilled' : 'rejected', lane: n % 20 ? 'sample' : 'reject', latencyUs: 500, code: n % 20 ? null : 'T01' }]);
}

describe('scale', () => {
  const all = suite(after);
  /** @type {import('playwright-core').Browser} */ let browser;
  before(async () => { browser = await startBrowser(all); });

  test(`${NODES} nodes and ${RECORDS_PER_SECOND} records a second: the page stays small, and its memory flat`, async (t) => {
    const state = ring(NODES);
    const server = await startFixture(t, { state });
    const page = await openPage(t, browser, server.url);
    const figures = (/** @type {Date} */ at, /** @type {number} */ n) => server.push({ type: 'rates', at: at.toISOString(), sampled: { oneIn: 4, lost: 0 },
      links: state.links.map(({ id }, i) => linkRates(id, n * (i % 7), i % 7)), nodes: state.nodes.map(({ id }) => ({ id, status: 'healthy', packetsPerSecond: 40, inFlight: 3 })) });
    await eventually('the page listens', () => server.isWatched());
    // Five minutes of figures, so that no list grows any more.
    for (let second = 320; second > 0; second -= 1) figures(new Date(Date.now() - second * 1000), 320 - second);
    await page.getByTestId('healthy').getByText(`${NODES}/${NODES}`).waitFor();
    let [sent, due, figured] = [0, 0, 0];
    const began = Date.now();
    const load = setInterval(() => {
      due = ((Date.now() - began) / 1000) * RECORDS_PER_SECOND;
      for (; sent * 6 < due; sent += 1) for (const record of records(state.id, sent)) server.push(record);
      if (Date.now() - began > figured * 250) figures(new Date(), 320 + (figured += 1));
    }, STEP_MS);
    atEnd(t, () => clearInterval(load));
    const session = await page.context().newCDPSession(page);
    const measure = async () => {
      await session.send('HeapProfiler.collectGarbage');
      await session.send('HeapProfiler.collectGarbage');
      const { usedSize } = await session.send('Runtime.getHeapUsage');
      const { nodes } = await session.send('Memory.getDOMCounters');
      return { heap: usedSize, elements: await page.evaluate(() => document.querySelectorAll('*').length), nodes };
    };
    await page.waitForTimeout(WARM_UP_MS);
    const first = await measure();
    const frames = await page.evaluate(async (ms) => {
      let [count, begin] = [0, performance.now()];
      while (performance.now() - begin < ms) {
        await new Promise(requestAnimationFrame);
        count += 1;
      }
      return (count * 1000) / (performance.now() - begin);
    }, MEASURED_MS);
    const last = await measure();
    const mib = (/** @type {number} */ bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
    t.diagnostic(`heap ${mib(first.heap)}, after ${MEASURED_MS / 1000} s ${mib(last.heap)}; ${last.elements} elements (${last.nodes} nodes with texts, those of lit included); ${frames.toFixed(0)} frames a second`);
    assert.ok(sent * 6 > (RECORDS_PER_SECOND * MEASURED_MS) / 1000, `${sent * 6} records were sent`);
    const seen = await page.evaluate(() => document.querySelector('[data-testid=sampled]')?.textContent);
    assert.match(seen ?? '', / 0 lost/);
    assert.ok(last.elements <= ELEMENTS_MAX, `${last.elements} elements`);
    assert.ok(last.nodes <= first.nodes * (1 + HEAP_GROWTH_MAX), `${first.nodes} nodes became ${last.nodes}`);
    assert.ok(last.heap <= first.heap * (1 + HEAP_GROWTH_MAX) + HEAP_SLACK_BYTES, `the heap grew from ${mib(first.heap)} to ${mib(last.heap)}`);
    // It still answers.
    await page.keyboard.press('p');
    await rows(page).first().waitFor();
  });

  test('a network that is too large to draw is two tables, and the neighbourhood of a node', async (t) => {
    const state = ring(1000);
    const server = await startFixture(t, { state });
    const page = await openPage(t, browser, server.url);
    await page.getByTestId('healthy').getByText('1,000/1,000').waitFor();
    assert.equal(await page.getByTestId('nodes-table').locator('tbody tr').count(), 50);
    assert.equal(await page.getByTestId('graph').count(), 0);
    const elements = () => page.evaluate(() => document.querySelectorAll('*').length);
    assert.ok(await elements() <= ELEMENTS_MAX, `${await elements()}`);
    await page.getByText('1 to 50 of 1,000').waitFor();
    await page.getByRole('link', { name: 'next' }).first().click();
    await page.getByText('51 to 100 of 1,000').waitFor();
    await page.getByTestId('nodes-table').getByRole('link', { name: 'node-075' }).click();
    await page.getByTestId('graph').waitFor();
    assert.equal(await page.locator('[data-testid=node][data-id="node-075"]').count(), 1);
    await page.getByText(/of 1,000 nodes: the neighbourhood of node-075/).waitFor();
    assert.ok(await elements() <= ELEMENTS_MAX, `${await elements()}`);
    // What is not well comes first.
    server.setState({ nodes: state.nodes.map((one) => (one.id === 'node-777' ? { ...one, status: 'unhealthy', reasons: ['a required peer is down'] } : one)) });
    await page.keyboard.press('t');
    await page.getByRole('link', { name: 'before' }).first().click();
    await page.getByTestId('nodes-table').locator('tbody tr').first().getByText('a required peer is down').waitFor();
  });

  test('ten thousand peers of one node are pages of a hundred', async (t) => {
    const ids = Array.from({ length: 10_000 }, (_, i) => `peer-${String(i).padStart(5, '0')}`);
    const links = ids.map((id) => link('hub', id, { bPeer: null, kind: 'outside', state: id === 'peer-04321' ? 'down' : 'up', lastError: id === 'peer-04321' ? 'connection refused' : null }));
    const server = await startFixture(t, { state: { nodes: [node('hub', ids.map((id) => peer(id)))], links } });
    const page = await openPage(t, browser, server.url, { hash: '#/network?sel=node:hub' });
    const accounts = page.getByTestId('accounts').locator('> li');
    await accounts.first().waitFor();
    assert.equal(await accounts.count(), 100);
    const drawer = page.getByTestId('drawer');
    await drawer.getByText('1 to 100 of 10,000').waitFor();
    await drawer.getByRole('link', { name: 'next' }).click();
    await drawer.getByText('101 to 200 of 10,000').waitFor();
    await accounts.first().getByText('peer-00100').waitFor();
    // The one that is down is drawn, and what is not drawn is counted.
    await page.locator('[data-testid=link][data-id="hub~peer-04321"]').waitFor();
    await page.getByText(/9,952 accounts not drawn/).waitFor();
    const elements = await page.evaluate(() => document.querySelectorAll('*').length);
    assert.ok(elements <= 2 * ELEMENTS_MAX, `${elements}`);
  });

  test(`${NODES} real nodes are drawn, none over another`, async (t) => {
    const real = await startNetwork(t, { config: ringOf(NODES) });
    const page = await openPage(t, browser, real.url);
    await page.getByTestId('healthy').getByText(`${NODES}/${NODES}`).waitFor();
    await eventually('all are drawn', async () => await page.getByTestId('node').count() === NODES);
    await real.ping('test.n09', 5);
    await rows(page).first().waitFor();
    const closest = await page.getByTestId('node').evaluateAll((all) => {
      const at = all.map((one) => {
        const body = one.querySelector('.body');
        if (!body) throw new Error('a node has no body');
        return body.getBoundingClientRect();
      });
      const gaps = at.flatMap((p, i) => at.slice(i + 1).map((q) => Math.hypot(p.x - q.x, p.y - q.y) - (p.width + q.width) / 2));
      return Math.min(...gaps);
    });
    assert.ok(closest > -1, `two nodes overlap by ${-closest} pixels`);
    const elements = await page.evaluate(() => document.querySelectorAll('*').length);
    assert.ok(elements <= ELEMENTS_MAX, `${elements} elements`);
    const { nodes } = await page.evaluate(() => fetch('../api/v1/nodes').then((answer) => answer.json()));
    assert.equal(nodes.length, NODES);
  });

  test('long names and large numbers break no view', async (t) => {
    const [one, other] = ['a-very-long-name-of-a-node-that-an-operator-has-chosen-for-it-1', 'another-very-long-name-of-a-node-that-an-operator-has-chosen-2'];
    // The largest number of a balance.
    const most = String(2n ** 127n - 1n);
    const at = new Date().toISOString();
    const error = `cannot connect to ${'x'.repeat(90)}: Connection refused (os error 111)`;
    const account = (/** @type {string} */ id) => peer(id, { balance: `-${most}`, lastError: error, uncertain: most, held: { received: most, sent: '1' },
      limits: { ...peer('').limits, maxPacketAmount: '18446744073709551615', maxBalance: most, minBalance: `-${most}` } });
    const record = { id: '00000001-5', at, node: one, phase: 'rejected', lane: 'reject', condition: '1'.repeat(64), from: other, requestId: 4294967295, to: null, outgoingRequestId: null,
      destination: `test.${'sub.'.repeat(200)}end`, prefix: null, amount: '18446744073709551615', outgoingAmount: null, expiresAt: null, latencyUs: 9e7, code: 'T01', decidedHere: true,
      triggeredBy: `test.${'y'.repeat(200)}`, message: 'z'.repeat(128), reason: { kind: 'nextHopNotConnected', text: `next hop ${other} is not connected`, figures: 'f'.repeat(120), peer: other, key: `peers.${other}.minBalance`, advice: 'Do '.repeat(40) } };
    const state = {
      nodes: [node(one, [account(other)], { status: 'unhealthy', reasons: [`required peer ${other} is not connected`], address: `test.${'sub.'.repeat(30)}end` }), node(other, [account(one)])],
      links: [link(one, other, { state: 'down', lastError: error })], faults: [],
      overrides: [{ id: 'o1', node: one, peer: other, kind: 'suspend', reason: 'a long reason '.repeat(20), by: 'a-token-with-a-long-id', setAt: at, expiresAt: new Date(Date.now() + 8e7).toISOString() }],
    };
    const money = { assets: [{ node: one, asset: 'LONGASSETCODE/9', assets: most, liabilities: most, net: '0', volumeIn: most, volumeOut: most, earned: `-${most}` }],
      peers: [{ node: one, peer: other, asset: 'LONGASSETCODE/255', balance: `-${most}`, min: `-${most}`, max: most, heldIn: '0', heldOut: most, uncertain: most, volumeIn: most, volumeOut: most, volumeNet: most, direction: 'in' }] };
    const server = await startFixture(t, { state, hello: { features: ['lab', 'probes'] }, answer: ({ path }) => (path.startsWith('packets?') ? { packets: [record], lost: 0 }
      : path.startsWith('packets/') ? { hops: [{ node: one, forwarded: null, answer: record }] } : path === 'money' ? money : path.endsWith('/history') ? { points: [], buckets: [] } : undefined) });
    for (const width of [320, 1440]) {
      const page = await openPage(t, browser, server.url, { width, height: 700 });
      for (const hash of ['#/network', '#/packets', `#/network?sel=node:${one}`, `#/link/${encodeURIComponent(`${one}~${other}`)}`, '#/packet/00000001-5', '#/money', '#/network?sel=lab:all', '#/network?sel=pings:all']) {
        await page.goto(`${server.url}/ui/${hash}`);
        await page.getByTestId('overrides').waitFor();
        server.push({ type: 'rates', at: new Date().toISOString(), sampled: { oneIn: 512, lost: 123456789 }, links: [linkRates(`${one}~${other}`, 123456789, 1e6)], nodes: [{ id: one, status: 'unhealthy', packetsPerSecond: 1e6, inFlight: 16384 }] });
        await page.getByText('16,384').first().waitFor();
        assert.deepEqual(await outsideOf(page), [], `${hash} at ${width}`);
      }
    }
  });
});
