'use strict'
// ILP packets for the tests, made and read by `ilp-packet`.

const assert = require('node:assert/strict')
const { createHash, randomBytes } = require('node:crypto')
const ilp = require('ilp-packet')

const sha256 = bytes => createHash('sha256').update(bytes).digest()

/** A Prepare (as bytes and as values) and its fulfillment. */
function makePrepare (destination, more = {}) {
  const fulfillment = randomBytes(32)
  const values = {
    destination,
    amount: '100',
    executionCondition: sha256(fulfillment),
    expiresAt: new Date(Date.now() + 20_000),
    data: Buffer.alloc(0),
    ...more
  }
  return { values, fulfillment, bytes: ilp.serializeIlpPrepare(values) }
}

/**
 * A receiver that fulfills all conditions in `known` (condition in hex -> fulfillment), and returns the data in the
 * Fulfill.
 */
function receiver (known, seen = []) {
  return async bytes => {
    const prepare = ilp.deserializeIlpPrepare(bytes)
    seen.push(prepare)
    const fulfillment = known.get(prepare.executionCondition.toString('hex'))
    assert.ok(fulfillment, 'a Prepare arrived with a condition that was not sent')
    return ilp.serializeIlpFulfill({ fulfillment, data: prepare.data })
  }
}

/** Remembers the fulfillment of each Prepare for `receiver`. */
function remember (known, ...prepares) {
  for (const { values, fulfillment } of prepares) {
    known.set(values.executionCondition.toString('hex'), fulfillment)
  }
}

function assertFulfill (bytes, { fulfillment }, data = Buffer.alloc(0)) {
  const answer = ilp.deserializeIlpPacket(bytes)
  assert.equal(answer.type, ilp.Type.TYPE_ILP_FULFILL, `not a Fulfill: ${JSON.stringify(answer.data)}`)
  assert.deepEqual(answer.data.fulfillment, fulfillment)
  assert.deepEqual(answer.data.data, data)
}

/** Checks a Reject that the connector `by` made itself: code, address, and a message. */
function assertReject (bytes, code, by) {
  const answer = ilp.deserializeIlpPacket(bytes)
  assert.equal(answer.type, ilp.Type.TYPE_ILP_REJECT, 'not a Reject')
  assert.equal(answer.data.code, code, `${answer.data.code}: ${answer.data.message}`)
  assert.equal(answer.data.triggeredBy, by)
  assert.notEqual(answer.data.message, '')
  return answer.data
}

module.exports = { makePrepare, receiver, remember, assertFulfill, assertReject, sha256 }
