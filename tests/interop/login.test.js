'use strict'
// Valid logins, and the answers to refused ones.

const assert = require('node:assert/strict')
const { test } = require('node:test')
const Btp = require('btp-packet')
const WebSocket = require('ws')

const { startHub, connect, token } = require('./lib/hub')
const plugins = require('./lib/plugin')
const raw = require('./lib/raw')
const { makePrepare, receiver, remember, assertFulfill } = require('./lib/packets')

const WRONG = 'no-such-token-77e2'

test('connect() of ilp-plugin-btp fails for a wrong token and an unknown name, and other clients can still log in', async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  for (const [name, secret] of [['alice', WRONG], ['mallory', token('alice')], ['alice', token('bob')]]) {
    await assert.rejects(plugins.client(t, hub.port, name, secret).connect(), /connection aborted/, `${name}`)
  }
  const known = new Map()
  const alice = await connect(t, hub, 'alice')
  await connect(t, hub, 'bob', receiver(known))
  const prepare = makePrepare('test.bob')
  remember(known, prepare)
  assertFulfill(await alice.sendData(prepare.bytes), prepare)
  assert.ok(!hub.log().includes(WRONG), 'the log shows a token of a refused login')
})

test('a valid login gets exactly the empty RESPONSE with its request id', async t => {
  const hub = await startHub(t, { alice: {} })
  const alice = await raw.open(t, hub.port)
  alice.login('alice', token('alice'), 0xfedcba98)
  assert.deepEqual(await alice.bytes(), Buffer.from('01fedcba98020100', 'hex'))
})

// `ws` is strict: it fails if it offers subprotocols and gets none of them.
test('ws gets the WebSocket subprotocol btp that it offers, and no other one', async t => {
  const hub = await startHub(t, { alice: {} })
  const open = protocols => new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${hub.port}/`, protocols)
    t.after(() => socket.terminate())
    socket.once('open', () => resolve(socket.protocol))
    socket.once('error', reject)
  })
  assert.equal(await open([]), '')
  assert.equal(await open(['btp']), 'btp')
  assert.equal(await open(['graphql-ws', 'btp']), 'btp')
  await assert.rejects(open(['graphql-ws']), /no subprotocol/)
})

test('a login without a name is identified by the token or by the path', async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  for (const [what, name, secret, path, accepted] of [
    ['token, empty name', '', token('bob'), '', true],
    ['token, no name entry', undefined, token('bob'), '', true],
    ['path', '', token('bob'), '/accounts/bob/ilp/btp', true],
    ['path of another peer', '', token('bob'), '/accounts/alice/ilp/btp', false],
    ['a name takes precedence over the path', 'bob', token('bob'), '/accounts/alice/ilp/btp', true],
    ['any path', 'bob', token('bob'), '/what/ever?x=1', true]
  ]) {
    await t.test(what, async t => {
      const socket = await raw.open(t, hub.port, path)
      socket.login(name, secret)
      assert.equal((await socket.next()).type, accepted ? Btp.TYPE_RESPONSE : Btp.TYPE_ERROR)
    })
  }
})

test('a refused login gets an F00 that btp-packet can read, the same for every cause, and the socket closes', async t => {
  const hub = await startHub(t, { alice: {} })
  const auth = raw.entry('auth', Btp.MIME_APPLICATION_OCTET_STREAM, '')
  const tokenEntry = raw.entry('auth_token', Btp.MIME_TEXT_PLAIN_UTF8, token('alice'))
  const texts = new Map()
  for (const [what, frame] of [
    ['wrong token', raw.authFrame('alice', WRONG, 7)],
    ['unknown name', raw.authFrame('mallory', WRONG, 7)],
    ['wrong token, no name', raw.authFrame('', WRONG, 7)],
    ['empty token', raw.authFrame('alice', '', 7)],
    ['no token', raw.authFrame('alice', undefined, 7)],
    ['a name twice', Btp.serializeMessage(7, [auth, tokenEntry, tokenEntry])],
    ['auth is not first', Btp.serializeMessage(7, [tokenEntry, auth])],
    ['a packet first', Btp.serializeMessage(7, [raw.ilpEntry(makePrepare('test.alice').bytes)])],
    ['a transfer first', Btp.serializeTransfer({ amount: '1' }, 7, [])]
  ]) {
    await t.test(what, async t => {
      const before = Date.now()
      const socket = await raw.open(t, hub.port)
      socket.send(frame)
      const { type, requestId, data } = await socket.next()
      assert.deepEqual([type, requestId, data.code, data.name], [Btp.TYPE_ERROR, 7, 'F00', 'NotAcceptedError'])
      assert.ok(Math.abs(data.triggeredAt - before) < 60_000, `triggeredAt is ${data.triggeredAt}`)
      texts.set(what, data.data)
      await socket.closed()
      assert.equal(socket.waiting(), 0)
    })
  }
  assert.equal(texts.get('wrong token'), texts.get('unknown name'), 'the answer reveals which names exist')
})

test('invalid frames before the login close the socket without an answer', async t => {
  const hub = await startHub(t, { alice: {} })
  for (const [what, frame] of [['bytes', Buffer.from('not btp')], ['text', 'hello'], ['nothing', Buffer.alloc(0)]]) {
    await t.test(what, async t => {
      const socket = await raw.open(t, hub.port)
      socket.send(frame)
      await socket.closed()
      assert.equal(socket.waiting(), 0)
    })
  }
})

test('a second login of a peer replaces the first', async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const first = await raw.open(t, hub.port)
  first.login('bob', token('bob'))
  await first.next()
  const failed = await raw.open(t, hub.port)
  failed.login('bob', WRONG)
  await failed.closed()
  assert.ok(first.isOpen(), 'a failed login cut a live session')

  const known = new Map()
  await connect(t, hub, 'bob', receiver(known))
  assert.deepEqual(await first.closed(), { code: 1008, reason: 'replaced' })
  const alice = await connect(t, hub, 'alice')
  const prepare = makePrepare('test.bob')
  remember(known, prepare)
  assertFulfill(await alice.sendData(prepare.bytes), prepare)
})
