'use strict'
// A settlement engine on the public npm package `ilp-settlement-core`, over the ledger of `ledger.js`. The two engines of
// a link tell each other their accounts at the ledger through the connectors (RFC 38 "Messages").
//
// It keeps what it knows in memory: after a restart it needs its accounts again, and a payment that was accepted and not
// made is lost. The package listens on all interfaces and asks for no token. So it is for demonstrations and tests.

const axios = require('axios')
const BigNumber = require('bignumber.js')
const { randomUUID } = require('node:crypto')
const { createMemoryStore, startServer } = require('ilp-settlement-core')
const { CONNECTOR, readArguments, run, announce, log, checkPort, requestJson, bearer, pause } = require('./lib/program')

const POLL_MS = 50
const RETRY_MS_MAX = 2_000
/** Decimal places of the ledger. */
const LEDGER_SCALE = 6

const ABOUT = 'A settlement engine (RFC 38) that pays and receives on the ledger of ledger.js.'
const OPTIONS = {
  port: { kind: 'PORT', help: 'Port to listen on' },
  ...CONNECTOR,
  ledger: { kind: 'URL', help: 'The ledger' },
  account: { kind: 'NAME', help: "The node's account at the ledger" },
  scale: { kind: 'NUMBER', help: 'Decimal places of the ledger', value: String(LEDGER_SCALE) }
}

run(async () => {
  const { port, connector, token, ledger, account, scale } = readArguments(ABOUT, OPTIONS)
  Object.assign(axios.defaults.headers.common, bearer(token))
  /** The peer's account at the ledger, by the id of the account at the connector, and the other way round. */
  const ledgerAccounts = new Map()
  const connectorAccounts = new Map()
  const learn = (id, theirs) => {
    if (ledgerAccounts.get(id) !== theirs) log(`the peer ${id} has the account ${theirs} at the ledger`)
    ledgerAccounts.set(id, theirs)
    connectorAccounts.set(theirs, id)
  }

  /** Makes a transfer, however long the ledger is out of reach: the package takes an error for a payment. */
  const pay = async transfer => {
    for (let wait = POLL_MS; ; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      try {
        return await requestJson('POST', `${ledger}/transfers`, transfer)
      } catch (error) {
        if (error.status < 500) throw error
        if (wait === POLL_MS) log(`not paid yet: ${transfer.amount} to ${transfer.to}: ${error.cause?.message ?? error.message}`)
        await pause(wait)
      }
    }
  }

  const createEngine = async services => {
    const watch = async () => {
      let seen = 0
      /** Transfers from accounts that no peer has named by now. */
      let waiting = []
      for (;;) {
        const url = `${ledger}/transfers?to=${encodeURIComponent(account)}&after=${seen}`
        const found = await requestJson('GET', url).catch(() => [])
        waiting.push(...found)
        seen = found.at(-1)?.number ?? seen
        const known = waiting.filter(transfer => connectorAccounts.has(transfer.from))
        waiting = waiting.filter(transfer => !known.includes(transfer))
        for (const { id, from, amount } of known) {
          await services.creditSettlement(connectorAccounts.get(from), new BigNumber(amount), id)
          log(`received ${amount} from ${from}`)
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
        await pay({ id: randomUUID(), from: account, to, amount: paid.toFixed() })
        log(`paid ${paid.toFixed()} to ${to}`)
        return paid
      }
    }
  }
  // The package would report that in its own way, after the first line.
  await checkPort(port)
  await startServer(createEngine, createMemoryStore(), { connectorUrl: connector, port })
  announce(Number(port))
})
