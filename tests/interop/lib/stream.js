'use strict'
// `ilp-protocol-stream` as payer and as payee.
//
// The package assigns `closed` of its streams, which has only a getter on streams of Node.js 18 and later, and throws
// (interledgerjs issue 284). A writable `closed` on its prototype cures that; nothing else of it is touched.

const stream = require('ilp-protocol-stream')
const { atEnd } = require('./waiting')

function cure ({ DataAndMoneyStream }) {
  Object.defineProperty(DataAndMoneyStream.prototype, 'closed', { value: false, writable: true })
}

cure(stream)

/** A STREAM server behind `plugin`, with the total that it has `received()` and how many packets that were. */
async function listen (t, plugin) {
  const server = await stream.createServer({ plugin })
  atEnd(t, () => server.close())
  const totals = { amount: 0n, packets: 0 }
  server.on('connection', connection => connection.on('stream', payment => {
    payment.setReceiveMax(Infinity)
    payment.on('money', amount => {
      totals.amount += BigInt(amount)
      totals.packets++
    })
  }))
  return { received: () => totals, invite: () => server.generateAddressAndSecret() }
}

/** Sends exactly `amount` (source units) through `plugin`; returns what was sent and what arrived. */
async function pay (plugin, { destinationAccount, sharedSecret }, amount) {
  const connection = await stream.createConnection({ plugin, destinationAccount, sharedSecret })
  const payment = connection.createStream()
  await payment.sendTotal(amount.toString())
  await connection.end()
  return { sent: BigInt(connection.totalSent), delivered: BigInt(connection.totalDelivered) }
}

module.exports = { cure, listen, pay }
