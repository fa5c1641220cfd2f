// "Why is it not what I wrote?": the configuration of a real node, its file, and its mistakes.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { live, openPage, startBrowser } from './lib/browser.js';
import { TOO_LARGE, startNetwork } from './lib/network.js';
import { suite } from './lib/waiting.js';

describe('configuration', () => {
  const all = suite(after);
  /** @type {Awaited<ReturnType<typeof startNetwork>>} */ let network;
  /** @type {import('playwright-core').Browser} */ let browser;
  before(async () => {
    network = await startNetwork(all);
    browser = await startBrowser(all);
  });

  test('each value has its origin, and no secret is shown', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/node/b' });
    await live(page);
    await page.getByRole('link', { name: 'Its configuration' }).click();
    const values = page.getByTestId('values');
    const limit = values.getByRole('row').filter({ hasText: 'peers.a.maxPacketAmount' });
    await limit.getByText(String(TOO_LARGE / 2)).waitFor();
    await limit.getByText(/network\.yaml:\d+$/).waitFor();
    await page.getByTestId('reload').getByText('is in force.').waitFor();
    await page.getByTestId('check').getByText('It is what runs.').waitFor();
    await page.getByRole('button', { name: /^all/ }).click();
    await values.getByRole('row').filter({ hasText: 'default' }).first().waitFor();
    assert.doesNotMatch(await page.locator('#app').textContent() ?? '', /secret-a-b|token-cli/);
  });

  test('a file with a mistake is refused, with its line, and a mended one is applied', async (t) => {
    const page = await openPage(t, browser, network.url, { hash: '#/config?node=b' });
    await live(page);
    await page.getByTestId('reload').getByText('is in force.').waitFor();
    const before = structuredClone(network.config);
    network.config.nodes[1].peers[0].maxPacketAmount = 'many';
    await network.save();
    await page.getByTestId('reload').getByText('The file was refused').waitFor();
    await page.getByTestId('mistakes').getByText(/network\.yaml:\d+/).first().waitFor();
    await page.getByTestId('mistakes').getByText(/maxPacketAmount/).first().waitFor();
    network.config.nodes[1].peers[0].maxPacketAmount = 7_000_000;
    await network.save();
    await page.getByTestId('values').getByText('7000000').waitFor();
    await page.getByTestId('reload').getByText('is in force.').waitFor();
    await page.getByTestId('check').getByText('It is what runs.').waitFor();
    Object.assign(network.config, before);
    await network.save();
  });
});
