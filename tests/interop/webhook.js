'use strict'
// A receiver of webhooks that trusts only npm `standardwebhooks`: it prints a line of JSON for each event whose
// signature fits. --secret whsec_...; --fail N: the first N get 500; --hold: none is answered; --cert FILE --key FILE:
// over TLS.
const fs = require('fs')
const http = require('http')
const https = require('https')
const { Webhook } = require('standardwebhooks')

const option = (name) => {
  const at = process.argv.indexOf('--' + name)
  return at < 0 ? undefined : process.argv[at + 1]
}

const webhook = new Webhook(option('secret'))
const hold = process.argv.includes('--hold')
let failures = Number(option('fail') || 0)

const receive = (request, response) => {
  let body = ''
  request.on('data', (chunk) => { body += chunk })
  request.on('end', () => {
    let event
    try {
      event = webhook.verify(body, request.headers)
    } catch (error) {
      console.log(JSON.stringify({ refused: String(error) }))
      response.writeHead(401).end()
      return
    }
    const status = failures > 0 ? 500 : 204
    failures -= 1
    console.log(JSON.stringify({ id: request.headers['webhook-id'], status, event }))
    if (!hold) response.writeHead(status).end()
  })
}

const cert = option('cert')
const server = cert
  ? https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(option('key')) }, receive)
  : http.createServer(receive)
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })))
