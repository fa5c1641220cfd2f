'use strict'
// Our node dials `ilp-plugin-btp` in its server mode; and clients of the package outlive our restart.

const assert = require('node:assert/strict')
const { test } = require('node:test')

const { startHub, connect, ADDRESS } = require('./lib/hub')
const { scenario } = require('./lib/matrix')
const { eventually, freePort } = require('./lib/waiting')
const plugins = require('./lib/plugin')
const { makePrepare, receiver, remember, assertFulfill, assertReject } = require('./lib/packets')

const SECRET = 'listener-secret-93ab'
// The first retries come after 1, 2 and 4 s, with jitter.
const RECONNECT_MS_MAX = 20_000

async function listen (t, port, handler) {
  const plugin = plugins.listener(t, port, SECRET)
  plugin.registerDataHandler(handler)
  // Resolves when the node has logged in.
  return { plugin, loggedIn: plugin.connect() }
}

const becomes = (hub, code) =>
  eventually(`/health answers ${code}`, RECONNECT_MS_MAX, async () => (await hub.health())?.code === code)

async function exchangePackets (known, from, destination) {
  const prepare = makePrepare(destination)
  remember(known, prepare)
  assertFulfill(await from.sendData(prepare.bytes), prepare)
}

scenario('the node logs in at a listener, and packets flow in both directions', { btpListener: ['BTP', 'packets'] }, async t => {
  const port = await freePort()
  const known = new Map()
  const { plugin, loggedIn } = await listen(t, port, receiver(known))
  const hub = await startHub(t, {
    alice: {},
    remote: { url: `btp+ws://127.0.0.1:${port}`, authToken: SECRET }
  })
  await loggedIn
  await becomes(hub, 200)
  const alice = await connect(t, hub, 'alice', receiver(known))
  await Promise.all(Array.from({ length: 50 }, () => [
    exchangePackets(known, alice, 'test.remote.x'), exchangePackets(known, plugin, 'test.alice.x')
  ]).flat())
})

test('the node logs in with the name and token of the URL', async t => {
  const port = await freePort()
  const { plugin } = await listen(t, port, receiver(new Map()))
  const logins = []
  const accept = plugin._validateAuthPacket
  plugin._validateAuthPacket = function (packet) {
    logins.push(Object.fromEntries(packet.data.protocolData.map(entry => [entry.protocolName, entry.data.toString()])))
    return accept.call(this, packet)
  }
  const hub = await startHub(t, { remote: { url: `btp+ws://another-name:${SECRET}@127.0.0.1:${port}` } })
  await becomes(hub, 200)
  assert.deepEqual(logins, [{ auth: '', auth_username: 'another-name', auth_token: SECRET }])
})

scenario('a node reconnects to a listener that starts later and restarts', { btpListener: ['BTP'] }, async t => {
  const port = await freePort()
  const known = new Map()
  const hub = await startHub(t, {
    alice: {},
    remote: { url: `btp+ws://127.0.0.1:${port}`, authToken: SECRET }
  })
  const alice = await connect(t, hub, 'alice', receiver(known))
  const refused = async () =>
    assertReject(await alice.sendData(makePrepare('test.remote').bytes), 'T01', ADDRESS)

  assert.equal((await hub.health()).code, 503)
  await refused()
  for (let round = 0; round < 2; round++) {
    const { plugin } = await listen(t, port, receiver(known))
    await becomes(hub, 200)
    await exchangePackets(known, alice, 'test.remote')
    await exchangePackets(known, plugin, 'test.alice')
    await plugin.disconnect()
    await becomes(hub, 503)
    await refused()
  }
})

test('a refused token is reported, not printed, and tried again', async t => {
  const port = await freePort()
  const WRONG = 'wrong-secret-61f0'
  const plugin = plugins.listener(t, port, SECRET)
  // connect() of this object fails with the first refused login, but it keeps listening.
  const loggedIn = assert.rejects(plugin.connect(), /connection aborted/)
  const hub = await startHub(t, { remote: { url: `btp+ws://127.0.0.1:${port}`, authToken: WRONG } })
  await loggedIn
  const peer = await eventually('/health names the cause', RECONNECT_MS_MAX, async () => {
    const [peer] = (await hub.health()).body.peers
    return peer.lastError && peer
  })
  assert.match(peer.lastError, /auth/i)
  assert.ok(!JSON.stringify(peer).includes(WRONG))
})

test('a client reconnects after a restart of the node', async t => {
  const known = new Map()
  const first = await startHub(t, { alice: {}, bob: {} })
  const alice = await connect(t, first, 'alice')
  const bob = await connect(t, first, 'bob', receiver(known))
  await exchangePackets(known, alice, 'test.bob')

  await first.stop()
  await eventually('the clients are disconnected', 5_000, () => !alice.isConnected() && !bob.isConnected())
  await startHub(t, { alice: {}, bob: {} }, { btpServerPort: first.port })
  await eventually('the clients are connected again', RECONNECT_MS_MAX, () => alice.isConnected() && bob.isConnected())
  await exchangePackets(known, alice, 'test.bob')
})
