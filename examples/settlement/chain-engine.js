'use strict'
// A settlement engine of RFC 38 on an Ethereum chain: one unit of the connector's asset, such as ETH, is one ether.
//
// Written from the specification, without a framework: amounts are big integers at scale 18, the key of a credit is the
// hash of its transaction, and a key is settled once however often the connector repeats it.

const {
  LISTENER, CONNECTOR, readArguments, run, announce, log, listen, readBody, answer, requestJson, bearer, pause
} = require('./lib/program')

const POLL_MS = 50
const RETRY_MS_MAX = 2_000
const WEI_SCALE = 18n

const ABOUT = 'A settlement engine (RFC 38) that pays and receives on an Ethereum chain; one unit of the asset is one ether.'
const OPTIONS = {
  ...LISTENER,
  ...CONNECTOR,
  chain: { kind: 'URL', help: 'JSON-RPC of an Ethereum node that signs for the account, such as chain.js' },
  account: { kind: 'ADDRESS', help: "The node's account on the chain, such as the first that chain.js prints" }
}

run(async () => {
  const { port, host, connector, token, chain, account } = readArguments(ABOUT, OPTIONS)
  const own = account.toLowerCase()
  const accounts = new Map()
  const settled = new Map()
  let calls = 0
  let payments = Promise.resolve()
  let nonce

  const rpc = async (method, params) => {
    const reply = await requestJson('POST', chain, { jsonrpc: '2.0', id: ++calls, method, params })
    if (reply.error) throw Object.assign(new Error(`${method}: ${reply.error.message}`), { isRefusal: true })
    return reply.result
  }

  const isAddress = text => /^0x[0-9a-f]{40}$/.test(text)

  const toHex = number => `0x${number.toString(16)}`

  const toWei = ({ amount, scale }) => {
    const places = WEI_SCALE - BigInt(scale)
    return places >= 0n ? BigInt(amount) * 10n ** places : BigInt(amount) / 10n ** -places
  }

  const isQuantity = body => typeof body?.amount === 'string' && /^\d+$/.test(body.amount) &&
    Number.isInteger(body.scale) && body.scale >= 0 && body.scale <= 255

  async function greet (id) {
    const known = accounts.get(id)
    for (let wait = POLL_MS; accounts.get(id) === known && !known.peer; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      const reply = fetch(`${connector}/accounts/${id}/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream', ...bearer(token) },
        body: own,
        signal: AbortSignal.timeout(10_000)
      })
      const text = await reply.then(reply => reply.ok ? reply.text() : '').catch(() => '')
      if (isAddress(text.toLowerCase())) known.peer = text.toLowerCase()
      else await pause(wait)
    }
  }

  /** Pays once for each key. What was asked for before the peer's address was known is paid then. */
  async function pay (key, id, wei) {
    for (let wait = POLL_MS; ; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      while (accounts.has(id) && !accounts.get(id).peer) await pause(POLL_MS)
      const to = accounts.get(id)?.peer
      if (to === undefined) return
      // One at a time. What the chain refuses holds up no other payment.
      const sent = payments.then(() => send(to, wei))
      payments = sent.catch(() => {})
      try {
        const hash = await sent
        return log(`paid ${wei} wei to ${to} for ${key}: ${hash}`)
      } catch (error) {
        if (wait === POLL_MS) log(`not paid yet: ${wei} wei to ${to} for ${key}: ${error.message}`)
        await pause(wait)
      }
    }
  }

  /**
   * Fails if the chain refuses the transaction. It takes one for each nonce of an account, which this engine alone uses:
   * if an answer is lost, the transaction is repeated with its nonce, and so not made twice.
   */
  async function send (to, wei) {
    const count = async () => Number(await rpc('eth_getTransactionCount', [own, 'pending']))
    const transaction = () => ({ from: own, to, value: toHex(wei), nonce: toHex(nonce) })
    for (let wait = POLL_MS, isRepeated = false; ; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      try {
        nonce ??= await count()
        const hash = isRepeated && await count() > nonce
          ? 'the answer was lost'
          : await rpc('eth_sendTransaction', [transaction()])
        nonce++
        return hash
      } catch (error) {
        if (error.isRefusal && !isRepeated) {
          nonce = undefined
          throw error
        }
        isRepeated = true
        await pause(wait)
      }
    }
  }

  async function credit (id, hash, wei) {
    for (let wait = POLL_MS; accounts.has(id); wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      const reply = await fetch(`${connector}/accounts/${id}/settlements`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': hash, ...bearer(token) },
        body: JSON.stringify({ amount: wei.toString(), scale: Number(WEI_SCALE) }),
        signal: AbortSignal.timeout(10_000)
      }).catch(() => undefined)
      // The same key again, until the connector has it.
      if (reply?.ok) return
      await pause(wait)
    }
  }

  async function watchChain () {
    for (let next = 0; ;) {
      const block = await rpc('eth_getBlockByNumber', [toHex(next), true]).catch(() => undefined)
      if (block) {
        for (const { hash, from, to, value } of block.transactions) {
          if (to?.toLowerCase() !== own) continue
          const payer = async () => {
            // The peer may pay before this engine has heard of it.
            for (;;) {
              const found = [...accounts].find(([, known]) => known.peer === from.toLowerCase())
              if (found) return found[0]
              await pause(RETRY_MS_MAX)
            }
          }
          payer().then(id => credit(id, hash, BigInt(value)))
        }
        next++
      } else {
        await pause(POLL_MS)
      }
    }
  }

  async function handle (request, response) {
    const [, root, id, what, ...rest] = request.url.split('/')
    if (root !== 'accounts' || rest.length > 0) return answer(response, 404, { error: 'there is no such page' })
    if (request.method === 'POST' && id === undefined) {
      const body = JSON.parse(await readBody(request))
      if (typeof body.id !== 'string' || !/^[A-Za-z0-9_.~-]+$/.test(body.id)) return answer(response, 400, { error: 'bad id' })
      if (!accounts.has(body.id)) accounts.set(body.id, { peer: undefined })
      greet(body.id)
      return answer(response, 201, { id: body.id })
    }
    const known = accounts.get(id)
    if (!known) return answer(response, 404, { error: `there is no account ${id}` })
    if (request.method === 'DELETE' && what === undefined) {
      accounts.delete(id)
      response.writeHead(204)
      return response.end()
    }
    if (request.method === 'POST' && what === 'messages') {
      const peer = (await readBody(request)).toString().toLowerCase()
      if (!isAddress(peer)) return answer(response, 400, { error: 'an address of the chain is needed' })
      known.peer = peer
      response.writeHead(201, { 'content-type': 'application/octet-stream' })
      return response.end(own)
    }
    if (request.method === 'POST' && what === 'settlements') {
      const key = request.headers['idempotency-key']
      const text = (await readBody(request)).toString()
      const body = JSON.parse(text)
      if (!key || !isQuantity(body)) return answer(response, 400, { error: 'a key and a quantity are needed' })
      const before = settled.get(key)
      if (before !== undefined && before !== `${id} ${text}`) return answer(response, 409, { error: 'the key has another body' })
      if (before === undefined) {
        settled.set(key, `${id} ${text}`)
        pay(key, id, toWei(body))
      }
      return answer(response, 201, body)
    }
    answer(response, 405, { error: 'this cannot be done here' })
  }

  const server = await listen(handle, port, host)
  watchChain()
  announce(server.address().port)
})
