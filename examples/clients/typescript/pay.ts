// Has an exact amount delivered to an SPSP endpoint, and says before it pays what that costs at most. The types of the
// libraries of Rafiki tell what each step gives.
//
//   npm ci && npx tsc
//   node build/pay.js http://127.0.0.1:7772/wallet 1000000 btp+ws://cli:TOKEN@127.0.0.1:3000
//
// The amount is in units of the account that is paid. Without an account of its own the program is a guest of a node on
// this machine (docs/CLIENTS.md).

import { randomBytes } from 'node:crypto'
import { closeConnection, isPaymentError, pay, setupPayment, startQuote } from '@interledger/pay'
import type { PaymentError, PaymentProgress, Quote, ResolvedPayment } from '@interledger/pay'
import BtpPlugin from 'ilp-plugin-btp'
import { fetch as fetchAddress } from 'ilp-protocol-ildcp'

/** What an SPSP endpoint answers (RFC 9). */
interface SpspAnswer { destination_account: string, shared_secret: string }

/** How a payment ended. */
type Outcome =
  | { kind: 'paid', sent: bigint, delivered: bigint }
  | { kind: 'failed', why: PaymentError, delivered: bigint }

async function askReceiver (url: string): Promise<SpspAnswer> {
  const response = await fetch(url, { headers: { accept: 'application/spsp4+json' } })
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  return await response.json() as SpspAnswer
}

async function payQuoted (plugin: BtpPlugin, destination: ResolvedPayment, quote: Quote): Promise<Outcome> {
  const { error, amountSent, amountDelivered }: PaymentProgress = await pay({ plugin, destination, quote })
  return error === undefined
    ? { kind: 'paid', sent: amountSent, delivered: amountDelivered }
    : { kind: 'failed', why: error, delivered: amountDelivered }
}

async function main ([receiver, amount, account]: string[]): Promise<void> {
  if (receiver === undefined || amount === undefined) {
    throw new Error('usage: node build/pay.js SPSP_URL AMOUNT [BTP_URL]')
  }
  const server = account ?? `btp+ws://:${randomBytes(16).toString('hex')}@localhost:7768`
  const { destination_account: destinationAddress, shared_secret: secret } = await askReceiver(receiver)
  const plugin = new BtpPlugin({ server })
  await plugin.connect()
  try {
    // The node says in which asset it counts what this program owes.
    const { assetCode: code, assetScale: scale } = await fetchAddress(data => plugin.sendData(data))
    const sharedSecret = Buffer.from(secret, 'base64')
    const destination = await setupPayment({ plugin, destinationAddress, sharedSecret })
    const quote = await startQuote({ plugin, destination, amountToDeliver: amount, sourceAsset: { code, scale } })
    const { code: unit } = destination.destinationAsset
    console.log(`${quote.minDeliveryAmount} (${unit}) cost at most ${quote.maxSourceAmount} (${code})`)
    const outcome = await payQuoted(plugin, destination, quote)
    await closeConnection(plugin, destination)
    switch (outcome.kind) {
      case 'paid': console.log(`sent ${outcome.sent}, delivered ${outcome.delivered}`); break
      case 'failed': throw new Error(`${outcome.why}, after ${outcome.delivered} were delivered`)
    }
  } finally {
    await plugin.disconnect()
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  // The library throws its errors as plain words.
  console.error(isPaymentError(error) || !(error instanceof Error) ? error : error.message)
  process.exitCode = 1
})
