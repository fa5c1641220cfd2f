'use strict'
// A local Ethereum node (npm `ganache`): a chain of its own, in memory, which makes a block for each transaction.

const { LISTENER, readArguments, run, announce } = require('./lib/program')

const ABOUT = 'A local Ethereum node for chain-engine.js: a chain in memory, and four accounts with ether.'

run(async () => {
  const { port, host } = readArguments(ABOUT, LISTENER)
  // Only this program needs it; an installation without development packages lacks it.
  const ganache = require('ganache')
  const server = ganache.server({ logging: { quiet: true }, wallet: { totalAccounts: 4, deterministic: true } })
  await server.listen(Number(port), host)
  const accounts = await server.provider.request({ method: 'eth_accounts', params: [] })
  announce(server.address().port, { accounts })
})
