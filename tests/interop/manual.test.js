'use strict'
// The examples of docs/INTEROP.md for `ilp-plugin-btp`, unchanged; the others have scenarios of their own.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const ilp = require('ilp-packet')

const { addressOf } = require('./lib/traffic')
const { startNode } = require('./lib/connector')
const manual = require('./lib/manual')
const { scenario } = require('./lib/matrix')
const { makePrepare, sha256 } = require('./lib/packets')
const { atEnd, freePort } = require('./lib/waiting')

/** Sends a ping to our node, and checks the answer. */
async function ping (plugin) {
  const fulfillment = Buffer.from('ping'.repeat(8))
  const answer = await plugin.sendData(makePrepare('test.hub', { executionCondition: sha256(fulfillment) }).bytes)
  assert.deepEqual(ilp.deserializeIlpFulfill(answer).fulfillment, fulfillment)
}

scenario('a client as in the manual', { btpClient: ['BTP', 'IL-DCP'] }, async t => {
  const hub = await startNode(t, manual.half('btp-client/ours', {}))
  const alice = manual.load('btp-client/theirs', { 3000: hub.port })
  atEnd(t, () => alice.disconnect())
  await alice.connect()
  assert.equal(await addressOf(alice), 'test.hub.alice')
  await ping(alice)
})

scenario('a listener as in the manual', { btpListener: ['BTP'] }, async t => {
  const ports = { 7768: await freePort() }
  const remote = manual.load('btp-listener/theirs', ports)
  atEnd(t, () => remote.disconnect())
  const loggedIn = remote.connect()
  const hub = await startNode(t, manual.half('btp-listener/ours', ports))
  await loggedIn
  await hub.ready()
  await ping(remote)
})

test('every half of the manual is run by a scenario', () => {
  const files = fs.readdirSync(__dirname).filter(name => name.endsWith('.test.js')).concat('lib/stream.js')
  const scenarios = files.map(name => fs.readFileSync(path.join(__dirname, name), 'utf8')).join('')
  const names = manual.names()
  assert.ok(names.length > 10, `only ${names}`)
  for (const connection of new Set(names.map(name => name.split('/')[0]))) {
    assert.match(scenarios, new RegExp(`'${connection}[/']`), `no scenario runs ${connection}`)
  }
})
