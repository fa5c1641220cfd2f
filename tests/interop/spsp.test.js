'use strict'
// Senders of others pay the receiver of our node: they ask its SPSP resource and send STREAM packets.

const assert = require('node:assert/strict')
const Spsp = require('ilp-protocol-spsp')

const { startChain } = require('./lib/chain')
const { startNode } = require('./lib/connector')
const manual = require('./lib/manual')
const { scenario } = require('./lib/matrix')
const stream = require('./lib/stream')

const AMOUNT = 1_000_000n

// The client has an older `ilp-protocol-stream` of its own.
manual.load('cure/theirs', {})(require(require.resolve('ilp-protocol-stream', {
  paths: [require.resolve('ilp-protocol-spsp')]
})))

scenario('an SPSP client pays our receiver', { spspClient: ['BTP', 'IL-DCP', 'STREAM', 'SPSP'] }, async t => {
  const hub = await startNode(t, manual.half('spsp/ours', { 7770: 0 }))
  const { totalSent } = await manual.load('spsp/theirs', { 3000: hub.port, 7770: hub.httpPort })
  assert.equal(BigInt(totalSent), AMOUNT)
  assert.deepEqual(await hub.balances(), { alice: AMOUNT, wallet: -AMOUNT })
})

scenario('what SPSP clients rely on', { spspClient: ['SPSP'] }, async t => {
  const hub = await startNode(t, manual.half('spsp/ours', { 7770: 0 }))
  const query = path => Spsp.query(`http://127.0.0.1:${hub.httpPort}${path}`)
  const [first, second] = [await query('/wallet'), await query('/')]
  for (const answer of [first, second]) {
    assert.match(answer.content_type, /^application\/spsp4\+json/)
    assert.match(answer.destination_account, /^test\.hub\.wallet\.[A-Za-z0-9_-]+$/)
    assert.equal(Buffer.from(answer.shared_secret, 'base64').length, 32)
  }
  assert.notEqual(first.shared_secret, second.shared_secret)
  await assert.rejects(query('/nobody'), /status=404/)
})

/** Lets `pay` send a million units from alice, through the mixed chain, to the receiver of its last node. */
async function payWallet (t, pay, count) {
  const chain = await startChain(t, {
    child: { maxPacketAmount: Number(AMOUNT) / count },
    more: { httpServerPort: 0, receivers: [{ id: 'wallet' }] }
  })
  const answer = await Spsp.query(`http://127.0.0.1:${chain.c.httpPort}/wallet`)
  const payee = {
    address: answer.destination_account, secret: Buffer.from(answer.shared_secret, 'base64')
  }
  assert.deepEqual(await pay(chain.alice, payee, AMOUNT), { sent: AMOUNT, delivered: AMOUNT })
  assert.deepEqual(await chain.a.balances(), { alice: AMOUNT, t: -AMOUNT })
  assert.deepEqual(await chain.theirs.balances(), { a: AMOUNT, c: -AMOUNT, clients: 0n })
  assert.deepEqual(await chain.c.balances(), { t: AMOUNT, carol: 0n, wallet: -AMOUNT })
}

scenario('a million units in a thousand packets through a mixed chain to our receiver',
  { stream: ['STREAM'], chain: ['STREAM'] }, t => payWallet(t, stream.pay, 1_000))

scenario('the same as Rafiki pays', { rafikiSender: ['STREAM'] }, t => payWallet(t, stream.payAsRafiki, 100))
