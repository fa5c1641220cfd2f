'use strict'
// A ledger that settlement engines share: accounts with balances, and transfers between them. It stands for a bank or a
// chain in demonstrations and tests: whoever reaches it may move anything.
//
//   POST /transfers {id, from, to, amount}   moves money once for each id; amounts are decimal text
//   GET  /transfers?to=ACCOUNT&after=N       the transfers to an account, from number N + 1 on
//   GET  /balances                           what each account has received less what it has sent

const fs = require('node:fs')
const BigNumber = require('bignumber.js')
const { Mistake, LISTENER, readArguments, run, announce, log, listen, readBody, answer } = require('./lib/program')

const ABOUT = 'A ledger that settlement engines share: accounts, and transfers between them, over HTTP.'
const OPTIONS = {
  ...LISTENER,
  file: { kind: 'FILE', help: 'Keeps the transfers in this file, a line each; without it they are in memory', optional: true }
}

const transfers = []
const byId = new Map()
const balances = new Map()

function add (account, amount) {
  balances.set(account, (balances.get(account) ?? new BigNumber(0)).plus(amount))
}

function enter (made) {
  transfers.push(made)
  byId.set(made.id, made)
  add(made.from, new BigNumber(made.amount).negated())
  add(made.to, made.amount)
}

/** Reads the transfers of a file. Its last line may be torn; then nobody was told of that transfer. */
function load (file) {
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole !== text) fs.truncateSync(file, Buffer.byteLength(whole))
  whole.split('\n').filter(Boolean).forEach((line, index) => {
    try {
      enter(JSON.parse(line))
    } catch (error) {
      throw new Mistake(`line ${index + 1} of ${file} is no transfer: ${error.message}`)
    }
  })
}

function transfer ({ id, from, to, amount }, file) {
  const known = byId.get(id)
  if (known) return known
  const value = new BigNumber(amount)
  if (![id, from, to].every(text => typeof text === 'string' && text !== '') || !value.isGreaterThan(0)) return undefined
  const made = { number: transfers.length + 1, id, from, to, amount: value.toFixed() }
  if (file) fs.appendFileSync(file, JSON.stringify(made) + '\n')
  enter(made)
  log(`${from} paid ${made.amount} to ${to}`)
  return made
}

run(async () => {
  const { port, host, file } = readArguments(ABOUT, OPTIONS)
  if (file) load(file)

  const handle = async (request, response) => {
    const url = new URL(request.url, 'http://ledger')
    if (request.method === 'POST' && url.pathname === '/transfers') {
      const made = transfer(JSON.parse(await readBody(request)), file)
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

  const server = await listen(handle, port, host)
  announce(server.address().port)
})
