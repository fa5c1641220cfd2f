'use strict'
// A settlement engine on the public npm package `ilp-settlement-core`, over the ledger of `ledger.js`. The two engines of
// a link tell each other their accounts at the ledger through the connectors (RFC 38 "Messages").

const BigNumber = require('bignumber.js')
const { randomUUID } = require('node:crypto')
const { createMemoryStore, startServer } = require('ilp-settlement-core')
const { readArguments, announce, requestJson, pause } = require('./lib/program')

const POLL_MS = 50
const RETRY_MS_MAX = 2_000
/** Decimal places of the ledger. */
const LEDGER_SCALE = 6

async function main () {
  const { port, connector, ledger, account, scale } = readArguments({
    port: undefined, connector: undefined, ledger: undefined, account: undefined, scale: String(LEDGER_SCALE)
  })
  /** The peer's account at the ledger, by the id of the account at the connector, and the other way round. */
  const ledgerAccounts = new Map()
  const connectorAccounts = new Map()
  const learn = (id, theirs) => {
    ledgerAccounts.set(id, theirs)
    connectorAccounts.set(theirs, id)
  }

  const createEngine = async services => {
    let seen = 0
    const watch = async () => {
      for (;;) {
        const found = await requestJson('GET', `${ledger}/transfers?to=${encodeURIComponent(account)}&after=${seen}`).catch(() => [])
        for (const transfer of found) {
          const id = connectorAccounts.get(transfer.from)
          // Not from a peer that this engine knows by now: it is looked at again.
          if (id === undefined) break
          seen = transfer.number
          await services.creditSettlement(id, new BigNumber(transfer.amount), transfer.id)
        }
        await pause(POLL_MS)
      }
    }
    watch()
    const greet = async id => {
      for (let wait = POLL_MS; !ledgerAccounts.has(id); wait = Math.min(2 * wait, RETRY_MS_MAX)) {
        const reply = await services.sendMessage(id, { account }).catch(() => undefined)
        if (typeof reply?.account === 'string') learn(id, reply.account)
        else await pause(wait)
      }
      // What was asked for before the peer's account was known.
      services.trySettlement(id)
    }
    return {
      // The request of the connector is answered when the peer's engine is known; the peer may ask meanwhile.
      setupAccount: greet,
      async handleMessage (id, message) {
        learn(id, message.account)
        return { account }
      },
      async settle (id, amount) {
        const to = ledgerAccounts.get(id)
        const paid = amount.decimalPlaces(Number(scale), BigNumber.ROUND_DOWN)
        if (to === undefined || paid.isZero()) return new BigNumber(0)
        await requestJson('POST', `${ledger}/transfers`, { id: randomUUID(), from: account, to, amount: paid.toFixed() })
        return paid
      }
    }
  }
  await startServer(createEngine, createMemoryStore(), { connectorUrl: connector, port })
  announce(Number(port))
}

main().catch(error => { process.stderr.write(`${error.stack}\n`); process.exit(1) })
