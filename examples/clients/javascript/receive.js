'use strict'
// Is paid, with a library of Rafiki: prints an address with its secret, for
// `ilp-connector pay ADDRESS AMOUNT --secret SECRET`, and then what comes.
//
//   node receive.js btp+ws://shop:TOKEN@127.0.0.1:3000 order-1
//
// Each order has an address of its own, which carries its name: so the shop knows who has paid.

const { randomBytes } = require('node:crypto')
const { StreamServer } = require('@interledger/stream-receiver')
const { deserializeIlpPrepare, isIlpReply, serializeIlpFulfill, serializeIlpReply } = require('ilp-packet')
const { fetch: fetchAddress } = require('ilp-protocol-ildcp')
const { fail, logIn } = require('./login')

async function main ([server, order = 'order-1']) {
  if (!server) throw new Error('usage: node receive.js BTP_URL [ORDER]')
  const plugin = await logIn(server)
  // The node gives the account an address.
  const { clientAddress, assetCode, assetScale } = await fetchAddress(data => plugin.sendData(data))
  // A shop keeps this secret: addresses from before a restart need it.
  const receiver = new StreamServer({ serverSecret: randomBytes(32), serverAddress: clientAddress })
  const totals = {}
  plugin.registerDataHandler(async bytes => {
    const prepare = deserializeIlpPrepare(bytes)
    const answer = receiver.createReply(prepare)
    if (isIlpReply(answer)) return serializeIlpReply(answer)
    const tag = answer.paymentTag
    totals[tag] = (totals[tag] ?? 0n) + BigInt(prepare.amount)
    console.log(`received ${prepare.amount} for ${tag}, ${totals[tag]} in all`)
    return serializeIlpFulfill(answer.accept())
  })
  const asset = { code: assetCode, scale: assetScale }
  const { ilpAddress, sharedSecret } = receiver.generateCredentials({ asset, paymentTag: order })
  console.log(JSON.stringify({ address: ilpAddress, secret: sharedSecret.toString('base64') }))
}

main(process.argv.slice(2)).catch(fail)
