'use strict'
// A real `ilp-connector` as child, peer and parent of our node, each with a client: addresses by IL-DCP, packets in both
// directions, unchanged Rejects, and balances that agree exactly.

const assert = require('node:assert/strict')

const { createTraffic, exchangePackets, addressOf } = require('./lib/traffic')
const { get, startNode } = require('./lib/connector')
const manual = require('./lib/manual')
const { scenario } = require('./lib/matrix')
const { makePrepare, assertReject } = require('./lib/packets')
const plugins = require('./lib/plugin')
const { startTheirs } = require('./lib/theirs')
const { eventually, freePort } = require('./lib/waiting')

const COMPARED_MS_MAX = 10_000

/** Starts our node (which dials, or is dialled) and theirs, with the client alice at ours and tina at theirs. */
async function meet (t, name, { weDial, more = '' }) {
  const start = async (half, ports) => await startNode(t, manual.half(`${name}/${half}`, ports) + more)
  let ours, theirs
  if (weDial) {
    const ports = { 7768: await freePort() }
    theirs = await startTheirs(t, manual.load(`${name}/theirs`, ports))
    ours = await start('ours', ports)
  } else {
    ours = await start('ours', {})
    theirs = await startTheirs(t, manual.load(`${name}/theirs`, { 3000: ours.port }))
  }
  await theirs.connected()
  await ours.ready()

  const traffic = createTraffic()
  const alice = plugins.client(t, ours.port, 'alice', 'alice-secret')
  alice.registerDataHandler(traffic.handler)
  await alice.connect()
  const tina = await theirs.connect('tina', traffic.handler)
  return { ours, theirs, alice, tina, traffic }
}

/** Sends all kinds of packets between the two; their balances must agree afterwards. */
async function pay ({ ours, theirs, alice, tina, traffic }, addresses) {
  const [aliceAt, tinaAt] = await Promise.all([addressOf(alice), addressOf(tina)])
  assert.deepEqual({ alice: aliceAt, tina: tinaAt, theirs: await theirs.address() }, addresses)
  const paid = await exchangePackets(traffic,
    { plugin: alice, address: aliceAt }, { plugin: tina, address: tinaAt })
  assert.deepEqual(await ours.balances(), { alice: paid, theirs: -paid })
  assert.deepEqual(await theirs.balances(), { ours: paid, clients: -paid })
}

scenario('their connector as our child', { theirChild: ['BTP', 'packets', 'IL-DCP'] }, async t => {
  const met = await meet(t, 'connector-child', { weDial: false })
  await pay(met, {
    alice: 'test.hub.alice', tina: 'test.hub.theirs.clients.tina', theirs: 'test.hub.theirs'
  })
  // Their packets for unknown addresses come to us, and we reject them.
  assertReject(await met.tina.sendData(makePrepare('test.nowhere').bytes), 'F02', 'test.hub')
})

scenario('their connector as our peer', { theirPeer: ['BTP', 'packets'] }, async t => {
  const met = await meet(t, 'connector-peer', { weDial: true })
  await pay(met, { alice: 'test.hub.alice', tina: 'test.theirs.clients.tina', theirs: 'test.theirs' })
})

scenario('their connector is asked to compare books, which it does not', {}, async t => {
  const more = 'store: books.db\nreconcileIntervalMs: 1000\n'
  const met = await meet(t, 'connector-peer', { weDial: true, more })
  // It rejects the question, which is no alarm, and packets move on both sides of it.
  for (let times = 0; times < 2; times++) {
    await eventually('the peer is asked', COMPARED_MS_MAX, async () => {
      const { peers } = (await get(met.ours.healthPort, '/peers')).body
      return peers.find(peer => peer.id === 'theirs').reconcile?.verdict === 'unsupported'
    })
    if (times === 0) {
      await pay(met, { alice: 'test.hub.alice', tina: 'test.theirs.clients.tina', theirs: 'test.theirs' })
    }
  }
  const lines = met.ours.log().split('\n').filter(line => line.includes('compared with ours'))
  assert.deepEqual(lines, [])
})

scenario('their connector as our parent', { theirParent: ['BTP', 'packets', 'IL-DCP'] }, async t => {
  const met = await meet(t, 'connector-parent', { weDial: true })
  await pay(met, {
    alice: 'test.theirs.ours.alice', tina: 'test.theirs.clients.tina', theirs: 'test.theirs'
  })
  // Our packets for unknown addresses go to their connector, which rejects them.
  assertReject(await met.alice.sendData(makePrepare('test.nowhere').bytes), 'F02', 'test.theirs')
})
