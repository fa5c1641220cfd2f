'use strict'
// Runs the connector under test as a user does: a node file, a process, requests to /health.
//
// Promises: ports are the system's choice; nothing outlives its test; at the end of every test the node
// must have stopped by itself with code 0, written only JSON lines, and printed no secret.
// Lacks: any knowledge of BTP or ILP, which is the packages' part.

const assert = require('node:assert/strict')
const fs = require('node:fs/promises')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')

const { startProgram } = require('./program')
const { atEnd, eventually, once } = require('./waiting')

const BINARY = process.env.ILP_CONNECTOR_BIN
const READY_MS_MAX = 15_000

/**
 * Starts a node, waits for its health page, and returns an object with its operations. `settings` is a node file without
 * hosts and ports, as text or as an object (JSON is YAML); the log may show no `authToken` of it.
 */
async function startNode (t, settings) {
  assert.ok(BINARY, 'ILP_CONNECTOR_BIN must name the ilp-connector program')
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'ilp-interop-'))
  const file = path.join(folder, 'node.yaml')
  const text = nodeFile(settings)
  await fs.writeFile(file, text)

  const program = startProgram(BINARY, ['run', '--config', file])
  const node = {
    log: () => program.stdout,
    health: () => get(node.healthPort, '/health'),
    /** Waits until all required peers are connected. */
    ready: () => eventually('the node is ready', READY_MS_MAX, async () => (await node.health())?.code === 200),
    /** `{ id: balance }` of all accounts, which must sum to zero. */
    balances: async () => {
      const { peers, nodeId } = (await get(node.healthPort, '/peers')).body
      const balances = Object.fromEntries(peers.map(peer => [peer.id, BigInt(peer.balance)]))
      const sum = Object.values(balances).reduce((sum, balance) => sum + balance, 0n)
      assert.equal(sum, 0n, `the balances of ${nodeId} do not sum to zero`)
      return balances
    },
    /** Waits until a peer is no longer connected. */
    without: id => eventually(`${id} is gone`, READY_MS_MAX, async () => {
      const { peers } = (await get(node.healthPort, '/peers')).body
      return peers.find(peer => peer.id === id).state !== 'connected'
    }),
    /** The entry of `/routes` for `destination`. */
    route: async destination =>
      (await get(node.healthPort, `/routes?destination=${encodeURIComponent(destination)}`)).body,
    stop: once(async () => {
      const end = await program.stop('SIGTERM')
      await fs.rm(folder, { recursive: true })
      assert.deepEqual({ ...end, stderr: program.stderr }, { code: 0, signal: null, stderr: '' },
        `the node did not stop with code 0 and empty stderr; its log:\n${program.stdout}`)
      checkLog(program.stdout, secretsOf(text))
    })
  }
  atEnd(t, node.stop)
  await eventually('the node listens', READY_MS_MAX, () => {
    assert.ok(!program.over, `the node ended early:\n${program.stdout}\n${program.stderr}`)
    node.port = portOf(program.stdout, 'BTP server listening')
    node.healthPort = portOf(program.stdout, 'health server listening')
    // Only with `httpServerPort` in the file.
    node.httpPort = portOf(program.stdout, 'HTTP server listening')
    return node.port && node.healthPort && (node.httpPort || !text.includes('httpServerPort'))
  })
  assert.ok(await node.health(), '/health does not answer')
  return node
}

/** A node file on loopback, on free ports unless `settings` has ports. */
function nodeFile (settings) {
  const hosts = { btpServerHost: '127.0.0.1', healthCheckHost: '127.0.0.1', httpServerHost: '127.0.0.1' }
  const ports = { btpServerPort: 0, healthCheckPort: 0 }
  if (typeof settings === 'object') return JSON.stringify({ ...ports, ...settings, ...hosts }, null, 2)
  const lines = Object.entries({ ...ports, ...hosts }).map(([key, value]) => `${key}: ${value}\n`)
  return lines.join('') + settings
}

const secretsOf = text => [...text.matchAll(/authToken"?: "?([^"\s]*)/g)].map(([, secret]) => secret)

/** The port in the log line with this message, once the line is complete. */
function portOf (log, message) {
  const lines = log.slice(0, log.lastIndexOf('\n') + 1).split('\n')
  const line = lines.find(line => line.includes(message))
  return line && JSON.parse(line).port
}

/** `{ code, body }` of a GET on loopback whose answer is JSON, or undefined while the port is closed. */
function get (port, path) {
  return new Promise(resolve => {
    const request = http.get({ host: '127.0.0.1', port, path, agent: false }, response => {
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

module.exports = { startNode, get }
