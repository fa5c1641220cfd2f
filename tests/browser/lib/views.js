// All views of the page, for the tests that look at each of them.

/** @typedef {import('playwright-core').Page} Page */

/**
 * @param {{ get: (where: string) => Promise<any> }} network that has rejected packets
 * @returns {Promise<{ name: string, hash: string, shown: (page: Page) => import('playwright-core').Locator }[]>}
 */
export async function viewsOf(network) {
  const { packets } = await network.get('/packets?filter=code%3DF08&limit=1');
  const packet = encodeURIComponent(packets[0].id);
  const { features } = await network.get('');
  const lab = { name: 'lab', hash: '#/network?sel=lab:all', shown: (/** @type {Page} */ page) => page.getByTestId('lab-view') };
  return [
    ...(features.includes('lab') ? [lab] : []),
    { name: 'pings', hash: '#/network?sel=pings:all', shown: (page) => page.getByTestId('probes-view') },
    { name: 'network', hash: '#/network', shown: (page) => page.getByTestId('graph') },
    { name: 'node', hash: '#/network?sel=node:b', shown: (page) => page.getByTestId('drawer').getByTestId('accounts') },
    { name: 'link', hash: '#/link/a~b', shown: (page) => page.getByTestId('difference') },
    { name: 'packets', hash: '#/packets', shown: (page) => page.getByTestId('packets').locator('[role=row][aria-selected]').first() },
    { name: 'packet', hash: `#/packet/${packet}`, shown: (page) => page.getByTestId('ladder') },
    { name: 'routes', hash: '#/routes?node=a&destination=test.c.nobody', shown: (page) => page.getByTestId('walk') },
    { name: 'money', hash: '#/money', shown: (page) => page.getByTestId('money') },
    { name: 'config', hash: '#/config?node=b', shown: (page) => page.getByTestId('values').or(page.getByText('does not offer its configuration')).first() },
    { name: 'events', hash: '#/events', shown: (page) => page.getByTestId('events') },
  ];
}
