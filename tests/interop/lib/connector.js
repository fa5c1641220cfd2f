'use strict'
// Runs the connector under test, as a user would: a node file, a process, a look at /health.
//
// Promises: ports are the system's choice; nothing outlives its test; at the end of every test the node
// must have stopped by itself with code 0, written only JSON lines, and printed no secret.
// Lacks: any knowledge of BTP or ILP, which is the packages' part.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const fs = require('node:fs/promises')
const http = require('node:http')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { setTimeout: delay } = require('node:timers/promises')

const BINARY = process.env.ILP_CONNECTOR_BIN
const READY_MS_MAX = 15_000
const STOP_MS_MAX = 10_000

/**
 * Starts a node and returns once its health answers, with `{ port, log(), health(), stop() }`.
 * `settings` is a node file as an object (JSON is YAML); every `authToken` in it counts as a secret.
 */
async function startNode (t, settings) {
  assert.ok(BINARY, 'ILP_CONNECTOR_BIN must name the ilp-connector program')
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'ilp-interop-'))
  const file = path.join(folder, 'node.yaml')
  await fs.writeFile(file, JSON.stringify({
    btpServerPort: 0,
    healthCheckPort: 0,
    ...settings,
    btpServerHost: '127.0.0.1',
    healthCheckHost: '127.0.0.1'
  }, null, 2))

  const child = spawn(BINARY, ['run', '--config', file], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => { stdout += chunk })
  child.stderr.on('data', chunk => { stderr += chunk })
  const ended = new Promise(resolve => child.once('close', (code, signal) => resolve({ code, signal })))
  let over = false
  ended.then(() => { over = true })

  const node = {
    log: () => stdout,
    health: () => getHealth(node.healthPort),
    stop: once(async () => {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
      const { code, signal } = await ended
      clearTimeout(late)
      await fs.rm(folder, { recursive: true })
      assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' },
        `the node did not stop well; its log:\n${stdout}`)
      checkLog(stdout, (settings.peers ?? []).map(peer => peer.authToken))
    })
  }
  atEnd(t, node.stop)
  await eventually('the node listens', READY_MS_MAX, () => {
    assert.ok(!over, `the node ended early:\n${stdout}\n${stderr}`)
    node.port = portOf(stdout, 'BTP server listening')
    node.healthPort = portOf(stdout, 'health server listening')
    return node.port && node.healthPort
  })
  assert.ok(await node.health(), '/health does not answer')
  return node
}

/** The port in the log line with this message, once that is there whole. */
function portOf (log, message) {
  const lines = log.slice(0, log.lastIndexOf('\n') + 1).split('\n')
  const line = lines.find(line => line.includes(message))
  return line && JSON.parse(line).port
}

/** `{ code, body }` of GET /health, or undefined while nobody listens. */
function getHealth (port) {
  return new Promise(resolve => {
    const request = http.get({ host: '127.0.0.1', port, path: '/health', agent: false }, response => {
      let text = ''
      response.on('data', chunk => { text += chunk })
      response.on('end', () => resolve({ code: response.statusCode, body: JSON.parse(text) }))
    })
    request.on('error', () => resolve(undefined))
  })
}

function checkLog (text, secrets) {
  for (const line of text.split('\n').filter(line => line !== '')) {
    assert.doesNotThrow(() => JSON.parse(line), `a log line is not JSON: ${line}`)
  }
  for (const secret of secrets.filter(Boolean)) {
    assert.ok(!text.includes(secret), `the log shows the secret ${secret}`)
  }
}

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

/** A port that is free now. */
function freePort () {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

const endings = new WeakMap()

/** Like `t.after`, but the last comes first: a client goes before the node that it is connected to. */
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

module.exports = { startNode, atEnd, eventually, freePort }
