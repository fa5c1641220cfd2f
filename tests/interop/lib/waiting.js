'use strict'
// Endings, conditions with a deadline, and free ports.

const net = require('node:net')
const { setTimeout: delay } = require('node:timers/promises')

/** Waits until `look` returns something true, and returns that. */
async function eventually (what, msMax, look) {
  const deadline = Date.now() + msMax
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (Date.now() > deadline) throw new Error(`not within ${msMax} ms: ${what}`)
    await delay(20)
  }
}

const PORT_FIRST = 10_000
const PORT_COUNT = 22_000
// Concurrent test programs begin at different ports.
let ports = process.pid * 97

/**
 * A free port, for a program that must know it in advance. It is below the range of outgoing connections, and none is
 * returned twice, so that it is still free when the program binds it.
 */
async function freePort () {
  for (let tried = 0; tried < PORT_COUNT; tried++) {
    const port = PORT_FIRST + (ports++ % PORT_COUNT)
    if (await isFree(port)) return port
  }
  throw new Error('no free port')
}

function isFree (port) {
  return new Promise(resolve => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

const endings = new WeakMap()

/** Like `t.after`, but in reverse order: a client stops before the node that it is connected to. */
function atEnd (t, action) {
  if (!endings.has(t)) {
    endings.set(t, [])
    t.after(async () => {
      const failures = []
      for (const ending of endings.get(t).reverse()) {
        try { await ending() } catch (error) { failures.push(error) }
      }
      if (failures.length > 0) throw failures[0]
    })
  }
  endings.get(t).push(action)
}

function once (action) {
  let promise
  return () => (promise ??= action())
}

module.exports = { eventually, freePort, atEnd, once }
