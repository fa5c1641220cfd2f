'use strict'
// What all programs of this folder share: their arguments, their first line, and their HTTP.

const http = require('node:http')
const { parseArgs } = require('node:util')

const BODY_BYTES_MAX = 64 * 1024

/** The arguments: each of `names` is an option with a value. A default of `undefined` makes an option required. */
function readArguments (names) {
  const options = Object.fromEntries(Object.keys(names).map(name => [name, { type: 'string' }]))
  const values = { ...names, ...parseArgs({ options }).values }
  for (const name of Object.keys(names)) {
    if (values[name] === undefined) throw new Error(`--${name} is needed`)
  }
  return values
}

/** Says that the program is ready. A test reads this line. */
function announce (port, more = {}) {
  process.stdout.write(JSON.stringify({ port, ...more }) + '\n')
}

/** Listens on `host` and `port`; 0 picks a free one. Returns the server once it listens. */
function listen (handler, port, host) {
  const server = http.createServer((request, response) => {
    handler(request, response).catch(error => {
      process.stderr.write(`${request.method} ${request.url}: ${error.stack}\n`)
      if (!response.headersSent) answer(response, 500, { error: error.message })
    })
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(Number(port), host, () => resolve(server))
  })
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

/** A request with a JSON body; returns the JSON of a 2xx answer. */
async function requestJson (method, url, body, headers = {}) {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(10_000)
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

module.exports = { readArguments, announce, listen, readBody, answer, requestJson, pause }
