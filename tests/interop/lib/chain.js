'use strict'
// Our node a, their connector t, our node c, in a line: a dials t, and t dials c.

const { startNode } = require('./connector')
const plugins = require('./plugin')
const { startTheirs } = require('./theirs')
const { freePort } = require('./waiting')

const token = name => `token-of-${name}-7e21`

/** Starts the three and waits until they are connected. `child` is what both of ours give to each of their children. */
async function startChain (t, child = {}) {
  const port = await freePort()
  const children = names => names.map(id => ({ id, relation: 'child', authToken: token(id), ...child }))
  const c = await startNode(t, {
    nodeId: 'c',
    ilpAddress: 'test.c',
    peers: [{ id: 't', authToken: token('t'), required: true }, ...children(['carol'])],
    routes: [{ prefix: 'test.a', nextHop: 't' }]
  })
  const account = options => ({
    relation: 'peer',
    plugin: 'ilp-plugin-btp',
    options,
    assetCode: 'USD',
    assetScale: 9,
    balance: { minimum: '-Infinity', maximum: 'Infinity' },
    rateLimit: { refillPeriod: 1000, refillCount: 100_000 },
    sendRoutes: false,
    receiveRoutes: false
  })
  const theirs = await startTheirs(t, {
    CONNECTOR_ILP_ADDRESS: 'test.t',
    CONNECTOR_BACKEND: 'one-to-one',
    CONNECTOR_SPREAD: '0',
    CONNECTOR_ROUTES: JSON.stringify([
      { targetPrefix: 'test.a', peerId: 'a' }, { targetPrefix: 'test.c', peerId: 'c' }
    ]),
    CONNECTOR_ACCOUNTS: JSON.stringify({
      a: account({ listener: { port, secret: token('t') } }),
      c: account({ server: `btp+ws://t:${token('t')}@127.0.0.1:${c.port}` })
    })
  })
  const a = await startNode(t, {
    nodeId: 'a',
    ilpAddress: 'test.a',
    peers: [{ id: 't', url: `ws://127.0.0.1:${port}`, authToken: token('t') }, ...children(['alice'])],
    routes: [{ prefix: 'test.c', nextHop: 't' }]
  })
  await Promise.all([theirs.connected(), a.ready(), c.ready()])
  return {
    a,
    theirs,
    c,
    /** Clients that have not connected yet: alice behind a, carol behind c. */
    alice: plugins.client(t, a.port, 'alice', token('alice')),
    carol: plugins.client(t, c.port, 'carol', token('carol'))
  }
}

module.exports = { startChain }
