'use strict'
// A ledger that two engines share: accounts with balances, and transfers between them, in memory.
//
//   POST /transfers {id, from, to, amount}   moves money once for each id; amounts are decimal text
//   GET  /transfers?to=ACCOUNT&after=N       the transfers to an account, from number N + 1 on
//   GET  /balances                           what each account has received less what it has sent

const BigNumber = require('bignumber.js')
const { readArguments, announce, listen, readBody, answer } = require('./lib/program')

const transfers = []
const byId = new Map()
const balances = new Map()

function add (account, amount) {
  balances.set(account, (balances.get(account) ?? new BigNumber(0)).plus(amount))
}

function transfer ({ id, from, to, amount }) {
  const known = byId.get(id)
  if (known) return known
  const value = new BigNumber(amount)
  if (![id, from, to].every(text => typeof text === 'string' && text !== '') || !value.isGreaterThan(0)) return undefined
  const made = { number: transfers.length + 1, id, from, to, amount: value.toFixed() }
  transfers.push(made)
  byId.set(id, made)
  add(from, value.negated())
  add(to, value)
  return made
}

async function handle (request, response) {
  const url = new URL(request.url, 'http://ledger')
  if (request.method === 'POST' && url.pathname === '/transfers') {
    const made = transfer(JSON.parse(await readBody(request)))
    return made ? answer(response, 201, made) : answer(response, 400, { error: 'id, from, to and an amount are needed' })
  }
  if (request.method === 'GET' && url.pathname === '/transfers') {
    const [to, after] = [url.searchParams.get('to'), Number(url.searchParams.get('after') ?? 0)]
    return answer(response, 200, transfers.slice(after).filter(made => made.to === to))
  }
  if (request.method === 'GET' && url.pathname === '/balances') {
    return answer(response, 200, Object.fromEntries([...balances].map(([account, sum]) => [account, sum.toFixed()])))
  }
  answer(response, 404, { error: 'there is no such page' })
}

async function main () {
  const { port, host } = readArguments({ port: '0', host: '127.0.0.1' })
  const server = await listen(handle, port, host)
  announce(server.address().port)
}

main().catch(error => { process.stderr.write(`${error.stack}\n`); process.exit(1) })
