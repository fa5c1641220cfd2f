'use strict'
// Pays an SPSP endpoint with the libraries of Rafiki:
//
//   node pay.js btp+ws://cli:TOKEN@127.0.0.1:3000 http://127.0.0.1:7772/wallet 1000000
//
// The amount is in units of the paying account, which here has nine decimal places of a dollar.

const { closeConnection, pay, setupPayment, startQuote } = require('@interledger/pay')
const BtpPlugin = require('ilp-plugin-btp')

const sourceAsset = { code: 'USD', scale: 9 }

async function main ([server, receiver, amount]) {
  if (!amount) throw new Error('usage: node pay.js BTP_URL SPSP_URL AMOUNT')
  // Where the money goes, and the secret of sender and receiver.
  const response = await fetch(receiver, { headers: { accept: 'application/spsp4+json' } })
  if (!response.ok) throw new Error(`${receiver} answers ${response.status}`)
  const { destination_account: destinationAddress, shared_secret: secret } = await response.json()

  const plugin = new BtpPlugin({ server })
  await plugin.connect()
  try {
    const destination = await setupPayment({
      plugin, destinationAddress, sharedSecret: Buffer.from(secret, 'base64')
    })
    const quote = await startQuote({ plugin, destination, amountToSend: BigInt(amount), sourceAsset })
    const { error, amountSent, amountDelivered } = await pay({ plugin, destination, quote })
    await closeConnection(plugin, destination)
    console.log(`paid ${amountSent} to ${receiver}, and ${amountDelivered} arrived`)
    if (error) throw new Error(error)
  } finally {
    await plugin.disconnect()
  }
}

main(process.argv.slice(2)).catch(error => { console.error(error.message ?? error); process.exitCode = 1 })
