// What axe-core finds on a page that readers with a screen reader or weak sight could not use.

import fs from 'node:fs';
import { createRequire } from 'node:module';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What axe finds. @param {import('playwright-core').Page} page @returns {Promise<string[]>} */
export async function violations(page) {
  await page.evaluate(AXE);
  return page.evaluate(async (rules) => {
    // @ts-ignore
    const { violations } = await axe.run(document, { runOnly: { type: 'tag', values: rules } });
    const places = violations.flatMap((/** @type {any} */ { id, nodes }) => nodes.map((/** @type {any} */ { target, failureSummary }) => ({ id, target: String(target), failureSummary })));
    // Figures beside a node or link of the graph are no label; axe takes all texts of an SVG as one label.
    const isFigure = (/** @type {any} */ { id, target }) => id === 'label-content-name-mismatch' && document.querySelector(target)?.closest('svg');
    return places.filter((/** @type {any} */ place) => !isFigure(place)).map((/** @type {any} */ place) => Object.values(place).join(' '));
  }, RULES);
}
