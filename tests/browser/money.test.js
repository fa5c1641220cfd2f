// The money of nodes that keep books: rates and their sources, what was earned, how books compare, and the events in the
// store. The network is real, and has two assets.

import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { violations } from './lib/axe.js';
import { openPage, outsideOf, startBrowser } from './lib/browser.js';
import { startNetwork } from './lib/network.js';
import { atEnd, eventually, suite } from './lib/waiting.js';

const PICTURES = process.env.PICTURES ?? 'pictures';

/** a (USD) - b (USD, EUR) - c (EUR); b has rates from a file. @param {string} folder */
const topology = (folder) => ({
  nodes: [
    { id: 'a' },
    { id: 'b', spread: '0.01', peers: [{ id: 'c', assetCode: 'EUR' }], rateSources: [{ file: path.join(folder, 'rates.json'), refreshMs: 1000 }] },
    { id: 'c', assetCode: 'EUR' },
  ],
  links: [
    { from: 'a', to: 'b', secret: 'secret-a-b' },
    { from: 'b', to: 'c', secret: 'secret-b-c' },
  ],
  defaults: { store: `${folder}/books/`, peers: [{ id: 'cli', relation: 'child', authToken: 'token-cli' }] },
});

describe('money', () => {
  const all = suite(after);
  /** @type {import('playwright-core').Browser} */ let browser;
  /** @type {Awaited<ReturnType<typeof startNetwork>>} */ let network;
  /** @type {string} */ let folder;
  const quote = async (/** @type {number} */ eur) => {
    await fs.writeFile(path.join(folder, 'next.json'), JSON.stringify({ base: 'USD', rates: { EUR: eur } }));
    await fs.rename(path.join(folder, 'next.json'), path.join(folder, 'rates.json'));
  };
  before(async () => {
    folder = await fs.mkdtemp(path.join(os.tmpdir(), 'ilp-money-'));
    atEnd(all, () => fs.rm(folder, { recursive: true }));
    await quote(0.9);
    network = await startNetwork(all, { config: topology(folder) });
    browser = await startBrowser(all);
    await eventually('b has its rates', async () => {
      const { nodes } = await network.get('/exchange-rates');
      return nodes.some((/** @type {any} */ node) => node.rates.some((/** @type {any} */ rate) => rate.state === 'used'));
    });
    await network.send('test.c', { amount: 1_000_000, count: 20 });
    await eventually('b has earned something', async () => (await network.get('/nodes/b/income')).byAccount.length > 0);
  });

  test('rates, income and comparisons are shown, and a jump is accepted', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/money?of=b' });
    await page.getByTestId('rates').getByRole('row').filter({ hasText: '0.9' }).getByText('used').waitFor();
    const income = page.getByTestId('income').getByRole('row');
    await income.filter({ hasText: 'all together' }).filter({ hasText: 'EUR' }).waitFor();
    await page.getByTestId('flows').getByRole('row').filter({ hasText: '20' }).waitFor();
    await page.getByTestId('money').getByText('agrees').first().waitFor();
    await quote(1.9);
    await page.getByTestId('rates').getByText('jumped').first().waitFor();
    await page.getByTestId('rate-sources').getByText('used, but for EUR').waitFor();
    await page.getByRole('button', { name: 'Accept EUR at b' }).click();
    const dialog = page.getByTestId('ask');
    await dialog.getByLabel('Why').fill('checked by hand');
    await dialog.getByRole('button', { name: 'Use it' }).click();
    await page.getByTestId('rates').getByRole('row').filter({ hasText: '1.9' }).getByText('used').waitFor();
    assert.deepEqual(await outsideOf(page), []);
  });

  test('both ends of a link say how the books compare', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/link/a~b' });
    const cards = page.getByTestId('reconciled');
    await cards.getByText('agrees').nth(1).waitFor();
    assert.equal(await cards.count(), 2);
  });

  test('the events in the store are there after the page was opened', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/events?node=b' });
    await page.getByRole('button', { name: 'in the store' }).click();
    await page.getByTestId('events').getByText('is used again').first().waitFor();
    await page.getByTestId('events').getByText('jumped').first().waitFor();
  });

  for (const theme of /** @type {const} */ (['dark', 'light'])) {
    test(`readable for all, and pictures, ${theme}`, async (t) => {
      await fs.mkdir(PICTURES, { recursive: true });
      for (const [width, height] of [[1440, 1700], [390, 844], [320, 640]]) {
        const page = await openPage(t, browser, network.url, { theme, width, height });
        for (const [name, hash, shown] of [['money-of-books', '#/money?of=b', 'flows'], ['link-of-books', '#/link/b~c', 'reconciled'], ['events-in-store', '#/events?list=saved&node=b', 'events']]) {
          await page.goto(`${network.url}/ui/${hash}`);
          await page.getByTestId(String(shown)).first().waitFor();
          assert.deepEqual(await violations(page), [], `${name}, ${width}`);
          assert.deepEqual(await outsideOf(page), [], `${name}, ${width}`);
          await page.screenshot({ path: path.join(PICTURES, `${name}-${theme}-${width}.png`) });
        }
      }
    });
  }
});
