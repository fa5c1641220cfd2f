'use strict'
// `ilp-plugin-http` beside our node: it posts to us, and we post to it.

const assert = require('node:assert/strict')
const ilp = require('ilp-packet')

const { acquaintance, exchange } = require('./lib/behind')
const { startNode } = require('./lib/connector')
const manual = require('./lib/manual')
const { scenario } = require('./lib/matrix')
const { makePrepare, assertReject } = require('./lib/packets')
const plugins = require('./lib/plugin')
const { atEnd, freePort } = require('./lib/waiting')

/** Starts both halves of `name`, lets alice (behind our node, by BTP) and the plugin pay each other, and ends the plugin. */
async function payOver (t, name) {
  const ports = { 7768: await freePort(), 7770: await freePort() }
  const { handler, ...acquainted } = acquaintance()
  const remote = manual.load(`${name}/theirs`, ports)
  remote.registerDataHandler(handler)
  await remote.connect()
  atEnd(t, () => remote.disconnect())
  const hub = await startNode(t, manual.half(`${name}/ours`, ports))
  await hub.ready()
  const alice = plugins.client(t, hub.port, 'alice', 'alice-secret')
  alice.registerDataHandler(handler)
  await alice.connect()
  // Alone: what it sends while it signs its first JWT goes out without one.
  assertReject(await remote.sendData(makePrepare('test.hub').bytes), 'F06', 'test.hub')
  const paid = await exchange(acquainted,
    { plugin: alice, address: 'test.hub.alice' }, { plugin: remote, address: 'test.remote' })
  assert.deepEqual(await hub.balances(), { alice: paid, remote: -paid })

  // It closes its port, but answers 502 on connections that are open.
  await remote.disconnect()
  const { code } = ilp.deserializeIlpReject(await alice.sendData(makePrepare('test.remote').bytes))
  assert.match(code, /^T0[01]$/)
}

const BOTH = { httpBoth: ['HTTP', 'packets'] }

scenario('packets over HTTP both ways, with tokens', BOTH, t => payOver(t, 'http'))
scenario('packets over HTTP both ways, with JWTs', BOTH, t => payOver(t, 'http-jwt'))
