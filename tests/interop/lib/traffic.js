'use strict'
// Packets between two clients at both ends of a path, and checks of the answers.

const assert = require('node:assert/strict')
const { randomBytes } = require('node:crypto')
const ILDCP = require('ilp-protocol-ildcp')
const ilp = require('ilp-packet')

const { makePrepare, receiver, remember, assertFulfill } = require('./packets')

const PACKETS = 300

/** Packets whose expected answers are recorded; `handler` gives these answers. */
function createTraffic () {
  const fulfillments = new Map()
  const rejects = new Map()
  const fulfill = receiver(fulfillments)
  return {
    handler: async bytes => {
      const { executionCondition } = ilp.deserializeIlpPrepare(bytes)
      return rejects.get(executionCondition.toString('hex')) ?? await fulfill(bytes)
    },
    /** `PACKETS` different packets of amounts 1, 2, 3, ... at once; returns their sum. */
    load: async (from, destination) => {
      const amounts = Array.from({ length: PACKETS }, (_, i) => i + 1)
      await Promise.all(amounts.map(async amount => {
        const prepare = makePrepare(destination, { amount: String(amount), data: randomBytes(amount) })
        remember(fulfillments, prepare)
        assertFulfill(await from.sendData(prepare.bytes), prepare, prepare.values.data)
      }))
      return BigInt(amounts.reduce((sum, amount) => sum + amount, 0))
    },
    /** Sends a packet that its receiver rejects; the Reject must arrive unchanged. */
    rejected: async (from, destination) => {
      const prepare = makePrepare(destination, { amount: '1000000' })
      const reject = ilp.serializeIlpReject({
        code: 'F99', triggeredBy: destination, message: 'ünexpected, but welcome', data: randomBytes(300)
      })
      rejects.set(prepare.values.executionCondition.toString('hex'), reject)
      assert.deepEqual(await from.sendData(prepare.bytes), reject)
    }
  }
}

/**
 * Load in both directions at once, a Reject in both, and load again in one. `a` and `b` are clients with
 * `{ plugin, address }`; returns the sum that `a` has paid to `b`.
 */
async function exchangePackets ({ load, rejected }, a, b) {
  const [there, back] = await Promise.all([
    load(a.plugin, `${b.address}.x`), load(b.plugin, `${a.address}.y~z`)
  ])
  await rejected(a.plugin, b.address)
  await rejected(b.plugin, a.address)
  return there + await load(a.plugin, b.address) - back
}

/** The address that a parent assigns by IL-DCP. */
async function addressOf (plugin) {
  return (await ILDCP.fetch(plugin.sendData.bind(plugin))).clientAddress
}

module.exports = { createTraffic, exchangePackets, addressOf }
