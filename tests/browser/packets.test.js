// What a reader asks of the page first: which packets pass, what became of this one, and why.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { drawnPixels, live, openPage, rows, startBrowser } from './lib/browser.js';
import { TOO_LARGE, TOO_MUCH, startNetwork } from './lib/network.js';
import { eventually, suite } from './lib/waiting.js';

describe('packets', () => {
  const all = suite(after);
  /** @type {Awaited<ReturnType<typeof startNetwork>>} */ let network;
  /** @type {import('playwright-core').Browser} */ let browser;
  before(async () => {
    network = await startNetwork(all);
    browser = await startBrowser(all);
  });

  test('the first packet appears, and is clicked through to its ladder', async (t) => {
    const page = await openPage(t, browser, network.url);
    await live(page);
    // An empty list says what to do.
    await page.getByTestId('packets').getByText('ilp-connector ping test.c').waitFor();
    await network.ping('test.c');
    const row = rows(page).filter({ hasText: 'test.c' }).first();
    await row.waitFor();
    await row.click();
    const drawer = page.getByTestId('drawer');
    await drawer.getByRole('heading', { name: 'Fulfilled' }).waitFor();
    const ladder = drawer.getByTestId('ladder');
    await eventually('the ladder has the whole way', async () =>
      /the way of the packet: cli, a, b, c$/i.test(await ladder.getAttribute('aria-label') ?? ''), () => ladder.getAttribute('aria-label'));
    for (const kind of ['prepare', 'fulfill']) await eventually(`three hops of the ${kind}`, async () => await ladder.locator(`.move.${kind}`).count() === 3);
    await drawer.getByRole('link', { name: 'Open' }).click();
    await page.getByRole('main').getByTestId('ladder').waitFor();
    await page.waitForURL(/#\/packet\//);
    // The way back is the browser's.
    await page.goBack();
    await drawer.waitFor();
  });

  test('dots are drawn while packets pass, and only then', async (t) => {
    const page = await openPage(t, browser, network.url);
    await live(page);
    assert.equal(await drawnPixels(page), 0);
    const stop = network.stream('test.c');
    await eventually('a dot is drawn', async () => await drawnPixels(page) > 0);
    await stop();
    await eventually('the last dot has arrived', async () => await drawnPixels(page) === 0);
  });

  // Each with the node that decides, the code, the rule, and the key of the configuration that would change it.
  const REFUSALS = [
    { what: 'no route', send: { destination: 'test.c.nobody' }, node: 'c', code: 'F02', rule: 'no route', key: 'routes' },
    { what: 'a large amount', send: { destination: 'test.c', amount: TOO_LARGE }, node: 'b', code: 'F08', rule: 'amount too large', key: 'peers.a.maxPacketAmount' },
    { what: 'no liquidity', send: { destination: 'test.c', amount: TOO_MUCH }, node: 'b', code: 'T04', rule: 'next hop under min balance', key: 'peers.c.minBalance' },
    // No key would connect it.
    { what: 'a peer that is not connected', send: { destination: 'test.c.dora' }, node: 'c', code: 'T01', rule: 'next hop not connected', key: null },
  ];
  for (const { what, send, node, code, rule, key } of REFUSALS) {
    test(`${code} is explained: ${what}`, async (t) => {
      const page = await openPage(t, browser, network.url, { hash: `#/packets?filter=${encodeURIComponent(`code=${code} node=a`)}` });
      await live(page);
      await network.send(send.destination, send);
      const row = rows(page).first();
      await row.waitFor();
      await row.getByText(code, { exact: true }).waitFor();
      await row.click();
      const verdict = page.getByTestId('verdict');
      await verdict.locator('.who').getByText(node, { exact: true }).first().waitFor();
      await verdict.getByText(code, { exact: true }).waitFor();
      await verdict.getByText(rule, { exact: true }).waitFor();
      assert.notEqual((await verdict.getByTestId('reason').textContent())?.trim(), '');
      assert.match(await verdict.getByTestId('advice').textContent() ?? '', /What to change: .{20}/);
      if (key) assert.equal(await verdict.getByTestId('key').textContent(), key);
      else assert.equal(await verdict.getByTestId('key').count(), 0);
      // The same reason is in the complete counters of the node.
      await verdict.getByRole('link', { name: node, exact: true }).click();
      await page.getByTestId('reasons-table').getByText(code, { exact: true }).first().waitFor();
    });
  }

  test('a deep link opens the same packet', async (t) => {
    const first = await openPage(t, browser, network.url, { hash: '#/packets?filter=code%3DF02' });
    await network.send('test.c.nobody');
    await rows(first).first().click();
    await first.getByTestId('drawer').getByRole('link', { name: 'Open' }).click();
    await first.getByRole('main').getByTestId('verdict').waitFor();
    const shown = await first.getByRole('main').getByTestId('packet').getByRole('heading', { level: 2 }).textContent();
    await first.waitForURL(/#\/packet\//);
    const { hash } = new URL(first.url());
    const second = await openPage(t, browser, network.url, { hash });
    const packet = second.getByRole('main').getByTestId('packet');
    await packet.getByTestId('verdict').waitFor();
    assert.equal(await packet.getByRole('heading', { level: 2 }).textContent(), shown);
    await second.reload();
    await packet.getByTestId('verdict').waitFor();
  });

  test('a node that kept no record is named', async (t) => {
    await network.send('test.c.nobody');
    const { packets: [packet] } = await network.get('/packets?filter=code%3DF02%20node%3Da&limit=1');
    const path = await network.get(`/packets/${packet.id}`);
    assert.deepEqual(path.hops.map((/** @type {any} */ hop) => hop.node), ['a', 'b', 'c']);
    // As if the records of b had made room for others.
    Object.assign(path.hops[1], { forwarded: null, answer: null });
    const page = await openPage(t, browser, network.url, { hash: `#/packet/${packet.id}` });
    await page.route(/\/api\/v1\/packets\?/, (route) => route.fulfill({ json: { packets: [], lost: 0 } }));
    await page.route(/\/api\/v1\/packets\/./, (route) => route.fulfill({ json: path }));
    await page.reload();
    const ladder = page.getByTestId('ladder');
    await eventually('the ladder says so', async () =>
      /: cli, a, b \(no record here\), c$/.test(await ladder.getAttribute('aria-label') ?? ''), () => ladder.getAttribute('aria-label'));
    await ladder.locator('.none').getByText('no record here').waitFor();
    // The lines go on, there and back.
    for (const kind of ['prepare', 'reject']) await eventually(`three hops of the ${kind}`, async () => await ladder.locator(`.move.${kind}`).count() === 3);
    await page.getByTestId('no-record').getByRole('link', { name: 'b', exact: true }).waitFor();
  });

  test('pause keeps the list and counts what comes', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/packets' });
    await live(page);
    await network.send('test.c.nobody');
    await rows(page).first().waitFor();
    const pause = page.getByTestId('pause');
    await pause.click();
    await page.locator('[data-testid=pause][aria-pressed=true]').waitFor();
    const kept = await page.getByTestId('kept').textContent();
    const before = await rows(page).first().textContent();
    await network.send('test.c.nobody', { count: 5 });
    // Each of three nodes records each Reject.
    await pause.getByText(/\+\d+ new/).waitFor();
    await eventually('all are counted', async () => Number((await pause.textContent())?.match(/\+(\d+)/)?.[1]) >= 15, () => pause.textContent());
    assert.equal(await page.getByTestId('kept').textContent(), kept);
    assert.equal(await rows(page).first().textContent(), before);
    await pause.click();
    await eventually('the list goes on', async () => await page.getByTestId('kept').textContent() !== kept);
  });

  test('a filter is typed, and a mistake in it is explained', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/packets' });
    await live(page);
    await network.send('test.c.nobody');
    await network.send('test.c', { amount: TOO_LARGE });
    const filter = page.getByRole('searchbox', { name: 'Filter packets' });
    await filter.fill('code=F08');
    await rows(page).filter({ hasText: 'F08' }).first().waitFor();
    assert.equal(await rows(page).filter({ hasText: 'F02' }).count(), 0);
    await page.waitForURL(/filter=code%3DF08/);
    await filter.fill('colour=red');
    await page.getByRole('alert').getByText(/colour/).waitFor();
    await filter.fill('');
    await rows(page).filter({ hasText: 'F02' }).first().waitFor();
  });

  test('two tabs have the same packet', async (t) => {
    // No packet of another test has this amount.
    const amount = TOO_LARGE + 1;
    const pages = await Promise.all([1, 2].map(() => openPage(t, browser, network.url, { hash: `#/packets?filter=${encodeURIComponent(`amount=${amount} node=a code=F08`)}` })));
    for (const page of pages) await live(page);
    await network.send('test.c', { amount });
    const links = [];
    for (const page of pages) {
      await rows(page).first().waitFor();
      links.push(await rows(page).first().getByRole('link').getAttribute('href'));
    }
    assert.equal(links[0], links[1]);
  });

  test('an explanation walks over all nodes', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/routes' });
    const form = page.getByTestId('explain');
    await form.getByLabel('to').fill('test.c.nobody');
    await form.getByRole('button', { name: 'Explain' }).click();
    const walk = page.getByTestId('walk');
    await walk.getByText('It is refused.').waitFor();
    assert.equal(await walk.locator('.hop.forward').count(), 2);
    await walk.locator('.hop.refuse').getByText('F02').waitFor();
    await page.getByTestId('routes').getByText('test.c', { exact: true }).waitFor();
  });
});
