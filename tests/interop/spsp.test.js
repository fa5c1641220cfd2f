'use strict'
// Senders of other implementations pay the receiver of our node: they query its SPSP endpoint and send STREAM packets.

const assert = require('node:assert/strict')
const { randomBytes } = require('node:crypto')
const Spsp = require('ilp-protocol-spsp')
const { verifyReceipt } = require('ilp-protocol-stream')

const { startChain } = require('./lib/chain')
const { startNode } = require('./lib/connector')
const manual = require('./lib/manual')
const { scenario } = require('./lib/matrix')
const { client } = require('./lib/plugin')
const stream = require('./lib/stream')

const AMOUNT = 1_000_000n

scenario('an SPSP client pays our receiver', { spspClient: ['BTP', 'IL-DCP', 'STREAM', 'SPSP'] }, async t => {
  const hub = await startNode(t, manual.half('spsp/ours', { 7770: 0 }))
  const { totalSent } = await manual.load('spsp/theirs', { 3000: hub.port, 7770: hub.httpPort })
  assert.equal(BigInt(totalSent), AMOUNT)
  assert.deepEqual(await hub.balances(), { alice: AMOUNT, wallet: -AMOUNT })
})

scenario('a STREAM sender with the patch of the page pays our receiver', { stream: ['STREAM'] }, async t => {
  const hub = await startNode(t, manual.half('spsp/ours', { 7770: 0 }))
  const answer = await Spsp.query(`http://127.0.0.1:${hub.httpPort}/wallet`)
  const pay = manual.load('patch-in-use/theirs', { 3000: hub.port }, { 'patch.js': manual.half('patch/theirs', {}) })
  const delivered = await pay(answer.destination_account, Buffer.from(answer.shared_secret, 'base64'))
  assert.equal(BigInt(delivered), AMOUNT)
  assert.deepEqual(await hub.balances(), { alice: AMOUNT, wallet: -AMOUNT })
})

/** Opens `count` streams with `open`, each of which pays 100 units, and checks the balances. */
async function payStreams (t, count, open) {
  const hub = await startNode(t, manual.half('spsp/ours', { 7770: 0 }))
  const answer = await Spsp.query(`http://127.0.0.1:${hub.httpPort}/wallet`)
  const payee = { address: answer.destination_account, secret: Buffer.from(answer.shared_secret, 'base64') }
  await stream.connected(client(t, hub.port, 'alice', 'alice-secret'), payee, connection => open(connection, count))
  assert.deepEqual(await hub.balances(), { alice: BigInt(count) * 100n, wallet: BigInt(count) * -100n })
}

scenario('fifty streams of one connection, one after the other', { stream: ['STREAM'] }, t =>
  payStreams(t, 50, async (connection, count) => {
    for (let opened = 0; opened < count; opened++) {
      const payment = connection.createStream()
      await payment.sendTotal(100)
      payment.end()
    }
  }))

scenario('fifty concurrent streams of one connection', { stream: ['STREAM'] }, t =>
  payStreams(t, 50, (connection, count) =>
    Promise.all(Array.from({ length: count }, () => connection.createStream().sendTotal(100)))))

scenario('a stream with data is closed, and its money is counted', { stream: ['STREAM'] }, async t => {
  const hub = await startNode(t, manual.half('spsp/ours', { 7770: 0 }))
  const answer = await Spsp.query(`http://127.0.0.1:${hub.httpPort}/wallet`)
  const payee = { address: answer.destination_account, secret: Buffer.from(answer.shared_secret, 'base64') }
  await stream.connected(client(t, hub.port, 'alice', 'alice-secret'), payee, async connection => {
    const payment = connection.createStream()
    const closed = new Promise(resolve => payment.once('close', resolve))
    payment.write(Buffer.alloc(200_000))
    await payment.sendTotal(10)
    await closed
    assert.equal(connection.totalDelivered, '10')
  })
  assert.deepEqual(await hub.balances(), { alice: 10n, wallet: -10n })
})

scenario('the SPSP answer has what clients rely on', { spspClient: ['SPSP'] }, async t => {
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

/** Queries as a verifier of receipts, and returns whom to pay and how to verify a receipt of the stream 1. */
async function verifiedPayee (hub, path) {
  const [nonce, secret] = [randomBytes(16), randomBytes(32)]
  const headers = { 'Receipt-Nonce': nonce.toString('base64'), 'Receipt-Secret': secret.toString('base64') }
  const response = await fetch(`http://127.0.0.1:${hub.httpPort}${path}`, { headers })
  const answer = await response.json()
  assert.equal(answer.receipts_enabled, true)
  assert.deepEqual(answer.asset_info, { code: 'USD', scale: 9 })
  const verify = (receipt, stream = '1') => {
    const verified = verifyReceipt(Buffer.from(receipt, 'base64'), secret)
    assert.deepEqual(verified.nonce, nonce)
    assert.equal(verified.streamId.toString(), stream)
    assert.throws(() => verifyReceipt(Buffer.from(receipt, 'base64'), randomBytes(32)), /invalid hmac/)
    return BigInt(verified.totalReceived.toString())
  }
  return { address: answer.destination_account, secret: Buffer.from(answer.shared_secret, 'base64'), verify }
}

scenario('a verifier accepts the receipts that a sender gets', { stream: ['STREAM', 'SPSP'] }, async t => {
  const hub = await startNode(t, manual.half('spsp/ours', { 7770: 0 }))
  const payee = await verifiedPayee(hub, '/spsp/wallet')
  await stream.connected(client(t, hub.port, 'alice', 'alice-secret'), payee, async connection => {
    const [one, other] = [connection.createStream(), connection.createStream()]
    await one.sendTotal(700)
    assert.equal(payee.verify(one.receipt), 700n)
    await other.sendTotal(50)
    assert.equal(payee.verify(other.receipt, '3'), 50n)
    await one.sendTotal(900)
    assert.equal(payee.verify(one.receipt), 900n)
  })
  assert.deepEqual(await hub.balances(), { alice: 950n, wallet: -950n })
})

scenario('the sender of Rafiki returns a receipt for the whole payment', { rafikiSender: ['STREAM'] }, async t => {
  const hub = await startNode(t, manual.half('spsp/ours', { 7770: 0 }))
  const payee = await verifiedPayee(hub, '/accounts/wallet/spsp/')
  const { delivered, receipt } = await stream.payAsRafiki(client(t, hub.port, 'alice', 'alice-secret'), payee, AMOUNT)
  assert.equal(delivered, AMOUNT)
  assert.equal(payee.verify(receipt), AMOUNT)
})

/** Sends a million units with `pay` from alice, through the mixed chain, to the receiver of its last node. */
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

scenario('the same payment with the sender of Rafiki', { rafikiSender: ['STREAM'] }, t => payWallet(t, stream.payAsRafiki, 100))
