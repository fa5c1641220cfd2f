// The lab of a real network: a newcomer breaks a link, reads why packets fail, and mends it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { live, openPage, rows, startBrowser } from './lib/browser.js';
import { startNetwork } from './lib/network.js';
import { eventually, suite } from './lib/waiting.js';

describe('lab', () => {
  const all = suite(after);
  /** @type {Awaited<ReturnType<typeof startNetwork>>} */ let network;
  /** @type {import('playwright-core').Browser} */ let browser;
  before(async () => {
    network = await startNetwork(all, { flags: ['--lab'] });
    browser = await startBrowser(all);
  });

  test('a link is cut, the packets that fail say so, and it is mended', async (t) => {
    const page = await openPage(t, browser, network.url);
    await live(page);
    await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Lab' }).click();
    const lab = page.getByTestId('lab-view');
    const tour = lab.getByRole('list', { name: 'First steps' });
    await tour.getByRole('button', { name: 'Send a burst' }).click();
    await page.getByTestId('ask').getByLabel('packets').fill('2000');
    await page.getByTestId('ask').getByRole('button', { name: 'Send' }).click();
    await tour.getByText('Packets flow.').waitFor();
    await tour.getByRole('button', { name: 'Cut b – c' }).click();
    const banner = page.getByTestId('faults');
    await banner.getByText('is cut').waitFor();
    const link = page.locator('[data-testid=link][data-id="b~c"]');
    await eventually('the link is drawn as broken', async () => /lab down/.test(await link.getAttribute('class') ?? ''), () => link.getAttribute('class'));
    // The answer to "why" is one click away, and names the link and the lab.
    await tour.getByRole('link', { name: 'Why?' }).click();
    const verdict = page.getByTestId('verdict');
    await verdict.getByText('T01', { exact: true }).waitFor();
    await verdict.getByTestId('lab-then').getByText('b – c is cut').waitFor();
    await rows(page).filter({ hasText: 'lab, b – c is cut' }).first().waitFor();
    // It can be mended where it is read.
    await verdict.getByRole('button', { name: 'Undo: b – c is cut' }).waitFor();
    await verdict.getByRole('link', { name: 'c', exact: true }).click();
    await page.getByTestId('link-view').getByTestId('last-error').getByText('the lab has cut this link').waitFor();
    await banner.getByRole('button', { name: 'Undo: b – c is cut' }).click();
    await page.locator('#live').getByText('Undone: b – c is cut').or(page.locator('#live').getByText('link b to c is up')).waitFor({ state: 'attached' });
    await eventually('the link is up', async () => (await network.get('/links')).links.some((/** @type {any} */ one) => one.id === 'b~c' && one.state === 'up'));
    await eventually('it is drawn so', async () => !/lab|down/.test(await link.getAttribute('class') ?? ''), () => link.getAttribute('class'));
    // An older packet says what was broken then.
    await page.goto(`${network.url}/ui/#/packets?filter=code%3DT01%20node%3Db`);
    await rows(page).filter({ hasText: 'lab, b – c is cut' }).first().waitFor();
    await network.ping('test.c');
  });

  test('a node is stopped, and comes back', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/network?sel=node:c' });
    await live(page);
    await page.getByTestId('lab').getByRole('button', { name: 'Stop c' }).click();
    const node = page.locator('[data-testid=node][data-id=c]');
    await eventually('it is drawn as stopped', async () => /stopped/.test(await node.getAttribute('aria-label') ?? ''), () => node.getAttribute('aria-label'));
    const banner = page.getByTestId('faults');
    await banner.getByText('is stopped').waitFor();
    await page.getByTestId('lab').getByText(/its balances begin at zero/).waitFor();
    await page.getByTestId('lab').getByRole('button', { name: 'Undo: c is stopped' }).click();
    await page.getByTestId('healthy').getByText('3/3').waitFor();
    await banner.getByText('is stopped').waitFor({ state: 'detached' });
    await network.ping('test.c');
  });

  test('a slow link is marked, and its packets are slow', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/link/a~b' });
    await live(page);
    await page.getByTestId('lab').getByRole('button', { name: 'Delay …' }).click();
    await page.getByTestId('ask').getByLabel('milliseconds').fill('200');
    await page.keyboard.press('Enter');
    await page.getByTestId('faults').getByText('is slower by 200 ms').waitFor();
    await network.ping('test.c');
    const { packets } = await network.get('/packets?filter=node%3Da%20phase%3Dfulfilled%20latency%3E200ms&limit=1');
    assert.equal(packets.length, 1, 'a packet took longer than the delay');
    await page.getByTestId('faults').getByRole('button', { name: /^Undo: a – b/ }).click();
    await page.getByTestId('faults').getByText('is slower').waitFor({ state: 'detached' });
  });
});
