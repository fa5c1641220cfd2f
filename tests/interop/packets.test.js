'use strict'
// Clients of `ilp-plugin-btp` connect to our node and exchange packets through it.

const assert = require('node:assert/strict')
const { randomBytes } = require('node:crypto')
const { test } = require('node:test')
const ilp = require('ilp-packet')

const { startHub, connect, ADDRESS } = require('./lib/hub')
const { scenario } = require('./lib/matrix')
const { eventually } = require('./lib/waiting')
const { makePrepare, receiver, remember, assertFulfill, assertReject } = require('./lib/packets')

const MESSAGE_WINDOW_MS_MIN = 1_000

scenario('a Prepare and its Fulfill arrive unchanged but for the expiry', { btpClient: ['packets'] }, async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const known = new Map()
  const seen = []
  const alice = await connect(t, hub, 'alice')
  await connect(t, hub, 'bob', receiver(known, seen))

  const prepare = makePrepare('test.bob.x.y~z', { amount: '123456789', data: randomBytes(1000) })
  remember(known, prepare)
  assertFulfill(await alice.sendData(prepare.bytes), prepare, prepare.values.data)

  const { expiresAt, ...rest } = seen[0]
  const { expiresAt: sentExpiresAt, ...sentRest } = prepare.values
  assert.deepEqual(rest, sentRest)
  assert.ok(expiresAt <= sentExpiresAt.getTime() - MESSAGE_WINDOW_MS_MIN, 'the expiry leaves no message window')
  assert.ok(expiresAt > Date.now(), 'the expiry has passed')
})

scenario('a Reject arrives byte for byte', { btpClient: ['packets'] }, async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const reject = ilp.serializeIlpReject({
    code: 'F99', triggeredBy: 'test.bob.app', message: 'ünexpected, but welcome', data: randomBytes(300)
  })
  const alice = await connect(t, hub, 'alice')
  await connect(t, hub, 'bob', async () => reject)
  assert.deepEqual(await alice.sendData(makePrepare('test.bob').bytes), reject)
})

scenario('hundreds of packets at once in both directions, answered in reverse order', { btpClient: ['BTP', 'packets'] }, async t => {
  const COUNT = 400
  const hub = await startHub(t, { alice: {}, bob: {} })
  const known = new Map()
  // Holds all answers until all Prepares have arrived, then answers the last one first.
  const reversed = () => {
    const answer = receiver(known)
    const waiting = []
    return bytes => new Promise((resolve, reject) => {
      waiting.push(() => answer(bytes).then(resolve, reject))
      if (waiting.length === COUNT) waiting.reverse().forEach(go => go())
    })
  }
  const alice = await connect(t, hub, 'alice', reversed())
  const bob = await connect(t, hub, 'bob', reversed())

  const send = async (plugin, destination) => {
    const prepare = makePrepare(destination, { data: randomBytes(16) })
    remember(known, prepare)
    assertFulfill(await plugin.sendData(prepare.bytes), prepare, prepare.values.data)
  }
  await Promise.all(Array.from({ length: COUNT }, () => [
    send(alice, 'test.bob'), send(bob, 'test.alice')
  ]).flat())
})

test('five clients send to each other all at once', async t => {
  const names = ['alice', 'bob', 'carol', 'dave', 'erin']
  const hub = await startHub(t, Object.fromEntries(names.map(name => [name, {}])))
  const known = new Map()
  const plugins = await Promise.all(names.map(name => connect(t, hub, name, receiver(known))))
  await Promise.all(plugins.flatMap((plugin, from) => names.flatMap((name, to) => {
    if (from === to) return []
    return Array.from({ length: 20 }, async () => {
      const prepare = makePrepare(`test.${name}`, { data: Buffer.from(`${from}>${to}`) })
      remember(known, prepare)
      assertFulfill(await plugin.sendData(prepare.bytes), prepare, prepare.values.data)
    })
  })))
})

scenario('the largest data that ILP allows passes in both directions', { btpClient: ['packets'] }, async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const known = new Map()
  const alice = await connect(t, hub, 'alice')
  await connect(t, hub, 'bob', receiver(known))
  const prepare = makePrepare('test.bob', { data: randomBytes(32_767) })
  remember(known, prepare)
  assertFulfill(await alice.sendData(prepare.bytes), prepare, prepare.values.data)
})

test('an amount of 2^64 - 1 passes, and an amount is converted between scales', async t => {
  const hub = await startHub(t, { alice: {}, bob: {}, coarse: { assetScale: 6 } })
  const known = new Map()
  const seen = []
  const alice = await connect(t, hub, 'alice')
  await connect(t, hub, 'bob', receiver(known, seen))
  await connect(t, hub, 'coarse', receiver(known, seen))
  for (const [destination, sent, arrives] of [
    ['test.bob', '18446744073709551615', '18446744073709551615'],
    ['test.bob', '0', '0'],
    ['test.coarse', '1000', '1'],
    ['test.coarse', '1999', '1']
  ]) {
    const prepare = makePrepare(destination, { amount: sent })
    remember(known, prepare)
    assertFulfill(await alice.sendData(prepare.bytes), prepare)
    assert.equal(seen.pop().amount, arrives, `${sent} to ${destination}`)
  }
  assertReject(await alice.sendData(makePrepare('test.coarse', { amount: '999' }).bytes), 'R01', ADDRESS)
})

test('a wrong fulfillment becomes F05', async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const alice = await connect(t, hub, 'alice')
  await connect(t, hub, 'bob', async () =>
    ilp.serializeIlpFulfill({ fulfillment: randomBytes(32), data: Buffer.alloc(0) }))
  assertReject(await alice.sendData(makePrepare('test.bob').bytes), 'F05', ADDRESS)
})

test('packets that cannot be forwarded are rejected at once with the right code', async t => {
  const hub = await startHub(t, { alice: {}, bob: {}, absent: {} })
  const alice = await connect(t, hub, 'alice')
  await connect(t, hub, 'bob', () => assert.fail('it was forwarded'))
  for (const [code, destination, more] of [
    ['F02', 'test.nowhere', {}],
    ['F02', 'test.bobby', {}],
    ['F02', 'test.alice.back', {}],
    ['T01', 'test.absent', {}],
    ['R02', 'test.bob', { expiresAt: new Date(Date.now() - 1_000) }],
    ['R02', 'test.bob', { expiresAt: new Date(Date.now() + MESSAGE_WINDOW_MS_MIN / 2) }]
  ]) {
    await t.test(`${destination} ${JSON.stringify(more)}: ${code}`, async () => {
      assertReject(await alice.sendData(makePrepare(destination, more).bytes), code, ADDRESS)
    })
  }
})

test('a missing answer becomes R00, and a late answer is ignored', async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const known = new Map()
  const answer = receiver(known)
  const late = []
  const alice = await connect(t, hub, 'alice')
  await connect(t, hub, 'bob', bytes => {
    if (ilp.deserializeIlpPrepare(bytes).destination === 'test.bob') return answer(bytes)
    return new Promise(resolve => late.push(() => resolve(answer(bytes))))
  })

  const held = makePrepare('test.bob.slow', { expiresAt: new Date(Date.now() + 2_500) })
  remember(known, held)
  assertReject(await alice.sendData(held.bytes), 'R00', ADDRESS)
  late.forEach(go => go())
  const next = makePrepare('test.bob')
  remember(known, next)
  assertFulfill(await alice.sendData(next.bytes), next)
})

test('a BTP ERROR and an empty RESPONSE as answers to a Prepare become T00', async t => {
  const hub = await startHub(t, { alice: {}, bob: {} })
  const alice = await connect(t, hub, 'alice')
  const answers = [() => { throw new Error('no') }, () => undefined]
  await connect(t, hub, 'bob', async () => answers.pop()())
  while (answers.length > 0) {
    assertReject(await alice.sendData(makePrepare('test.bob').bytes), 'T00', ADDRESS)
  }
})

test('the limits of an account', async t => {
  const hub = await startHub(t, {
    bob: {},
    small: { maxPacketAmount: 1000 },
    poor: { maxBalance: 150 },
    slow: { packetsPerSecond: 1 },
    narrow: { maxPacketsInFlight: 2 }
  })
  const known = new Map()
  const answer = receiver(known)
  const held = []
  await connect(t, hub, 'bob', bytes => {
    if (!ilp.deserializeIlpPrepare(bytes).destination.endsWith('.hold')) return answer(bytes)
    return new Promise(resolve => held.push(() => resolve(answer(bytes))))
  })
  const send = async (plugin, destination, amount) => {
    const prepare = makePrepare(destination, { amount })
    remember(known, prepare)
    return { prepare, answer: await plugin.sendData(prepare.bytes) }
  }

  await t.test('maxPacketAmount: F08, with the amounts as its data', async t => {
    const small = await connect(t, hub, 'small')
    const fits = await send(small, 'test.bob', '1000')
    assertFulfill(fits.answer, fits.prepare)
    const { data } = assertReject((await send(small, 'test.bob', '1001')).answer, 'F08', ADDRESS)
    assert.deepEqual([data.readBigUInt64BE(0), data.readBigUInt64BE(8), data.length], [1001n, 1000n, 16])
  })

  await t.test('maxBalance: T04', async t => {
    const poor = await connect(t, hub, 'poor')
    const fits = await send(poor, 'test.bob', '100')
    assertFulfill(fits.answer, fits.prepare)
    assertReject((await send(poor, 'test.bob', '51')).answer, 'T04', ADDRESS)
    const still = await send(poor, 'test.bob', '50')
    assertFulfill(still.answer, still.prepare)
  })

  await t.test('packetsPerSecond: T05', async t => {
    const slow = await connect(t, hub, 'slow')
    const first = await send(slow, 'test.bob', '1')
    assertFulfill(first.answer, first.prepare)
    const rest = await Promise.all(Array.from({ length: 20 }, () => send(slow, 'test.bob', '1')))
    const refused = rest.filter(({ answer }) => answer[0] === ilp.Type.TYPE_ILP_REJECT)
    assert.ok(refused.length > 0, 'twenty at once passed a limit of one per second')
    refused.forEach(({ answer }) => assertReject(answer, 'T05', ADDRESS))
  })

  await t.test('maxPacketsInFlight: T03', async t => {
    const narrow = await connect(t, hub, 'narrow')
    const open = [send(narrow, 'test.bob.hold', '1'), send(narrow, 'test.bob.hold', '1')]
    await eventually('both are in flight', 5_000, () => held.length === 2)
    assertReject((await send(narrow, 'test.bob', '1')).answer, 'T03', ADDRESS)
    held.forEach(go => go())
    for (const { prepare, answer } of await Promise.all(open)) assertFulfill(answer, prepare)
  })
})
