'use strict'
// What all programs of this folder share: their arguments and help, their first line, their end, and their HTTP.

const http = require('node:http')
const { basename } = require('node:path')
const { parseArgs } = require('node:util')

const BODY_BYTES_MAX = 64 * 1024
/** As `ilp-connector` has it. */
const EXIT_USAGE = 64

/** A mistake of the caller: reported in one line, without a stack. */
class Mistake extends Error {}

const CHECKS = {
  PORT: text => /^\d{1,5}$/.test(text) && Number(text) <= 65535,
  NUMBER: text => /^\d{1,3}$/.test(text),
  URL: text => /^https?:\/\/[^/]+/.test(text) && URL.canParse(text)
}

/**
 * The values of the options by their names. Each of `options` is `{ kind, help }`: `kind` is its name in the help, and
 * a URL, PORT or NUMBER is checked. With `value` it has a default, with `optional` it may be absent, with `variable` the
 * environment has it too; any other is required. `--help` prints all of that and ends the program.
 */
function readArguments (about, options) {
  const names = Object.fromEntries(Object.keys(options).map(name => [name, { type: 'string' }]))
  let given
  try {
    given = parseArgs({ options: { ...names, help: { type: 'boolean', short: 'h' } } }).values
  } catch (error) {
    throw new Mistake(`${error.message}\n\n${usage(about, options)}`)
  }
  if (given.help) {
    process.stdout.write(usage(about, options))
    process.exit(0)
  }
  const values = {}
  for (const [name, { kind, value, optional, variable }] of Object.entries(options)) {
    const found = given[name] ?? (variable && process.env[variable]) ?? value
    if (found === undefined && !optional) throw new Mistake(`--${name} is missing\n\n${usage(about, options)}`)
    if (found !== undefined && CHECKS[kind] && !CHECKS[kind](found)) {
      throw new Mistake(`--${name} ${found}: not a ${kind}\n\n${usage(about, options)}`)
    }
    // A base of paths.
    values[name] = kind === 'URL' ? found?.replace(/\/+$/, '') : found
  }
  return values
}

function usage (about, options) {
  const lines = Object.entries(options).map(([name, { kind, help, value, optional, variable }]) => {
    const notes = [value && `default: ${value}`, variable && `variable: ${variable}`]
    if (value === undefined && !optional) notes.push('required')
    const note = notes.filter(Boolean).join(', ')
    return `  ${`--${name} <${kind}>`.padEnd(22)}${help}${note && ` [${note}]`}\n`
  })
  return `Usage: node ${basename(process.argv[1])} [OPTIONS]\n\n${about}\n\nOptions:\n${lines.join('')}`
}

/** Runs a program until a signal ends it. A mistake costs one line and the exit code 64, a defect its stack and 1. */
function run (main) {
  const fail = error => {
    const isMistake = error instanceof Mistake
    const refused = ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND'].includes(error.code)
    const text = isMistake || refused ? error.message : error.stack
    process.stderr.write(`${basename(process.argv[1])}: ${text}\n`)
    process.exit(isMistake ? EXIT_USAGE : 1)
  }
  // As process 1 of a container it has no other handlers.
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0))
  process.once('uncaughtException', fail)
  main().catch(fail)
}

/** Says that the program is ready. A test reads this line. */
function announce (port, more = {}) {
  process.stdout.write(JSON.stringify({ port, ...more }) + '\n')
}

/** A line about what has happened. */
function log (text) {
  process.stderr.write(`${text}\n`)
}

/** Listens on `host` and `port`; 0 picks a free one. Returns the server once it listens. */
function listen (handler, port, host) {
  const server = http.createServer((request, response) => {
    handler(request, response).catch(error => {
      const status = error instanceof SyntaxError ? 400 : 500
      log(`${request.method} ${request.url}: ${status === 400 ? error.message : error.stack}`)
      if (!response.headersSent) answer(response, status, { error: error.message })
    })
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(Number(port), host, () => resolve(server))
  })
}

/** Fails if a port of this machine is in use. */
async function checkPort (port) {
  const server = await listen(async () => {}, port, undefined)
  await new Promise(resolve => server.close(resolve))
}

async function readBody (request) {
  const chunks = []
  let length = 0
  for await (const chunk of request) {
    length += chunk.length
    if (length > BODY_BYTES_MAX) throw new Error('the body is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function answer (response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** A request with a JSON body; returns the JSON of a 2xx answer. The error of another answer has its `status`. */
async function requestJson (method, url, body, headers = {}) {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(10_000)
  })
  const text = await response.text()
  if (!response.ok) throw Object.assign(new Error(`${method} ${url}: ${response.status} ${text}`), { status: response.status })
  return text === '' ? undefined : JSON.parse(text)
}

/** The header that a connector with a `settlementToken` wants. */
function bearer (token) {
  return token ? { authorization: `Bearer ${token}` } : {}
}

const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Options that several programs have. */
const LISTENER = {
  port: { kind: 'PORT', help: 'Port to listen on; 0 picks a free one', value: '0' },
  host: { kind: 'HOST', help: 'Address to listen on', value: '127.0.0.1' }
}
const CONNECTOR = {
  connector: { kind: 'URL', help: "The connector's listener for settlement engines: its settlementPort" },
  token: { kind: 'TOKEN', help: "The connector's settlementToken, if it has one", optional: true, variable: 'ENGINE_TOKEN' }
}

module.exports = {
  Mistake, LISTENER, CONNECTOR, readArguments, run, announce, log, listen, checkPort, readBody, answer, requestJson, bearer, pause
}
