'use strict'
// Packets that the node itself answers (ping, echo, IL-DCP), sent by `ilp-plugin-btp` clients.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const ilp = require('ilp-packet')

const { startHub, connect, ADDRESS } = require('./lib/hub')
const { scenario } = require('./lib/matrix')
const { makePrepare, assertFulfill, assertReject, sha256 } = require('./lib/packets')

// The condition with a public fulfillment, see the draft of ping in interledger/rfcs.
const PING = Buffer.from('pingpingpingpingpingpingpingping')
const ECHO = Buffer.from('ECHOECHOECHOECHO')
const ZEROS = Buffer.alloc(32)

const varOctets = bytes => Buffer.concat([Buffer.from([bytes.length]), bytes])

test('ping: the well-known condition is fulfilled', async t => {
  const hub = await startHub(t, { alice: {} })
  const alice = await connect(t, hub, 'alice')
  const answer = await alice.sendData(makePrepare(ADDRESS, { executionCondition: sha256(PING) }).bytes)
  assert.deepEqual(ilp.deserializeIlpFulfill(answer).fulfillment, PING)
})

test('echo: the pong returns to the sender, and its fulfillment is the answer', async t => {
  const hub = await startHub(t, { alice: {} })
  const mine = Buffer.from('test.alice.echo-1')
  const request = makePrepare(ADDRESS, { data: Buffer.concat([ECHO, Buffer.from([0]), varOctets(mine)]) })
  const pongs = []
  const alice = await connect(t, hub, 'alice', async bytes => {
    pongs.push(ilp.deserializeIlpPrepare(bytes))
    return ilp.serializeIlpFulfill({ fulfillment: request.fulfillment, data: Buffer.alloc(0) })
  })
  assertFulfill(await alice.sendData(request.bytes), request)
  assert.equal(pongs.length, 1)
  assert.equal(pongs[0].destination, mine.toString())
  assert.deepEqual(pongs[0].executionCondition, request.values.executionCondition)
  assert.deepEqual(pongs[0].data.subarray(0, 17), Buffer.concat([ECHO, Buffer.from([1])]))
})

test('an unknown packet to the node gets F06, a broken echo F01', async t => {
  const hub = await startHub(t, { alice: {} })
  const alice = await connect(t, hub, 'alice')
  assertReject(await alice.sendData(makePrepare(ADDRESS).bytes), 'F06', ADDRESS)
  assertReject(await alice.sendData(makePrepare(ADDRESS, { data: Buffer.concat([ECHO, Buffer.from([7])]) }).bytes),
    'F01', ADDRESS)
})

scenario('IL-DCP: a child gets its address and asset, and then packets at that address', { btpClient: ['IL-DCP'] }, async t => {
  const hub = await startHub(t, { alice: {}, kid: { relation: 'child', assetCode: 'USD', assetScale: 9 } })
  const incoming = makePrepare(`${ADDRESS}.kid.app`)
  const kid = await connect(t, hub, 'kid', async () =>
    ilp.serializeIlpFulfill({ fulfillment: incoming.fulfillment, data: Buffer.alloc(0) }))
  const answer = ilp.deserializeIlpFulfill(await kid.sendData(makePrepare('peer.config', {
    amount: '0', executionCondition: sha256(ZEROS)
  }).bytes))
  assert.deepEqual(answer.fulfillment, ZEROS)
  assert.deepEqual(answer.data, Buffer.concat([
    varOctets(Buffer.from(`${ADDRESS}.kid`)), Buffer.from([9]), varOctets(Buffer.from('USD'))
  ]))

  const alice = await connect(t, hub, 'alice')
  assertFulfill(await alice.sendData(incoming.bytes), incoming)
})

test('IL-DCP: a peer that is no child gets a Reject', async t => {
  const hub = await startHub(t, { alice: {} })
  const alice = await connect(t, hub, 'alice')
  const answer = ilp.deserializeIlpPacket(await alice.sendData(makePrepare('peer.config', {
    amount: '0', executionCondition: sha256(ZEROS)
  }).bytes))
  assert.equal(answer.type, ilp.Type.TYPE_ILP_REJECT)
  assert.equal(answer.data.code, 'F00')
})
