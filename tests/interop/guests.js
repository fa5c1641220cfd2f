'use strict'
// Two applications without any settings: one pays a receiver of the node and the other application. The node listens
// where they look for it. Prints what they found, and the balances of the node.

const { randomBytes } = require('node:crypto')
const { closeConnection, pay, setupPayment, startQuote } = require('@interledger/pay')
const { StreamServer } = require('@interledger/stream-receiver')
const { deserializeIlpPrepare, isIlpReply, serializeIlpFulfill, serializeIlpReply } = require('ilp-packet')
const createPlugin = require('ilp-plugin')
const { fetch: fetchAddress } = require('ilp-protocol-ildcp')

async function application () {
  const plugin = createPlugin()
  await plugin.connect()
  const { clientAddress, assetCode, assetScale } = await fetchAddress(data => plugin.sendData(data))
  return { plugin, address: clientAddress, asset: { code: assetCode, scale: assetScale } }
}

/** Takes payments, and returns where they go to. */
function receive ({ plugin, address, asset }) {
  const receiver = new StreamServer({ serverSecret: randomBytes(32), serverAddress: address })
  plugin.registerDataHandler(async bytes => {
    const answer = receiver.createReply(deserializeIlpPrepare(bytes))
    return isIlpReply(answer) ? serializeIlpReply(answer) : serializeIlpFulfill(answer.accept())
  })
  return receiver.generateCredentials({ asset })
}

async function send ({ plugin, asset }, destinationAddress, sharedSecret, amount) {
  const destination = await setupPayment({ plugin, destinationAddress, sharedSecret })
  const quote = await startQuote({ plugin, destination, amountToSend: amount, sourceAsset: asset })
  const { error, amountDelivered } = await pay({ plugin, destination, quote })
  await closeConnection(plugin, destination)
  if (error) throw new Error(error)
  return amountDelivered.toString()
}

async function json (url, headers = {}) {
  const response = await fetch(url, { headers })
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  return await response.json()
}

async function main () {
  const [payer, shop] = [await application(), await application()]
  const { ilpAddress, sharedSecret } = receive(shop)
  const wallet = await json('http://127.0.0.1:7770/wallet', { accept: 'application/spsp4+json' })
  const secret = Buffer.from(wallet.shared_secret, 'base64')
  const paidWallet = await send(payer, wallet.destination_account, secret, 5000n)
  const paidShop = await send(payer, ilpAddress, sharedSecret, 700n)
  const { peers, receivers } = await json('http://127.0.0.1:8080/peers')
  const balances = Object.fromEntries([...peers, ...receivers ?? []].map(({ id, balance }) => [id, balance]))
  const found = ({ address, asset: { code, scale } }) => ({ address, asset: `${code}/${scale}` })
  console.log(JSON.stringify({ payer: found(payer), shop: found(shop), paidWallet, paidShop, balances }))
  await Promise.all([payer, shop].map(({ plugin }) => plugin.disconnect()))
}

main().then(() => process.exit(0), error => { console.error(error); process.exit(1) })
