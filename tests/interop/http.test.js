'use strict'
// `ilp-plugin-http` beside our node: it posts to us, and we post to it.

const assert = require('node:assert/strict')
const ilp = require('ilp-packet')

const { createTraffic, exchangePackets } = require('./lib/traffic')
const { startNode } = require('./lib/connector')
const manual = require('./lib/manual')
const { scenario } = require('./lib/matrix')
const { makePrepare, assertReject } = require('./lib/packets')
const plugins = require('./lib/plugin')
const { atEnd, freePort } = require('./lib/waiting')

/** Starts both halves of `name`; alice (at our node, by BTP) and the plugin pay each other; then the plugin stops. */
async function payOver (t, name) {
  const ports = { 7768: await freePort(), 7770: await freePort() }
  const { handler, ...traffic } = createTraffic()
  const remote = manual.load(`${name}/theirs`, ports)
  remote.registerDataHandler(handler)
  await remote.connect()
  atEnd(t, () => remote.disconnect())
  const hub = await startNode(t, manual.half(`${name}/ours`, ports))
  await hub.ready()
  const alice = plugins.client(t, hub.port, 'alice', 'alice-secret')
  alice.registerDataHandler(handler)
  await alice.connect()
  // Send one packet first: what the plugin sends while it signs its first JWT goes out without one.
  assertReject(await remote.sendData(makePrepare('test.hub').bytes), 'F06', 'test.hub')
  const paid = await exchangePackets(traffic,
    { plugin: alice, address: 'test.hub.alice' }, { plugin: remote, address: 'test.remote' })
  assert.deepEqual(await hub.balances(), { alice: paid, remote: -paid })

  // The plugin closes its port, but answers 502 on open connections.
  await remote.disconnect()
  const { code } = ilp.deserializeIlpReject(await alice.sendData(makePrepare('test.remote').bytes))
  assert.match(code, /^T0[01]$/)
}

const BOTH = { httpBoth: ['HTTP', 'packets'] }

scenario('packets over HTTP in both directions, with tokens', BOTH, t => payOver(t, 'http'))
scenario('packets over HTTP in both directions, with JWTs', BOTH, t => payOver(t, 'http-jwt'))
