'use strict'
// Packets and payments through our node, their connector, and our node again: three processes, with clients of the public
// packages at both ends. Every book on the way must agree to the unit.

const assert = require('node:assert/strict')

const { acquaintance, exchange } = require('./lib/behind')
const { startChain } = require('./lib/chain')
const { scenario } = require('./lib/matrix')
const { makePrepare, assertReject } = require('./lib/packets')
const stream = require('./lib/stream')

const AMOUNT = 1_000_000n

/** The three books after alice has paid `paid` to carol. */
async function assertBooks ({ a, theirs, c }, paid) {
  assert.deepEqual(await a.balances(), { alice: paid, t: -paid })
  assert.deepEqual(await theirs.balances(), { a: paid, c: -paid, clients: 0n })
  assert.deepEqual(await c.balances(), { t: paid, carol: -paid })
}

scenario('packets both ways through a mixed chain', { chain: ['BTP', 'packets'] }, async t => {
  const chain = await startChain(t)
  const { alice, carol } = chain
  const acquainted = acquaintance()
  for (const plugin of [alice, carol]) {
    plugin.registerDataHandler(acquainted.handler)
    await plugin.connect()
  }
  const paid = await exchange(acquainted,
    { plugin: alice, address: 'test.a.alice' }, { plugin: carol, address: 'test.c.carol' })
  await assertBooks(chain, paid)

  // Rejects of each connector come back from where they were made.
  assertReject(await alice.sendData(makePrepare('test.nowhere').bytes), 'F02', 'test.a')
  assertReject(await alice.sendData(makePrepare('test.c.nobody').bytes), 'F02', 'test.c')
  await carol.disconnect()
  await chain.c.without('carol')
  assertReject(await alice.sendData(makePrepare('test.c.carol').bytes), 'T01', 'test.c')
})

scenario('a STREAM payment of a million units in a thousand packets',
  { streamSender: ['BTP', 'IL-DCP', 'STREAM'], chain: ['STREAM'] }, async t => {
    const chain = await startChain(t, { maxPacketAmount: 1_000 })
    const payee = await stream.listen(t, chain.carol)
    const { sent, delivered } = await stream.pay(chain.alice, payee.invite(), AMOUNT)
    assert.deepEqual({ sent, delivered }, { sent: AMOUNT, delivered: AMOUNT })
    const { amount, packets } = payee.received()
    assert.equal(amount, AMOUNT)
    assert.ok(packets >= 1_000, `${packets} packets`)
    await assertBooks(chain, AMOUNT)
  })
