'use strict'
// A local Ethereum node (npm `ganache`): a chain of its own, in memory, which makes a block for each transaction.

const { readArguments, announce } = require('./lib/program')

async function main () {
  const { port } = readArguments({ port: '0' })
  const ganache = require('ganache')
  const server = ganache.server({ logging: { quiet: true }, wallet: { totalAccounts: 4, deterministic: true } })
  await server.listen(Number(port), '127.0.0.1')
  const accounts = await server.provider.request({ method: 'eth_accounts', params: [] })
  announce(server.address().port, { accounts })
}

main().catch(error => { process.stderr.write(`${error.stack}\n`); process.exit(1) })
