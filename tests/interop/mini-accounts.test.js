'use strict'
// Our node as a child of an `ilp-plugin-mini-accounts`, beside another client.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const MiniAccounts = require('ilp-plugin-mini-accounts')
const Store = require('ilp-store-memory')

const { createTraffic, exchangePackets, addressOf } = require('./lib/traffic')
const { startNode } = require('./lib/connector')
const manual = require('./lib/manual')
const { scenario } = require('./lib/matrix')
const plugins = require('./lib/plugin')
const { atEnd, freePort } = require('./lib/waiting')

/** Runs a mini-accounts plugin; it forwards packets between its clients. */
async function listen (t, mini) {
  mini.registerDataHandler(bytes => mini.sendData(bytes))
  await mini.connect()
  atEnd(t, () => mini.disconnect())
}

/** Starts our node as its client; alice (at our node) and tina (beside it) pay each other. */
async function payBeside (t, settings, port, address) {
  const hub = await startNode(t, settings)
  await hub.ready()
  const traffic = createTraffic()
  const connect = async (port, name, token) => {
    const plugin = plugins.client(t, port, name, token)
    plugin.registerDataHandler(traffic.handler)
    await plugin.connect()
    return { plugin, address: await addressOf(plugin) }
  }
  const alice = await connect(hub.port, 'alice', 'alice-secret')
  assert.equal(alice.address, `${address}.alice`)
  const paid = await exchangePackets(traffic, alice, await connect(port, '', 'tina-secret'))
  assert.deepEqual(await hub.balances(), { alice: paid, parent: -paid })
}

scenario('our node is an account by the hash of its token',
  { miniAccounts: ['BTP', 'packets', 'IL-DCP'] }, async t => {
    const ports = { 7768: await freePort() }
    await listen(t, manual.load('mini-accounts/theirs', ports))
    const hash = createHash('sha256').update('hub-secret').digest('base64url')
    await payBeside(t, manual.half('mini-accounts/ours', ports), ports[7768], `test.mini.${hash}`)
  })

scenario('with a store, our node is an account by its name', { miniAccounts: ['BTP'] }, async t => {
  const port = await freePort()
  await listen(t, new MiniAccounts({
    wsOpts: { host: '127.0.0.1', port },
    debugHostIldcpInfo: { clientAddress: 'test.mini', assetCode: 'EUR', assetScale: 2 },
    _store: new Store()
  }))
  await payBeside(t, {
    nodeId: 'hub',
    peers: [
      { id: 'parent', relation: 'parent', url: `ws://127.0.0.1:${port}`, authToken: 'hub-secret' },
      { id: 'alice', relation: 'child', authToken: 'alice-secret' }
    ]
  }, port, 'test.mini.hub')
})
