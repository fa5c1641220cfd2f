'use strict'
// Pays an SPSP endpoint with the libraries of Rafiki:
//
//   node pay.js btp+ws://cli:TOKEN@127.0.0.1:3000 http://127.0.0.1:7772/wallet 1000000
//   node pay.js btp+ws://cli:TOKEN@127.0.0.1:3000 http://127.0.0.1:7773/wallet 1000000 '{ "USD": 1, "EUR": 1.08 }'
//
// The amount is in units of the paying account. If the receiver has another currency, the payer says what it believes
// that they are worth, and pays if it loses at most one percent.

const { closeConnection, pay, setupPayment, startQuote } = require('@interledger/pay')
const { fetch: fetchAddress } = require('ilp-protocol-ildcp')
const { describeReject, fail, logIn } = require('./login')

async function main ([server, receiver, amount, prices]) {
  if (!amount) throw new Error('usage: node pay.js BTP_URL SPSP_URL AMOUNT [PRICES]')
  // Where the money goes, and the secret of sender and receiver.
  const response = await fetch(receiver, { headers: { accept: 'application/spsp4+json' } })
    .catch(error => { throw new Error(`no answer from ${receiver}`, { cause: error.cause }) })
  if (!response.ok) throw new Error(`${receiver} answers ${response.status}`)
  const { destination_account: destinationAddress, shared_secret: secret } = await response.json()

  const plugin = await logIn(server)
  try {
    // What the units of this account are.
    const { assetCode, assetScale } = await fetchAddress(data => plugin.sendData(data))
    const destination = await setupPayment({
      plugin, destinationAddress, sharedSecret: Buffer.from(secret, 'base64')
    })
    const quote = await startQuote({
      plugin,
      destination,
      amountToSend: BigInt(amount),
      sourceAsset: { code: assetCode, scale: assetScale },
      prices: prices && JSON.parse(prices)
    })
    const { error, amountSent, amountDelivered } = await pay({ plugin, destination, quote })
    await closeConnection(plugin, destination)
    const { code, scale } = destination.destinationAsset
    console.log(`paid ${amountSent} of ${assetCode}/${assetScale} to ${receiver}, and ${amountDelivered} of ${code}/${scale} arrived`)
    if (error) throw error
  } catch (error) {
    const { lastReject } = plugin
    throw new Error(`${error.message ?? error}${lastReject ? `; the last Reject: ${describeReject(lastReject)}` : ''}`)
  } finally {
    await plugin.disconnect()
  }
}

main(process.argv.slice(2)).catch(fail)
