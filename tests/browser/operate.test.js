// What an operator does from the page, and what the page offers to whom. The server is a fixture, so that each answer is
// what the test wants; links.test.js and lab.test.js do the same with real nodes.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { openPage, startBrowser } from './lib/browser.js';
import { link, linkRates, node, peer, startFixture } from './lib/fixture.js';
import { eventually, suite } from './lib/waiting.js';

const soon = (/** @type {number} */ seconds) => new Date(Date.now() + seconds * 1000).toISOString();
const network = () => ({
  nodes: [node('a', [peer('b'), peer('wallet', { kind: 'receiver', state: 'receiving' })]), node('b', [peer('a'), peer('c')]), node('c', [peer('b')])],
  links: [link('a', 'b'), link('b', 'c'), link('a', 'wallet', { id: 'a~wallet', bPeer: null, kind: 'receiver' })],
});
const BUTTONS = /^(Suspend|Switch on|Reconnect|Log level|Cut|Delay|Drop|Stop|Ping|Trace|Undo|Send a burst)/;

describe('operate', () => {
  const all = suite(after);
  /** @type {import('playwright-core').Browser} */ let browser;
  before(async () => { browser = await startBrowser(all); });

  /** Waits until the page shows the network. @param {import('playwright-core').Page} page */
  const live = (page) => page.getByTestId('healthy').getByText('3/3').waitFor();

  test('who may only read is offered no button, and gets no error', async (t) => {
    const overrides = [{ id: 'o1', node: 'b', peer: 'c', kind: 'suspend', reason: 'maintenance', by: 'ops', setAt: soon(0), expiresAt: soon(600) }];
    const faults = [{ id: 'f1', kind: 'cut', link: 'a~b', value: null, setAt: soon(0), expiresAt: soon(60) }];
    const server = await startFixture(t, { state: { ...network(), overrides, faults }, hello: { scopes: ['read', 'packets'], features: ['lab', 'probes'] } });
    for (const hash of ['#/network', '#/network?sel=node:b', '#/link/a~b', '#/link/b~c', '#/node/a', '#/routes?node=a&destination=test.c', '#/network?sel=lab:all', '#/network?sel=pings:all']) {
      const page = await openPage(t, browser, server.url, { hash, expected: /status of 404/ });
      await live(page);
      // What is changed or broken is shown all the same.
      await page.getByTestId('overrides').getByText('c is suspended at b').waitFor();
      await page.getByTestId('faults').getByText('is cut').waitFor();
      const names = await page.getByRole('button').allTextContents();
      assert.deepEqual(names.map((name) => name.trim()).filter((name) => BUTTONS.test(name)), [], hash);
      assert.equal(await page.getByRole('link', { name: 'Lab', exact: true }).count(), 0);
    }
    assert.ok(server.asked.every(({ method }) => method === 'GET'));
  });

  test('a token without packets gets figures, and asks for no packet', async (t) => {
    const server = await startFixture(t, { state: network(), hello: { scopes: ['read'] } });
    for (const hash of ['#/network', '#/packets', '#/packet/00000001-7']) {
      const page = await openPage(t, browser, server.url, { hash });
      await live(page);
      await page.getByText('Your token may not read packets.').waitFor();
    }
    assert.deepEqual(server.asked.filter(({ path }) => path.startsWith('packets')), []);
  });

  test('a peer is suspended with a reason and a time, and the change is undone', async (t) => {
    const server = await startFixture(t, { state: network(), answer: ({ method, path, body }) => {
      if (method === 'DELETE') {
        server.setState({ overrides: [] });
        return {};
      }
      if (path !== 'nodes/b/peers/c/suspend') return undefined;
      const made = { id: 'o7', node: 'b', peer: 'c', kind: 'suspend', reason: body.reason, by: 'ops', setAt: soon(0), expiresAt: soon(body.ttlSeconds) };
      server.setState({ overrides: [made] });
      return made;
    } });
    const page = await openPage(t, browser, server.url, { hash: '#/link/b~c', expected: /status of 404/ });
    await live(page);
    await page.getByRole('button', { name: 'Suspend c at b' }).click();
    const dialog = page.getByRole('dialog', { name: 'Suspend c at b?' });
    assert.equal(await dialog.getByLabel('for').inputValue(), '600');
    await dialog.getByRole('button', { name: 'Suspend' }).click();
    assert.equal(server.asked.filter(({ method }) => method === 'POST').length, 0, 'a reason is required');
    await dialog.getByLabel('Why').fill('maintenance of c');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    const asked = server.asked.find(({ method }) => method === 'POST');
    assert.deepEqual([asked?.body, asked?.type], [{ ttlSeconds: 600, reason: 'maintenance of c' }, 'application/json']);
    await page.locator('#live').getByText(/c is suspended at b until/).waitFor({ state: 'attached' });
    const banner = page.getByTestId('overrides');
    await banner.getByText('maintenance of c').waitFor();
    const left = async () => await banner.locator('.countdown b').textContent();
    const before = await left();
    assert.match(before ?? '', /^(10:00|9:\d\d)$/);
    await eventually('it counts down', async () => await left() !== before);
    await banner.getByRole('button', { name: 'Undo: c is suspended at b' }).click();
    await banner.waitFor({ state: 'detached' });
    assert.ok(server.asked.some(({ method, path }) => method === 'DELETE' && path === 'overrides/o7'));
    await page.locator('#live').getByText('Undone: c is suspended at b').waitFor({ state: 'attached' });
  });

  test('a verb that is refused says why, and can be tried again', async (t) => {
    let status = 503;
    const server = await startFixture(t, { state: network(), answer: ({ method, path }) => (method !== 'POST' ? undefined
      : path.endsWith('/reconnect') ? status === 200 ? { node: 'a', peer: 'b', closedSessions: 1 } : status : 403) });
    const page = await openPage(t, browser, server.url, { hash: '#/node/a', expected: /status of (403|503)/ });
    await live(page);
    await page.getByRole('button', { name: 'Reconnect b at a' }).click();
    const dialog = page.getByTestId('ask');
    await dialog.getByLabel('Why').fill('it hangs');
    await dialog.getByRole('button', { name: 'Reconnect' }).click();
    await dialog.getByRole('alert').getByText('the fixture answers 503').waitFor();
    status = 200;
    await dialog.getByRole('button', { name: 'Reconnect' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.locator('#live').getByText('1 session of b closed at a').waitFor({ state: 'attached' });
    // Escape changes nothing, and the focus is where it was.
    const level = page.getByRole('button', { name: 'Log level' });
    await level.click();
    await page.getByRole('dialog', { name: 'Log level of a' }).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.ok(await level.evaluate((button) => document.activeElement === button));
    // A receiver cannot be suspended.
    assert.equal(await page.getByRole('button', { name: /wallet/ }).count(), 0);
  });

  test('the configuration: its mistakes with their lines, what the file would change, and where values come from', async (t) => {
    const server = await startFixture(t, { state: network(), answer: ({ path }) => ({
      'nodes/b/config': { node: 'b', file: '/etc/ilp/network.yaml', lastReload: { at: soon(-300), successful: false, error: 'network.yaml:14: maxBalance: not a number' },
        values: [{ key: 'nodeId', value: 'b', from: 'network.yaml:3' }, { key: 'peers.a.authToken', value: '***', from: 'environment A_TOKEN' },
          { key: 'logLevel', value: 'debug', from: 'override' }, { key: 'btpServerPort', value: 3000, from: 'default' }] },
      'nodes/b/config/check': { mistakes: [{ text: 'maxBalance: not a number', file: 'network.yaml', line: 14 }], changes: [{ key: 'peers.a.minBalance', running: '-1000000', file: '-5' }] },
    })[path] });
    const page = await openPage(t, browser, server.url, { hash: '#/config?node=b', expected: /status of 404/ });
    await page.getByTestId('reload').getByText('The file was refused').waitFor();
    await page.getByTestId('mistakes').getByText('network.yaml:14').waitFor();
    await page.getByTestId('differences').getByRole('row', { name: /peers.a.minBalance.*-1000000.*-5/ }).waitFor();
    const rows = page.getByTestId('values').locator('tbody tr');
    assert.equal(await rows.count(), 3);
    await page.getByRole('button', { name: /^all/ }).click();
    await eventually('all values', async () => await rows.count() === 4);
    await page.getByRole('searchbox', { name: 'Find a key' }).fill('environment');
    await eventually('one value', async () => await rows.count() === 1);
    await rows.getByText('***').waitFor();
    await page.waitForURL(/find=environment/);
    // By key, and a node that does not offer it says so.
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { name: 'In force' }).click();
    await page.keyboard.press('n');
    await page.keyboard.press('c');
    await page.locator('main[data-view=config]').waitFor();
    await page.getByText('This node does not offer its configuration.').waitFor();
  });

  test('a fault of the lab is on every view, on its link, and undone', async (t) => {
    const server = await startFixture(t, { state: network(), hello: { features: ['lab'] }, answer: ({ method, path, body }) => {
      if (method === 'DELETE' && path === 'lab/f3') {
        server.setState({ faults: [], links: network().links });
        return {};
      }
      if (method !== 'POST') return undefined;
      const fault = { id: 'f3', kind: body.kind, link: body.link ?? null, node: body.node ?? null, value: body.delayMs ? `${body.delayMs} ms` : null, by: 'ops', setAt: soon(0), expiresAt: soon(body.ttlSeconds) };
      server.setState({ faults: [fault], links: network().links.map((one) => (one.id === body.link && body.kind === 'cut' ? { ...one, state: 'down', lastError: 'cut by the lab' } : one)) });
      return fault;
    } });
    const page = await openPage(t, browser, server.url, { hash: '#/network', expected: /status of 404/ });
    await live(page);
    await page.keyboard.press('l');
    const lab = page.getByTestId('lab-view');
    await lab.getByRole('button', { name: 'Cut b – c' }).first().click();
    const banner = page.getByTestId('faults');
    await banner.getByText('is cut').waitFor();
    await page.locator('[data-testid=link][data-id="b~c"].lab.down').waitFor();
    await page.locator('[data-testid=link][data-id="b~c"]').getByText('lab: cut').waitFor();
    for (const key of ['p', 'm', 'e', 'c']) {
      await page.keyboard.press(key);
      await banner.waitFor();
    }
    await banner.getByRole('button', { name: /^Undo/ }).click();
    await banner.waitFor({ state: 'detached' });
    await page.goto(`${server.url}/ui/#/link/a~b`);
    await page.getByTestId('lab').getByRole('button', { name: 'Delay …' }).click();
    await page.getByTestId('ask').getByLabel('milliseconds').fill('750');
    await page.getByTestId('ask').getByLabel('for').selectOption('300');
    await page.getByTestId('ask').getByRole('button', { name: 'Delay' }).click();
    await banner.getByText('is slower by 750 ms').waitFor();
    assert.deepEqual(server.asked.filter(({ method }) => method === 'POST').map(({ body }) => body),
      [{ ttlSeconds: 60, kind: 'cut', link: 'b~c' }, { ttlSeconds: 300, kind: 'delay', link: 'a~b', delayMs: 750 }]);
  });

  test('all nodes are pinged, and what fails says why', async (t) => {
    const server = await startFixture(t, { state: network(), hello: { features: ['probes'] }, answer: ({ method, body }) => (method !== 'POST' ? undefined
      : { ...body, destination: `test.${body.to}`, results: [body.to === 'c' ? { seq: 1, error: { code: 'T01', name: 'Peer Unreachable', message: 'next hop c is not connected', triggeredBy: 'test.b' } } : { seq: 1, latencyUs: 431 }] }) });
    const page = await openPage(t, browser, server.url);
    await live(page);
    await page.getByRole('button', { name: 'Ping all', exact: true }).click();
    const cells = page.getByTestId('pings').locator('td.num');
    await eventually('all pairs have a result', async () => !(await cells.allTextContents()).some((text) => /–|…/.test(text)), () => cells.allTextContents());
    assert.deepEqual((await cells.allTextContents()).map((text) => text.trim()), ['·', '431 µs', '✕ T01', '431 µs', '·', '✕ T01', '431 µs', '431 µs', '·']);
    await page.getByTestId('probes-view').getByText('next hop c is not connected').first().waitFor();
    assert.equal(server.asked.filter(({ method }) => method === 'POST').length, 6);
  });

  test('charts begin with what the node kept', async (t) => {
    const points = Array.from({ length: 200 }, (_, i) => ({ at: soon(i - 200), abPerSecond: i, baPerSecond: 0, latency: null }));
    const server = await startFixture(t, { state: network(), answer: ({ path }) => (path.endsWith('/history') ? { id: 'a~b', points, buckets: [{ upToUs: 100, count: 0 }, { upToUs: 1000, count: 30 }, { upToUs: null, count: 10 }] } : undefined) });
    const page = await openPage(t, browser, server.url, { hash: '#/link/a~b', expected: /status of 404/ });
    await live(page);
    server.push({ type: 'rates', at: soon(0), sampled: { oneIn: 1, lost: 0 }, links: [linkRates('a~b', 10, 5)], nodes: [] });
    await page.locator('[data-chart="a~b rate"] canvas').waitFor();
    assert.equal(await page.getByText('The chart begins with the page').count(), 0);
    await page.getByTestId('histogram').getByRole('row', { name: 'above 1 ms 10 25 %' }).waitFor();
  });

  test('settlements of nodes and links, what an engine has not accepted, and who is paused', async (t) => {
    const one = (/** @type {any} */ more) => ({ key: 'k', node: 'a', peer: 'b', asset: 'USD/9', direction: 'sent', units: '10000000000', amount: '10000000000', amountScale: 9, leftover: '0',
      state: 'done', attempts: 1, createdAt: soon(-60), updatedAt: soon(-60), reference: '', by: 'ilp-connector', ...more });
    const pending = one({ key: 'p', units: '2500000000', state: 'pending', attempts: 3, createdAt: soon(-5) });
    const pages = /** @type {Record<string, any>} */ ({
      'nodes/a/settlements?limit=30': { settlements: [pending, one({})], underWay: [{ peer: 'b', settlement: pending, lastError: 'connection refused', nextAttemptAt: soon(30) }], paused: [] },
      'nodes/b/settlements?limit=30': { settlements: [one({ key: 'r', node: 'b', peer: 'a', direction: 'received', reference: 'SEPA-77', by: 'engine', createdAt: soon(-30) })], underWay: [], paused: ['c'] },
      'nodes/b/settlements?peer=c&limit=5': { settlements: [one({ node: 'b', peer: 'c', createdAt: soon(-120) })], underWay: [], paused: ['c'] },
      'nodes/c/settlements?peer=b&limit=5': { settlements: [one({ node: 'c', peer: 'b' })], underWay: [], paused: [] },
      money: { assets: [], peers: ['a', 'b'].map((node) => ({ node, peer: node === 'a' ? 'b' : 'a', asset: 'USD/9', balance: '0', min: null, max: null, heldIn: '0', heldOut: '0', uncertain: '0' })) },
      'links/b~c/history': { points: [], buckets: [] },
    });
    const server = await startFixture(t, { state: network(), hello: { features: ['settlements'] }, answer: ({ path }) => pages[path] });
    const page = await openPage(t, browser, server.url, { hash: '#/money' });
    const rows = page.getByTestId('settlements').locator('tbody tr');
    await rows.nth(2).waitFor();
    const texts = (await rows.allTextContents()).map((text) => text.replace(/\s+/g, ' '));
    // The newest first, of all nodes.
    assert.match(texts[0] ?? '', /a paid b.*2\.5 USD.*not accepted yet, 3 attempts/);
    assert.match(texts[1] ?? '', /a paid b.*10 USD.*done.*SEPA-77/);
    assert.match(texts[2] ?? '', /a paid b.*10 USD.*done.*ilp-connector/);
    await page.getByTestId('settlement-failing').getByText(/has not accepted 2\.5.* after 3 attempts: connection refused/).waitFor();
    await page.getByTestId('settlement-paused').getByText(/b begins no settlement with/).waitFor();
    await page.goto(`${server.url}/ui/#/link/b~c`);
    await page.getByTestId('link-view').getByTestId('settlement-paused').waitFor();
    const ofLink = await page.getByTestId('link-view').getByTestId('settlements').locator('tbody tr').allTextContents();
    assert.deepEqual(ofLink.map((text) => text.match(/\w paid \w/)?.[0]), ['c paid b', 'b paid c']);
  });

  test('the token of a peer shows a masked page without errors', async (t) => {
    const at = soon(-1);
    const record = { id: '00000001-5', at, node: 'b', phase: 'rejected', lane: 'reject', condition: '11'.repeat(32), from: 'a', requestId: 5, to: null, outgoingRequestId: null,
      destination: 'test.c', prefix: null, amount: '1000', outgoingAmount: null, expiresAt: null, latencyUs: 90, code: 'T01', decidedHere: true, triggeredBy: 'test.b', message: 'next hop *** is not connected',
      reason: { kind: 'nextHopNotConnected', text: 'next hop *** is not connected', figures: null, peer: null, key: null, advice: null } };
    const forwarded = { ...record, id: '00000001-4', phase: 'forwarded', code: null, reason: null, message: null, decidedHere: false, condition: '22'.repeat(32), requestId: 4 };
    const server = await startFixture(t, {
      state: { nodes: [node('b', [peer('a')], { btp: null, api: null })], links: [link('b', 'a', { bPeer: null, kind: 'outside' })] },
      hello: { scopes: ['read', 'packets'], peer: 'a', features: ['lab', 'probes'] },
      answer: ({ path }) => {
        if (/^nodes\/b\/(config|routes)/.test(path)) return 403;
        if (path.startsWith('packets?')) return { packets: [record, forwarded], lost: 0 };
        if (path.startsWith('packets/')) return { id: record.id, hops: [path.includes('-4') ? { node: 'b', forwarded, answer: null } : { node: 'b', forwarded: null, answer: record }] };
        if (path.startsWith('explain')) return path.includes('from=a') ? { ends: 'leavesView', steps: [{ node: 'b', destination: 'test.c', from: 'a', amount: null, decision: 'forward', prefix: null, to: null, outgoingAmount: null, origin: null, why: null, code: null, reason: null, candidates: [] }] } : 403;
        if (path === 'money') return { assets: [], peers: [] };
        return undefined;
      },
    });
    /** @type {[string, (page: import('playwright-core').Page) => import('playwright-core').Locator][]} */
    const views = [
      ['#/network', (page) => page.getByTestId('graph')], ['#/packets', (page) => page.getByText('next hop *** is not connected').first()],
      ['#/packet/00000001-5', (page) => page.getByTestId('verdict').getByText('next hop *** is not connected')], ['#/packet/00000001-4', (page) => page.getByText('on to the next hop')],
      ['#/node/b', (page) => page.getByTestId('accounts')], ['#/routes?destination=test.c', (page) => page.getByTestId('walk').getByText('sends it on')],
      ['#/money', (page) => page.getByText('No accounts yet.')], ['#/config', (page) => page.getByText('not for the token of a peer')],
    ];
    for (const [hash, shown] of views) {
      const page = await openPage(t, browser, server.url, { hash });
      await page.getByTestId('seen-by').getByText('a', { exact: true }).waitFor();
      await shown(page).waitFor();
      assert.equal(await page.getByRole('link', { name: 'Config', exact: true }).count(), 0);
      assert.doesNotMatch(await page.locator('#app').innerText(), /null|undefined|NaN/, hash);
    }
    assert.deepEqual(server.asked.filter(({ path }) => /config|\/routes/.test(path)), []);
  });
});
