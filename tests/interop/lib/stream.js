'use strict'
// STREAM senders and receivers of other implementations with one interface: a receiver listens at a plugin and returns
// what it has received; a sender pays an exact amount through a plugin and returns what was sent and delivered.
//
// `ilp-protocol-stream` needs the patch in docs/INTEROP.md, and is otherwise unchanged.

const { randomBytes } = require('node:crypto')
const rafiki = require('@interledger/pay')
const { StreamServer } = require('@interledger/stream-receiver')
const ilp = require('ilp-packet')
const stream = require('ilp-protocol-stream')

const { addressOf } = require('./traffic')
const manual = require('./manual')
const { atEnd } = require('./waiting')

manual.load('patch/theirs', {})(stream)

/** `ilp-protocol-stream` as receiver. */
async function listen (t, plugin) {
  const server = await stream.createServer({ plugin })
  atEnd(t, () => server.close())
  const received = { amount: 0n, packets: 0 }
  server.on('connection', connection => connection.on('stream', payment => {
    payment.setReceiveMax(Infinity)
    payment.on('money', amount => {
      received.amount += BigInt(amount)
      received.packets++
    })
  }))
  const { destinationAccount, sharedSecret } = server.generateAddressAndSecret()
  return { received, address: destinationAccount, secret: sharedSecret }
}

/** `ilp-protocol-stream` as sender. */
async function pay (plugin, { address, secret }, amount) {
  // It would disconnect while the receiver's last packet is on its way to it, and the receiver wait for an answer.
  plugin.disconnect = async () => {}
  const connection = await stream.createConnection({ plugin, destinationAccount: address, sharedSecret: secret })
  const payment = connection.createStream()
  await payment.sendTotal(amount.toString())
  await connection.end()
  return { sent: BigInt(connection.totalSent), delivered: BigInt(connection.totalDelivered) }
}

/** A connection of `ilp-protocol-stream`, as long as `work` uses it. */
async function connected (plugin, { address, secret }, work) {
  plugin.disconnect = async () => {}
  const connection = await stream.createConnection({ plugin, destinationAccount: address, sharedSecret: secret })
  await work(connection)
  await connection.end()
}

/** `@interledger/stream-receiver`, which Rafiki receives with: it keeps no state, so we count. */
async function listenAsRafiki (t, plugin) {
  const received = { amount: 0n, packets: 0 }
  let server
  plugin.registerDataHandler(async bytes => {
    const prepare = ilp.deserializeIlpPrepare(bytes)
    const moneyOrReply = server.createReply(prepare)
    if (ilp.isIlpReply(moneyOrReply)) return ilp.serializeIlpReply(moneyOrReply)
    received.amount += BigInt(prepare.amount)
    received.packets++
    moneyOrReply.setTotalReceived(received.amount.toString())
    return ilp.serializeIlpFulfill(moneyOrReply.accept())
  })
  await plugin.connect()
  server = new StreamServer({ serverSecret: randomBytes(32), serverAddress: await addressOf(plugin) })
  const { ilpAddress, sharedSecret } = server.generateCredentials({ asset: { code: 'USD', scale: 9 } })
  return { received, address: ilpAddress, secret: sharedSecret }
}

/** `@interledger/pay`, which Rafiki pays with. */
async function payAsRafiki (plugin, { address, secret }, amount) {
  await plugin.connect()
  const destination = await rafiki.setupPayment({ plugin, destinationAddress: address, sharedSecret: secret })
  const quote = await rafiki.startQuote({
    plugin, destination, amountToSend: amount, sourceAsset: { code: 'USD', scale: 9 }
  })
  const { error, amountSent, amountDelivered, streamReceipt } = await rafiki.pay({ plugin, destination, quote })
  await rafiki.closeConnection(plugin, destination)
  if (error) throw new Error(error)
  const receipt = streamReceipt && { receipt: Buffer.from(streamReceipt).toString('base64') }
  return { sent: amountSent, delivered: amountDelivered, ...receipt }
}

module.exports = { listen, pay, connected, listenAsRafiki, payAsRafiki }
