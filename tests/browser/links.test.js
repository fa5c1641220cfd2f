// What a reader asks when something breaks: which link, since when, and does the page still tell the truth.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { live, openPage, rows, startBrowser } from './lib/browser.js';
import { startNetwork } from './lib/network.js';
import { startProxy } from './lib/proxy.js';
import { eventually, suite } from './lib/waiting.js';

describe('links', () => {
  const all = suite(after);
  /** @type {Awaited<ReturnType<typeof startNetwork>>} */ let network;
  /** @type {import('playwright-core').Browser} */ let browser;
  before(async () => {
    network = await startNetwork(all);
    browser = await startBrowser(all);
  });

  test('a node that is killed is seen at once, and why packets to it fail', async (t) => {
    const dora = await network.startDora();
    const page = await openPage(t, browser, network.url);
    await live(page);
    const link = page.locator('[data-testid=link][data-id="c~dora"]');
    await eventually('the link is up', async () => /, up/.test(await link.getAttribute('aria-label') ?? ''), () => link.getAttribute('aria-label'));
    await network.ping('test.c.dora');
    await dora.kill();
    const killedAt = Date.now();
    await eventually('the link is down', async () => /, down/.test(await link.getAttribute('aria-label') ?? ''), () => link.getAttribute('aria-label'));
    t.diagnostic(`seen ${Date.now() - killedAt} ms after the kill`);
    await page.locator('#live').getByText(/link c to .*dora is down/).waitFor({ state: 'attached' });
    await network.send('test.c.dora');
    await rows(page).filter({ hasText: 'T01' }).first().click();
    await page.getByTestId('verdict').getByText('next hop dora is not connected').waitFor();
    // The name of the next hop leads to its link, which says why.
    await page.getByTestId('verdict').getByRole('link', { name: 'dora', exact: true }).click();
    await page.getByTestId('link-view').getByTestId('last-error').waitFor();
    await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Events' }).click();
    await page.getByTestId('events').getByText('dora').first().waitFor();
    await network.startDora();
    await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Network' }).click();
    await eventually('the link is up again', async () => /, up/.test(await link.getAttribute('aria-label') ?? ''), () => link.getAttribute('aria-label'));
  });

  test('a cut stream is resumed, without a gap and without a repetition', async (t) => {
    const proxy = await startProxy(t, network.url);
    const page = await openPage(t, browser, proxy.url, { hash: '#/packets?filter=code%3DF02%20node%3Da', expected: /Failed to load resource|ERR_/ });
    await live(page);
    await network.send('test.c.nobody');
    await rows(page).first().waitFor();
    const before = await rows(page).count();
    proxy.cut();
    await page.getByTestId('lost').waitFor();
    await network.send('test.c.nobody', { count: 3 });
    proxy.mend();
    await page.getByTestId('lost').waitFor({ state: 'detached' });
    await eventually('what happened meanwhile is there', async () => await rows(page).count() === before + 3, () => rows(page).allTextContents());
    assert.match(await page.getByTestId('sampled').textContent() ?? '', / 0 lost/);
    // What comes next does not repeat it.
    await network.send('test.c.nobody');
    await eventually('one more', async () => await rows(page).count() === before + 4, () => rows(page).allTextContents());
  });

  test('a link is suspended, packets say why, and it is switched on again', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/link/b~c' });
    await live(page);
    await page.getByRole('button', { name: 'Suspend c at b' }).click();
    const dialog = page.getByTestId('ask');
    await dialog.getByLabel('Why').fill('maintenance of c');
    await dialog.getByLabel('for').selectOption('60');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    const banner = page.getByTestId('overrides');
    await banner.getByText('c is suspended at b').waitFor();
    await banner.getByText('maintenance of c').waitFor();
    await page.keyboard.press('n');
    // The list holds still below the pointer.
    await page.mouse.move(0, 0);
    const link = page.locator('[data-testid=link][data-id="b~c"]');
    await eventually('it is drawn as suspended', async () => /suspended/.test(await link.getAttribute('aria-label') ?? ''), () => link.getAttribute('aria-label'));
    await network.send('test.c');
    await rows(page).filter({ hasText: 'suspended' }).first().click();
    await page.getByTestId('verdict').getByTestId('reason').getByText(/suspended/).waitFor();
    await page.keyboard.press('e');
    await page.getByTestId('events').getByText('maintenance of c').first().waitFor();
    await banner.getByRole('button', { name: 'Undo: c is suspended at b' }).click();
    await banner.waitFor({ state: 'detached' });
    await eventually('packets pass again', async () => (await network.get('/links')).links.some((/** @type {any} */ one) => one.id === 'b~c' && one.state === 'up'));
    await network.ping('test.c');
  });

  test('a log level is set for a while, and sessions are closed', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/node/a' });
    await live(page);
    await page.getByRole('button', { name: 'Log level …' }).click();
    const dialog = page.getByTestId('ask');
    await dialog.getByLabel('Why').fill('a look at b');
    await page.keyboard.press('Enter');
    await page.getByTestId('overrides').getByText('a logs at level debug').waitFor();
    await page.getByRole('button', { name: /^Undo: a logs/ }).first().click();
    await page.getByTestId('overrides').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Reconnect b at a' }).click();
    await dialog.getByLabel('Why').fill('a new session');
    await page.keyboard.press('Enter');
    await page.locator('#live').getByText('1 session of b closed at a').waitFor({ state: 'attached' });
    await page.getByTestId('ended').getByRole('listitem').first().waitFor();
    await live(page);
  });

  test('a node pings and traces, and says why it does not arrive', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/node/a' });
    await live(page);
    const address = page.getByRole('combobox', { name: 'address' });
    assert.equal(await address.inputValue(), 'test.c');
    const probe = page.getByTestId('probe');
    await probe.getByRole('button', { name: 'Ping' }).click();
    await eventually('three answers', async () => await probe.getByRole('list', { name: 'Results of the ping' }).getByText(/✓ .* (µs|ms)/).count() === 3);
    await probe.getByRole('button', { name: 'Trace' }).click();
    const hops = probe.getByRole('list', { name: 'Hops of the trace' }).getByRole('listitem');
    await probe.getByText('It arrives.').waitFor();
    await hops.last().getByRole('link', { name: 'c', exact: true }).waitFor();
    await address.fill('test.c.nobody');
    await address.press('Enter');
    await address.blur();
    await probe.getByRole('button', { name: 'Ping' }).click();
    await probe.getByText('F02').first().waitFor();
    // On the routes, and all at once.
    await page.goto(`${network.url}/ui/#/routes?node=a&destination=test.b`);
    await probe.getByRole('button', { name: 'Ping' }).click();
    await probe.getByText(/✓ .* (µs|ms)/).first().waitFor();
    await page.keyboard.press('n');
    await page.getByRole('button', { name: 'Ping all', exact: true }).click();
    const cells = page.getByTestId('pings').locator('td.num');
    await eventually('all pairs answer', async () => (await cells.allTextContents()).filter((text) => /µs|ms/.test(text)).length === 6, () => cells.allTextContents());
  });

  test('both ends of a link agree about money', async (t) => {
    await network.send('test.c', { amount: 1000 });
    const page = await openPage(t, browser, network.url, { hash: '#/link/a~b' });
    await page.getByTestId('difference').getByText('Both ends agree.').waitFor();
    await page.getByTestId('link-view').getByText('b owes').or(page.getByTestId('link-view').getByText('a owes')).first().waitFor();
    await page.goto(`${network.url}/ui/#/money`);
    await page.getByTestId('money').getByRole('row').nth(1).waitFor();
  });

  // The last one: a node that the file no longer has stays in view.
  test('a saved file changes the graph', async (t) => {
    const page = await openPage(t, browser, network.url);
    await live(page);
    const before = structuredClone(network.config);
    network.config.nodes.push({ id: 'erin' });
    network.config.links.push({ from: 'c', to: 'erin', secret: 'secret-c-erin' });
    await network.save();
    await page.locator('[data-testid=node][data-id=erin]').waitFor();
    await eventually('it is linked', async () => (await network.get('/links')).links.some((/** @type {any} */ link) => link.b === 'erin' && link.state === 'up'));
    await network.ping('test.erin');
    await rows(page).filter({ hasText: 'test.erin' }).first().waitFor();
    Object.assign(network.config, before);
    await network.save();
    // The process of a node that is no longer in the file says so.
    await page.locator('[data-testid=node][data-id=erin][aria-label*=unhealthy]').waitFor();
  });
});
