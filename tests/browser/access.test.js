// The page for each reader: by keyboard, with a screen reader, in both themes, without motion, on a small screen, with a
// token.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { violations } from './lib/axe.js';
import { drawnPixels, live, openPage, outsideOf, rows, startBrowser } from './lib/browser.js';
import { TOO_LARGE, startNetwork, startNodeWithToken } from './lib/network.js';
import { viewsOf } from './lib/views.js';
import { eventually, suite } from './lib/waiting.js';

describe('access', () => {
  const all = suite(after);
  /** @type {Awaited<ReturnType<typeof startNetwork>>} */ let network;
  /** @type {import('playwright-core').Browser} */ let browser;
  before(async () => {
    network = await startNetwork(all, { flags: ['--lab'] });
    browser = await startBrowser(all);
    // So that all that the page has to offer is there: a fault with its banner, and the buttons.
    await network.post('/lab', { kind: 'delay', link: 'a~b', delayMs: 1, ttlSeconds: 3600 });
    await network.send('test.c', { count: 20 });
    await network.send('test.c.nobody', { count: 3 });
    await network.send('test.c', { amount: TOO_LARGE });
  });

  for (const theme of /** @type {const} */ (['dark', 'light'])) {
    test(`no view has a violation that axe finds: ${theme}`, async (t) => {
      const page = await openPage(t, browser, network.url, { theme });
      await live(page);
      for (const { name, hash, shown } of await viewsOf(network)) {
        await page.goto(`${network.url}/ui/${hash}`);
        await shown(page).waitFor();
        assert.deepEqual(await violations(page), [], name);
      }
      await page.goto(`${network.url}/ui/#/link/b~c`);
      await page.getByTestId('lab').getByRole('button', { name: 'Delay …' }).click();
      await page.getByRole('dialog', { name: /Slow .* down/ }).waitFor();
      assert.deepEqual(await violations(page), [], 'the dialog of a change');
      await page.keyboard.press('Escape');
      await page.keyboard.press('?');
      assert.deepEqual(await violations(page), [], 'the help');
    });
  }

  test('everything is reached by keyboard', async (t) => {
    const page = await openPage(t, browser, network.url);
    await live(page);
    const press = (/** @type {string} */ key) => page.keyboard.press(key);
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? '');
    await press('Tab');
    assert.equal(await focused(), 'Skip to the content');
    await press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');
    await press('?');
    const help = page.getByRole('dialog', { name: 'Help' });
    await help.waitFor();
    await press('Escape');
    await help.waitFor({ state: 'hidden' });
    for (const [key, view] of [['p', 'packets'], ['r', 'routes'], ['m', 'money'], ['e', 'events'], ['n', 'network']]) {
      await press(key ?? '');
      await page.locator(`main[data-view=${view}]`).waitFor();
    }
    // From node to node over the graph.
    await page.locator('[data-testid=node][data-id=a]').focus();
    const directions = ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp'];
    await eventually('an arrow leads from a to b', async () => {
      await page.locator('[data-testid=node][data-id=a]').focus();
      await press(directions[0] ?? '');
      directions.push(directions.shift() ?? '');
      return /^Node b/.test(await focused());
    }, focused);
    await press('Enter');
    await page.getByTestId('drawer').getByRole('heading', { name: /^b/ }).waitFor();
    await press('Escape');
    await page.getByTestId('drawer').waitFor({ state: 'detached' });
    await press('/');
    await page.keyboard.type('code=F08');
    await press('Escape');
    await press('p');
    await rows(page).first().waitFor();
    await press('j');
    await page.getByTestId('drawer').getByTestId('verdict').waitFor();
    await press('Enter');
    await page.getByRole('main').getByTestId('ladder').waitFor();
    await press('n');
    await press('t');
    await page.getByTestId('nodes-table').waitFor();
    await press('t');
    await page.getByTestId('graph').waitFor();
    await press('Space');
    await page.getByTestId('pause').getByText('Go on').waitFor();
    await press('Space');
    await page.getByTestId('pause').getByText('Pause').waitFor();
  });

  test('the focus is visible on each control', async (t) => {
    const page = await openPage(t, browser, network.url);
    await live(page);
    const seen = new Set();
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press('Tab');
      const found = await page.evaluate(() => {
        const element = document.activeElement;
        if (!element || element === document.body) return null;
        const style = getComputedStyle(element);
        const isMarked = [style.outlineStyle !== 'none', style.boxShadow !== 'none', element instanceof SVGElement].some(Boolean);
        return { name: element.outerHTML.slice(0, 120), isMarked };
      });
      if (!found) break;
      assert.ok(found.isMarked, `no mark on ${found.name}`);
      seen.add(found.name);
    }
    assert.ok(seen.size > 12, [...seen].join('\n'));
  });

  test('a reader who wants no motion gets none', async (t) => {
    const page = await openPage(t, browser, network.url, { isStill: true });
    await live(page);
    const stop = network.stream('test.c');
    await rows(page).first().waitFor();
    const looks = 20;
    for (let i = 0; i < looks; i += 1) {
      await page.evaluate(() => new Promise(requestAnimationFrame));
      assert.equal(await drawnPixels(page), 0);
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    }
    await stop();
  });

  test('a token is asked for until it is right, and not again in this tab', async (t) => {
    const url = await startNodeWithToken(t, { apiToken: 'the-right-token' });
    const page = await openPage(t, browser, url, { hash: '#/money', expected: /status of 401/ });
    const dialog = page.getByRole('dialog', { name: 'Token' });
    await dialog.waitFor();
    assert.equal(await dialog.getByRole('alert').count(), 0);
    await dialog.getByLabel('Token').fill('a wrong … token');
    await page.keyboard.press('Enter');
    await dialog.getByRole('alert').getByText('The node refused the last one.').waitFor();
    await dialog.getByLabel('Token').fill('the-right-token');
    await dialog.getByRole('button', { name: 'Go on' }).click();
    await dialog.waitFor({ state: 'detached' });
    // Also what was refused before.
    await page.getByText('No accounts yet.').waitFor();
    await page.getByTestId('healthy').getByText('1/1').waitFor();
    await page.reload();
    await page.getByTestId('healthy').getByText('1/1').waitFor();
    assert.equal(await dialog.count(), 0);
  });

  test('a token that may only read is offered no button, and gets no error', async (t) => {
    const apiTokens = [{ id: 'reader', token: 'the-token-of-a-reader', scopes: ['read', 'packets'] }];
    const peers = [{ id: 'bob', relation: 'peer', authToken: 'token-of-bob' }];
    const url = await startNodeWithToken(t, { apiToken: 'the-token-of-an-operator', apiTokens, peers });
    for (const [token, offered] of /** @type {[string, number][]} */ ([['the-token-of-a-reader', 0], ['the-token-of-an-operator', 1]])) {
      const page = await openPage(t, browser, url, { hash: '#/node/solo', expected: /status of 401/ });
      await page.getByRole('dialog', { name: 'Token' }).getByLabel('Token').fill(token);
      await page.keyboard.press('Enter');
      await page.getByTestId('accounts').getByText('bob').first().waitFor();
      for (const name of ['Suspend bob at solo', 'Reconnect bob at solo', 'Log level …']) assert.equal(await page.getByRole('button', { name }).count(), offered, `${name} for ${token}`);
      for (const key of ['n', 'p', 'r', 'm', 'e', 'c']) {
        await page.keyboard.press(key);
        await page.locator('main').getByRole('heading', { level: 1 }).waitFor({ state: 'attached' });
      }
    }
  });

  test('the operator of a peer sees what concerns the peer, and gets no error', async (t) => {
    const peers = [{ id: 'bob', relation: 'child', authToken: 'token-of-bob' }, { id: 'carol', relation: 'peer', authToken: 'token-of-carol' }];
    const apiTokens = [{ id: 'bobs', token: 'the-token-of-bobs-operator', scopes: ['read', 'packets'], peer: 'bob' }];
    const url = await startNodeWithToken(t, { apiToken: 'the-token-of-an-operator', apiTokens, peers });
    const page = await openPage(t, browser, url, { hash: '#/node/solo', expected: /status of 401/ });
    await page.getByRole('dialog', { name: 'Token' }).getByLabel('Token').fill('the-token-of-bobs-operator');
    await page.keyboard.press('Enter');
    await page.getByTestId('seen-by').getByText('bob', { exact: true }).waitFor();
    await page.getByTestId('accounts').getByText('bob').first().waitFor();
    for (const [hash, shown] of /** @type {[string, string][]} */ ([['#/network', 'No packets yet.'], ['#/packets', 'No packets yet.'], ['#/link/solo~bob', 'Balance'],
      ['#/routes?destination=test.solo.carol', 'solo refuses it'], ['#/money', 'USD'], ['#/events', 'event'], ['#/config', 'not for the token of a peer'], ['#/node/solo', 'It has rejected none.']])) {
      await page.goto(`${url}/ui/${hash}`);
      await page.locator('main').getByText(shown).first().waitFor();
      const text = await page.locator('main').innerText();
      // The address that was asked for names her, and nothing else may.
      assert.doesNotMatch(text.replaceAll('test.solo.carol', ''), /carol|null|undefined|NaN/, hash);
    }
  });

  for (const [width, height] of [[320, 640], [390, 844], [1024, 768], [1440, 900]]) {
    test(`nothing is outside at ${width} pixels`, async (t) => {
      const page = await openPage(t, browser, network.url, { width, height });
      for (const { name, hash, shown } of await viewsOf(network)) {
        await page.goto(`${network.url}/ui/${hash}`);
        await shown(page).waitFor();
        assert.deepEqual(await outsideOf(page), [], name);
      }
    });
  }
});
