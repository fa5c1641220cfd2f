'use strict'
// Packets and payments through our node, their connector, and our node again: three processes, with clients of the public
// packages at both ends. Every book on the way must agree to the unit.

const assert = require('node:assert/strict')

const { createTraffic, exchangePackets } = require('./lib/traffic')
const { startChain } = require('./lib/chain')
const { scenario } = require('./lib/matrix')
const { makePrepare, assertReject } = require('./lib/packets')
const stream = require('./lib/stream')

const AMOUNT = 1_000_000n

/** Checks the balances of the three nodes after alice has paid `paid` to carol. */
async function assertBooks ({ a, theirs, c }, paid) {
  assert.deepEqual(await a.balances(), { alice: paid, t: -paid })
  assert.deepEqual(await theirs.balances(), { a: paid, c: -paid, clients: 0n })
  assert.deepEqual(await c.balances(), { t: paid, carol: -paid })
}

scenario('packets in both directions through a mixed chain', { chain: ['BTP', 'packets'] }, async t => {
  const chain = await startChain(t)
  const { alice, carol } = chain
  const traffic = createTraffic()
  for (const plugin of [alice, carol]) {
    plugin.registerDataHandler(traffic.handler)
    await plugin.connect()
  }
  const paid = await exchangePackets(traffic,
    { plugin: alice, address: 'test.a.alice' }, { plugin: carol, address: 'test.c.carol' })
  await assertBooks(chain, paid)

  // The Rejects of each connector name it in `triggeredBy`.
  assertReject(await alice.sendData(makePrepare('test.nowhere').bytes), 'F02', 'test.a')
  assertReject(await alice.sendData(makePrepare('test.c.nobody').bytes), 'F02', 'test.c')
  await carol.disconnect()
  await chain.c.without('carol')
  assertReject(await alice.sendData(makePrepare('test.c.carol').bytes), 'T01', 'test.c')
})

/** A million units from alice to carol in `count` packets or more: all of them arrive, and all balances agree. */
async function streamThrough (t, listen, pay, count) {
  const chain = await startChain(t, { child: { maxPacketAmount: Number(AMOUNT) / count } })
  const receiver = await listen(t, chain.carol)
  const { sent, delivered } = await pay(chain.alice, receiver, AMOUNT)
  assert.deepEqual({ sent, delivered }, { sent: AMOUNT, delivered: AMOUNT })
  assert.equal(receiver.received.amount, AMOUNT)
  assert.ok(receiver.received.packets >= count, `only ${receiver.received.packets} packets`)
  await assertBooks(chain, AMOUNT)
}

scenario('a STREAM payment of a million units in a thousand packets',
  { stream: ['BTP', 'IL-DCP', 'STREAM'], chain: ['STREAM'] },
  t => streamThrough(t, stream.listen, stream.pay, 1_000))

// Fewer packets, because this sender is slower.
scenario('the same payment with the sender and receiver of Rafiki',
  { rafikiSender: ['BTP', 'STREAM'], rafikiReceiver: ['BTP', 'IL-DCP', 'STREAM'], chain: ['STREAM'] },
  t => streamThrough(t, stream.listenAsRafiki, stream.payAsRafiki, 100))
