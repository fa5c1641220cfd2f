'use strict'
// Our own sender through a mixed chain: `pay` and `trace` of the program, to receivers of other implementations.

const assert = require('node:assert/strict')

const { startChain, token } = require('./lib/chain')
const { scenario } = require('./lib/matrix')
const { startProgram } = require('./lib/program')
const stream = require('./lib/stream')

const AMOUNT = 1_000_000n

/** Runs a command as alice; returns its JSON output. */
async function asAlice ({ a }, ...args) {
  const via = `btp+ws://alice:${token('alice')}@127.0.0.1:${a.port}`
  const program = startProgram(process.env.ILP_CONNECTOR_BIN, [...args, '--via', via, '--json'])
  const { code } = await program.ended
  assert.equal(code, 0, program.stdout + program.stderr)
  return JSON.parse(program.stdout)
}

/** A million units in `count` packets or more: all of them arrive, and the balances at both ends agree. */
async function payThrough (t, listen, count) {
  const chain = await startChain(t, { child: { maxPacketAmount: Number(AMOUNT) / count } })
  const { received, address, secret } = await listen(t, chain.carol)
  const told = await asAlice(chain, 'pay', address, String(AMOUNT), '--secret', secret.toString('base64'))
  assert.deepEqual([told.sent, told.delivered], [String(AMOUNT), String(AMOUNT)], JSON.stringify(told))
  assert.equal(told.packets.fulfilled, count, JSON.stringify(told))
  assert.equal(received.amount, AMOUNT)
  assert.deepEqual(await chain.a.balances(), { alice: AMOUNT, t: -AMOUNT })
  assert.deepEqual(await chain.c.balances(), { t: AMOUNT, carol: -AMOUNT })

  const { hops, reached } = await asAlice(chain, 'trace', 'test.c')
  assert.deepEqual([reached, hops.map(hop => hop.node)], [true, ['test.a', 'test.t', 'test.c']])
  assert.equal(hops[0].largestPacket, String(Number(AMOUNT) / count))
}

scenario('our sender pays a STREAM server through a mixed chain',
  { stream: ['STREAM'], chain: ['STREAM'] },
  t => payThrough(t, stream.listen, 1_000))

scenario('our sender pays the receiver of Rafiki',
  { rafikiReceiver: ['STREAM'], chain: ['STREAM'] },
  t => payThrough(t, stream.listenAsRafiki, 1_000))
