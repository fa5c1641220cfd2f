'use strict'
// Our node a, their connector t, our node c, in a line: a dials t, and t dials c.

const { startNode } = require('./connector')
const plugins = require('./plugin')
const { startTheirs } = require('./theirs')
const { eventually, freePort } = require('./waiting')

// Their connector refuses an early first request for routes, and itself requests again only after 30 s: our retry must
// come sooner.
const CONVERGED_MS_MAX = 15_000

const token = name => `token-of-${name}-7e21`

/**
 * Starts the three and waits until they are connected and know all routes, which are static or, with `dynamic`, learned by
 * CCP. `child` is added to the client entries of our nodes, `more` to the file of c.
 */
async function startChain (t, { dynamic = false, child = {}, more = {} } = {}) {
  const [port, portOfC] = [await freePort(), await freePort()]
  const client = id => ({ id, relation: 'child', authToken: token(id), ...child })
  const routes = prefix => dynamic ? { routing: 'dynamic' } : { routes: [{ prefix, nextHop: 't' }] }
  const startC = () => startNode(t, {
    nodeId: 'c',
    ilpAddress: 'test.c',
    btpServerPort: portOfC,
    peers: [{ id: 't', authToken: token('t'), required: true }, client('carol')],
    ...routes('test.a'),
    ...more
  })
  const startT = () => startTheirs(t, {
    CONNECTOR_ILP_ADDRESS: 'test.t',
    CONNECTOR_BACKEND: 'one-to-one',
    CONNECTOR_SPREAD: '0',
    CONNECTOR_ROUTE_BROADCAST_INTERVAL: '1000',
    CONNECTOR_ROUTES: JSON.stringify(dynamic
      ? []
      : [{ targetPrefix: 'test.a', peerId: 'a' }, { targetPrefix: 'test.c', peerId: 'c' }]),
    CONNECTOR_ACCOUNTS: JSON.stringify({
      a: account({ listener: { port, secret: token('t') } }, dynamic),
      c: account({ server: `btp+ws://t:${token('t')}@127.0.0.1:${portOfC}` }, dynamic)
    })
  })
  const c = await startC()
  const theirs = await startT()
  const a = await startNode(t, {
    nodeId: 'a',
    ilpAddress: 'test.a',
    peers: [{ id: 't', url: `ws://127.0.0.1:${port}`, authToken: token('t') }, client('alice')],
    ...routes('test.c')
  })
  const chain = {
    a,
    theirs,
    c,
    /** Clients that have not connected yet: alice at a, carol at c. */
    alice: plugins.client(t, a.port, 'alice', token('alice')),
    carol: plugins.client(t, c.port, 'carol', token('carol')),
    /** Starts a stopped node again with the same settings. */
    restart: { c: async () => { chain.c = await startC() }, t: async () => { chain.theirs = await startT() } },
    /** Waits until all three have routes to each other. */
    converged: async () => {
      await Promise.all([chain.theirs.connected(), a.ready(), chain.c.ready()])
      await waitForRoutes('a', 'test.c', async () => (await a.route('test.c.carol')).nextHop === 't')
      await waitForRoutes('c', 'test.a', async () => (await chain.c.route('test.a.alice')).nextHop === 't')
      await waitForRoutes('t', 'test.a and test.c', async () => {
        const table = await chain.theirs.routes()
        return table['test.a']?.nextHop === 'a' && table['test.c']?.nextHop === 'c'
      })
    }
  }
  await chain.converged()
  return chain
}

const account = (options, exchangesRoutes) => ({
  relation: 'peer',
  plugin: 'ilp-plugin-btp',
  options,
  assetCode: 'USD',
  assetScale: 9,
  balance: { minimum: '-Infinity', maximum: 'Infinity' },
  rateLimit: { refillPeriod: 1000, refillCount: 100_000 },
  sendRoutes: exchangesRoutes,
  receiveRoutes: exchangesRoutes
})

const waitForRoutes = (who, what, look) => eventually(`${who} has a route to ${what}`, CONVERGED_MS_MAX, look)

module.exports = { startChain, token, CONVERGED_MS_MAX }
