'use strict'
// `ilp-connector` of npm as its users run it: a process of its own, configured by its environment.
//
// Promises: nothing outlives its test. Its clients are accounts of an `ilp-plugin-mini-accounts` in it.

const { startProgram } = require('./program')
const { get } = require('./connector')
const plugins = require('./plugin')
const { atEnd, eventually, freePort } = require('./waiting')

const START_MS_MAX = 20_000
const CONNECT_MS_MAX = 20_000

/**
 * Starts one in the environment `env`, and returns when its administration answers. Its accounts may not be
 * connected yet.
 */
async function startTheirs (t, env) {
  const [adminPort, clientPort] = [await freePort(), await freePort()]
  const accounts = JSON.parse(env.CONNECTOR_ACCOUNTS)
  const [account] = Object.keys(accounts)
  const { assetCode, assetScale, balance, rateLimit } = accounts[account]
  const clients = {
    relation: 'child',
    plugin: 'ilp-plugin-mini-accounts',
    options: { wsOpts: { host: '127.0.0.1', port: clientPort } },
    ...{ assetCode, assetScale, balance, rateLimit }
  }
  const program = startProgram(process.execPath, [require.resolve('ilp-connector')], {
    ...env,
    CONNECTOR_ACCOUNTS: JSON.stringify({ ...accounts, clients }),
    CONNECTOR_ADMIN_API: 'true',
    CONNECTOR_ADMIN_API_PORT: String(adminPort)
  })
  atEnd(t, () => program.stop('SIGINT'))

  const ask = async path => (await get(adminPort, path))?.body
  await eventually('their connector answers', START_MS_MAX, () => {
    if (program.over) throw new Error(`it ended early:\n${program.stdout}\n${program.stderr}`)
    return ask('/accounts')
  })
  return {
    log: () => program.stdout + program.stderr,
    /** Kills it, so that it notifies no peer. */
    kill: () => program.stop('SIGKILL'),
    /** Waits until its accounts are connected. */
    connected: () => eventually('the accounts of their connector are connected', CONNECT_MS_MAX, async () =>
      Object.values((await ask('/accounts')).accounts).every(account => account.connected)),
    address: async () => (await ask('/accounts')).address,
    /** `{ id: balance }`, with the sign that our node uses: positive is what the account owes. */
    balances: async () => Object.fromEntries(Object.entries((await ask('/balance')).accounts)
      .map(([id, { balance }]) => [id, BigInt(balance)])),
    /** Its routing table: `{ prefix: { nextHop, path } }`. */
    routes: async () => (await ask('/routing')).localRoutingTable,
    /** Connects a client to it, with `handler` for received packets. */
    connect: async (name, handler) => {
      const plugin = plugins.client(t, clientPort, name, `token-of-${name}`)
      plugin.registerDataHandler(handler)
      await plugin.connect()
      return plugin
    }
  }
}

module.exports = { startTheirs }
