'use strict'
// Is paid, with a library of Rafiki: prints an address with its secret, for
// `ilp-connector pay ADDRESS AMOUNT --secret SECRET`, and then what comes.
//
//   node receive.js btp+ws://shop:TOKEN@127.0.0.1:3000
//
// A shop would give each customer an address of its own, and know by it who has paid.

const { randomBytes } = require('node:crypto')
const { StreamServer } = require('@interledger/stream-receiver')
const { deserializeIlpPrepare, isIlpReply, serializeIlpFulfill, serializeIlpReply } = require('ilp-packet')
const BtpPlugin = require('ilp-plugin-btp')
const { fetch: fetchAddress } = require('ilp-protocol-ildcp')

async function main ([server]) {
  if (!server) throw new Error('usage: node receive.js BTP_URL')
  const plugin = new BtpPlugin({ server })
  await plugin.connect()
  // The node gives the account an address.
  const { clientAddress, assetCode, assetScale } = await fetchAddress(data => plugin.sendData(data))
  const receiver = new StreamServer({ serverSecret: randomBytes(32), serverAddress: clientAddress })
  let total = 0n
  plugin.registerDataHandler(async bytes => {
    const prepare = deserializeIlpPrepare(bytes)
    const answer = receiver.createReply(prepare)
    if (isIlpReply(answer)) return serializeIlpReply(answer)
    total += BigInt(prepare.amount)
    console.log(`received ${prepare.amount}, ${total} in all`)
    return serializeIlpFulfill(answer.accept())
  })
  const asset = { code: assetCode, scale: assetScale }
  const { ilpAddress, sharedSecret } = receiver.generateCredentials({ asset })
  console.log(JSON.stringify({ address: ilpAddress, secret: sharedSecret.toString('base64') }))
}

main(process.argv.slice(2)).catch(error => { console.error(error.message ?? error); process.exit(1) })
