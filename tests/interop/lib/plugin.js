'use strict'
// `ilp-plugin-btp` as its users run it. Its log is silenced: some scenarios make it complain by design.

const BtpPlugin = require('ilp-plugin-btp')
const { atEnd } = require('./waiting')

const silent = Object.assign(() => {}, { debug () {}, trace () {}, info () {}, warn () {}, error () {} })
// Far below the package's 35 s, so that a missing answer fails a test soon.
const RESPONSE_MS_MAX = 15_000

/** A client that has not connected yet. It stops with its test. */
function client (t, port, account, token, options = {}) {
  return plugin(t, { server: `btp+ws://${account}:${token}@127.0.0.1:${port}`, ...options })
}

/** A listening plugin (the package's server mode) that has not started yet. It stops with its test. */
function listener (t, port, secret) {
  return plugin(t, { listener: { port, secret } })
}

function plugin (t, options) {
  const made = new BtpPlugin({ responseTimeout: RESPONSE_MS_MAX, ...options }, { log: silent })
  atEnd(t, made.disconnect.bind(made))
  return made
}

module.exports = { client, listener }
