// Debian's Chromium, and pages that fail their test if they report an error, break their content security policy, or ask
// another server for anything.

import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

import { pageFile } from './fixture.js';
import { WAIT_MS_MAX, atEnd } from './waiting.js';

/** A hint about `drawnPixels`. */
const READBACK = /willReadFrequently/;
const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** While one works on the page: its files come from src/ui, and the program need not be built again. */
const IS_FROM_SOURCE = process.env.PAGE_FROM_SOURCE != null;

/** @param {any} t */
export async function startBrowser(t) {
  const isRoot = process.getuid?.() === 0;
  // Chromium refuses to sandbox for root.
  const browser = await chromium.launch({ executablePath: EXECUTABLE, chromiumSandbox: !isRoot });
  atEnd(t, () => browser.close());
  return browser;
}

/**
 * A page of its own, as of another reader, at the hash of a view. `expected` matches errors of the console that the test
 * itself causes.
 * @param {any} t @param {import('playwright-core').Browser} browser @param {string} url
 * @param {{ hash?: string, theme?: 'dark' | 'light', width?: number, height?: number, isStill?: boolean, expected?: RegExp }} [how]
 */
export async function openPage(t, browser, url, { hash = '', theme = 'dark', width = 1440, height = 900, isStill = false, expected } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: theme, reducedMotion: isStill ? 'reduce' : 'no-preference', locale: 'en-GB', timezoneId: 'UTC',
  });
  context.setDefaultTimeout(WAIT_MS_MAX);
  /** @type {string[]} */
  const problems = [];
  await context.exposeBinding('reportViolation', (_, what) => { problems.push(`content security policy: ${what}`); });
  await context.addInitScript(() => {
    // @ts-ignore
    addEventListener('securitypolicyviolation', (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
  });
  context.on('weberror', (error) => { problems.push(`error: ${error.error().stack}`); });
  context.on('console', (message) => {
    const text = message.text();
    if (['error', 'warning'].includes(message.type()) && !READBACK.test(text) && !expected?.test(text)) problems.push(`console: ${text}`);
  });
  context.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== 'data:' && origin !== new URL(url).origin) problems.push(`a request to ${request.url()}`);
  });
  if (IS_FROM_SOURCE) {
    await context.route(/\/ui\/[^#?]*$/, (route) => {
      const file = pageFile(new URL(route.request().url()).pathname.slice('/ui/'.length));
      return file ? route.fulfill({ ...file, status: 200 }) : route.fulfill({ status: 404 });
    });
  }
  const page = await context.newPage();
  atEnd(t, async () => {
    await context.close();
    assert.deepEqual(problems, []);
  });
  await page.goto(`${url}/ui/${hash}`);
  return page;
}

/** The rows of the list of packets. @param {import('playwright-core').Page} page */
export const rows = (page) => page.getByTestId('packets').locator('[role=row][aria-selected]');

/** Waits until the page has the stream. @param {import('playwright-core').Page} page */
export const live = async (page) => page.getByTestId('healthy').getByText('3/3').waitFor();

/**
 * Pixels of the canvas of the dots that are not transparent: all, or those of a Prepare or a Fulfill.
 * @param {import('playwright-core').Page} page @param {'any' | 'blue' | 'green'} [color] @returns {Promise<number>}
 */
export const drawnPixels = (page, color = 'any') => page.evaluate((color) => {
  const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById('dots'));
  if (canvas.width === 0 || canvas.height === 0) return 0;
  const data = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
  let drawn = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [, green = 0, blue = 0, opacity = 0] = [data[i], data[i + 1], data[i + 2], data[i + 3]];
    if (opacity > 0 && (color === 'any' || (color === 'blue' ? blue > green + 30 : green > blue + 30))) drawn += 1;
  }
  return drawn;
}, color);

/** What a reader would have to scroll sideways for. @param {import('playwright-core').Page} page @returns {Promise<string[]>} */
export function outsideOf(page) {
  return page.evaluate(() => {
    const isScrolled = (/** @type {Element | null} */ element) => {
      for (let at = element; at; at = at.parentElement) {
        if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(at).overflowX) && at !== document.documentElement && at !== document.body) return true;
      }
      return false;
    };
    const found = document.documentElement.scrollWidth > innerWidth ? [`the page is ${document.documentElement.scrollWidth} wide`] : [];
    for (const control of document.querySelectorAll('a, button, input, select')) {
      const { left, right, width: w } = control.getBoundingClientRect();
      const isUnseen = w < 2 || control.classList.contains('skip');
      if (!isUnseen && (left < -1 || right > innerWidth + 1) && !isScrolled(control.parentElement)) found.push(control.outerHTML.slice(0, 160));
    }
    return found;
  });
}
