// Pictures of the views, for people to look at: they are kept beside the build, and gate nothing. On request, the picture
// of the README is made again.

import fs from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { drawnPixels, live, openPage, rows, startBrowser } from './lib/browser.js';
import { TOO_LARGE, TOO_MUCH, startNetwork } from './lib/network.js';
import { viewsOf } from './lib/views.js';
import { eventually, suite } from './lib/waiting.js';

const FOLDER = process.env.PICTURES ?? 'pictures';
/** The file of the README's picture, if it shall be made. */
const README = process.env.PICTURE_OF_README;

describe('pictures', () => {
  const all = suite(after);
  /** @type {Awaited<ReturnType<typeof startNetwork>>} */ let network;
  /** @type {import('playwright-core').Browser} */ let browser;
  before(async () => {
    network = await startNetwork(all, { flags: ['--lab'] });
    browser = await startBrowser(all);
    await network.startDora();
    // Within what a page gets, so that it shows each of them.
    network.stream('test.c', 16);
    network.stream('test.c.dora', 4);
    await network.send('test.c', { amount: TOO_LARGE });
    await network.send('test.c', { amount: TOO_MUCH });
    await network.send('test.c.nobody');
    await fs.mkdir(FOLDER, { recursive: true });
  });

  for (const theme of /** @type {const} */ (['dark', 'light'])) {
    for (const [width, height] of [[1440, 900], [1024, 768], [390, 844]]) {
      test(`${theme}, ${width} x ${height}`, async (t) => {
        const page = await openPage(t, browser, network.url, { theme, width, height });
        await live(page);
        for (const { name, hash, shown } of await viewsOf(network)) {
          await page.goto(`${network.url}/ui/${hash}`);
          await shown(page).waitFor();
          await page.screenshot({ path: path.join(FOLDER, `${name}-${theme}-${width}.png`) });
        }
      });
    }
  }

  test('the picture of the README', { skip: README ? false : 'PICTURE_OF_README names no file' }, async (t) => {
    const page = await openPage(t, browser, network.url, { width: 1280, height: 720, hash: '#/network?filter=code%3DF08%20node%3Da' });
    await live(page);
    await network.send('test.c', { amount: TOO_LARGE });
    await rows(page).first().getByRole('link').click();
    await page.getByTestId('verdict').waitFor();
    await page.getByRole('searchbox').fill('');
    await page.getByRole('searchbox').blur();
    // The list holds still below the pointer.
    await page.mouse.move(480, 110);
    await eventually('Prepares and Fulfills are on their way', async () =>
      await drawnPixels(page, 'blue') > 900 && await drawnPixels(page, 'green') > 1500);
    const session = await page.context().newCDPSession(page);
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 80 });
    await fs.mkdir(path.dirname(README ?? ''), { recursive: true });
    await fs.writeFile(README ?? '', Buffer.from(data, 'base64'));
  });
});
