'use strict'
// Every kind of frame that our node emits, read by `btp-packet` and `ilp-packet`; and what it does with
// frames that the packages would not send. That bytes are canonical is checked by lib/raw.js for each.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const Btp = require('btp-packet')
const ilp = require('ilp-packet')

const { startHub, token, ADDRESS } = require('./lib/hub')
const { scenario } = require('./lib/matrix')
const raw = require('./lib/raw')
const { makePrepare } = require('./lib/packets')

async function login (t, hub, name) {
  const connection = await raw.open(t, hub.port)
  connection.login(name, token(name))
  assert.equal((await connection.next()).type, Btp.TYPE_RESPONSE)
  return connection
}

const READ = { btpPacket: ['codec'], ilpPacket: ['codec'] }

const REJECT = ilp.serializeIlpReject({ code: 'F99', triggeredBy: 'test.there', message: 'no', data: Buffer.alloc(0) })

/** Sends a packet to the node itself, whose answer shows that the session still works. */
async function assertAlive (connection, requestId = 0xabc) {
  connection.message(requestId, makePrepare(ADDRESS).bytes)
  const answer = await connection.next()
  assert.deepEqual([answer.type, answer.requestId, answer.ilp.data.code], [Btp.TYPE_RESPONSE, requestId, 'F06'])
}

scenario('a Prepare is sent as a MESSAGE, and its answer as a RESPONSE with the id of the request', READ, async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const alice = await login(t, hub, 'alice')
  const bob = await login(t, hub, 'bob')
  const COUNT = 30
  const prepares = Array.from({ length: COUNT }, (_, i) => makePrepare('test.bob', { data: Buffer.from([i]) }))
  // Request ids at both ends of their range; those of the two directions are independent.
  const id = i => (0xffffffff - 10 + i) >>> 0
  prepares.forEach((prepare, i) => alice.message(id(i), prepare.bytes))

  const ids = new Set()
  for (let i = 0; i < COUNT; i++) {
    const frame = await bob.next()
    assert.equal(frame.type, Btp.TYPE_MESSAGE)
    assert.equal(frame.data.protocolData[0].protocolName, 'ilp', 'ilp is not the primary entry')
    assert.equal(frame.data.protocolData[0].contentType, Btp.MIME_APPLICATION_OCTET_STREAM)
    assert.ok(!ids.has(frame.requestId), 'a request id twice')
    ids.add(frame.requestId)
    const which = frame.ilp.data.data[0]
    // Every third is rejected.
    bob.response(frame.requestId, which % 3 === 0
      ? ilp.serializeIlpReject({ code: 'F99', triggeredBy: 'test.bob', message: '', data: Buffer.from([which]) })
      : ilp.serializeIlpFulfill({ fulfillment: prepares[which].fulfillment, data: Buffer.from([which]) }))
  }
  for (let i = 0; i < COUNT; i++) {
    const frame = await alice.next()
    const which = frame.ilp.data.data[0]
    assert.deepEqual([frame.type, frame.requestId], [Btp.TYPE_RESPONSE, id(which)])
    assert.equal(frame.ilp.type, which % 3 === 0 ? ilp.Type.TYPE_ILP_REJECT : ilp.Type.TYPE_ILP_FULFILL)
  }
  assert.equal(alice.waiting(), 0)
})

scenario('only the amount and expiry of a Prepare may change', READ, async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const alice = await login(t, hub, 'alice')
  const bob = await login(t, hub, 'bob')
  const { bytes } = makePrepare('test.bob.deep.er', { data: Buffer.from('as it was') })
  alice.message(1, bytes)
  const { requestId, ilpBytes } = await bob.next()
  bob.response(requestId, REJECT)
  assert.deepEqual((await alice.next()).ilpBytes, REJECT)
  // Type and length (2), amount (8), expiry (17): the other bytes are equal.
  assert.deepEqual(ilpBytes.subarray(0, 2 + 8), bytes.subarray(0, 2 + 8))
  assert.deepEqual(ilpBytes.subarray(2 + 8 + 17), bytes.subarray(2 + 8 + 17))
})

scenario('ilp is found in any position', READ, async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const alice = await login(t, hub, 'alice')
  const bob = await login(t, hub, 'bob')
  const prepare = makePrepare('test.bob')
  alice.send(Btp.serializeMessage(5, [
    raw.entry('info', Btp.MIME_APPLICATION_JSON, '{}'), raw.ilpEntry(prepare.bytes)
  ]))
  const asked = await bob.next()
  bob.send(Btp.serializeResponse(asked.requestId, [
    raw.entry('info', 200, 'x'),
    raw.ilpEntry(ilp.serializeIlpFulfill({ fulfillment: prepare.fulfillment, data: Buffer.alloc(0) }))
  ]))
  assert.equal((await alice.next()).ilp.type, ilp.Type.TYPE_ILP_FULFILL)
})

test('requests without a Prepare are answered', async t => {
  const hub = await startHub(t, { alice: {} })
  const alice = await login(t, hub, 'alice')
  for (const [what, frame, type] of [
    ['an empty MESSAGE', Btp.serializeMessage(9, []), Btp.TYPE_RESPONSE],
    ['an unknown sub-protocol', Btp.serializeMessage(9, [raw.entry('channel', 1, 'x')]), Btp.TYPE_ERROR],
    ['a second login', raw.authFrame('alice', token('alice'), 9), Btp.TYPE_RESPONSE],
    ['a TRANSFER', Btp.serializeTransfer({ amount: '5' }, 9, []), Btp.TYPE_ERROR],
    ['a Fulfill, which is no request', Btp.serializeMessage(9, [raw.ilpEntry(
      ilp.serializeIlpFulfill({ fulfillment: Buffer.alloc(32), data: Buffer.alloc(0) }))]), Btp.TYPE_ERROR]
  ]) {
    await t.test(what, async () => {
      alice.send(frame)
      const answer = await alice.next()
      assert.deepEqual([answer.type, answer.requestId], [type, 9])
      if (type === Btp.TYPE_ERROR) assert.match(answer.data.code, /^F0[0-8]$/)
      else assert.deepEqual(answer.data.protocolData, [])
    })
  }
})

test('an invalid ILP packet gets an F01 Reject', async t => {
  const hub = await startHub(t, { alice: {} })
  const alice = await login(t, hub, 'alice')
  const good = makePrepare('test.bob').bytes
  for (const [what, packet] of [
    ['nothing', Buffer.alloc(0)],
    ['rubbish', Buffer.from('rubbish')],
    ['cut off', good.subarray(0, 40)]
  ]) {
    await t.test(what, async () => {
      alice.message(3, packet)
      const answer = await alice.next()
      assert.deepEqual([answer.requestId, answer.ilp.data.code, answer.ilp.data.triggeredBy], [3, 'F01', ADDRESS])
    })
  }
})

test('frames that need no answer get none, and the session stays up', async t => {
  const hub = await startHub(t, { alice: {} })
  const alice = await login(t, hub, 'alice')
  for (const [what, frame] of [
    ['a RESPONSE without a request', Btp.serializeResponse(0x1234, [])],
    ['an ERROR without a request',
      Btp.serializeError({ code: 'F00', name: 'NotAcceptedError', triggeredAt: new Date(), data: '' }, 0x1234, [])],
    ['a text frame', 'hello'],
    ['bytes that are no frame', Buffer.from('hello')],
    ['a frame of BTP/1.0', Buffer.from('0300000001020100', 'hex')],
    ['a length beyond the end', Buffer.from('060000000184ffffffff', 'hex')]
  ]) {
    await t.test(what, async () => {
      alice.send(frame)
      await assertAlive(alice)
    })
  }
  assert.equal(alice.waiting(), 0)
})

test('sixteen unreadable frames close the session', async t => {
  const hub = await startHub(t, { alice: {} })
  const alice = await login(t, hub, 'alice')
  for (let i = 0; i < 16; i++) alice.send(Buffer.from([i]))
  assert.equal((await alice.closed()).code, 1008)
})

test('a node that dials logs in as ilp-plugin-btp does', async t => {
  const dialled = deferred()
  const port = await raw.serve(t, (connection, request) => dialled.resolve({ connection, request }))
  const hub = await startHub(t, { alice: {}, remote: { url: `ws://127.0.0.1:${port}/some/path` } })
  const { connection, request } = await dialled.promise
  assert.equal(request.url, '/some/path')
  assert.equal(request.headers['sec-websocket-protocol'], undefined)
  assert.equal(request.headers.authorization, undefined)

  const login = await connection.next()
  assert.equal(login.type, Btp.TYPE_MESSAGE)
  assert.deepEqual(login.data.protocolData, [
    raw.entry('auth', Btp.MIME_APPLICATION_OCTET_STREAM, ''),
    raw.entry('auth_username', Btp.MIME_TEXT_PLAIN_UTF8, 'hub'),
    raw.entry('auth_token', Btp.MIME_TEXT_PLAIN_UTF8, token('remote'))
  ])
  connection.send(Btp.serializeResponse(login.requestId, []))

  // After the login both sides are equal: each may send requests.
  await assertAlive(connection)
  const alice = await raw.open(t, hub.port)
  alice.login('alice', token('alice'))
  await alice.next()
  alice.message(1, makePrepare('test.remote').bytes)
  const { requestId } = await connection.next()
  assert.equal(requestId, (login.requestId + 1) >>> 0)
  connection.response(requestId, REJECT)
  assert.deepEqual((await alice.next()).ilpBytes, REJECT)
})

function deferred () {
  let resolve
  const promise = new Promise(go => { resolve = go })
  return { promise, resolve }
}
