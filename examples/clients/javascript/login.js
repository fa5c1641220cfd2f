'use strict'
// Logs in at a node by BTP.

const { deserializeIlpReject } = require('ilp-packet')
const BtpPlugin = require('ilp-plugin-btp')

const CONNECT_MS = 10_000
const REJECT = 14

// `server` is `btp+ws://NAME:TOKEN@HOST:PORT`. The plugin by itself would dial for ever, and say nothing.
async function logIn (server) {
  const { host } = new URL(server.replace(/^btp\+/, ''))
  const plugin = new BtpPlugin({ server })
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no node has answered at ${host} for ${CONNECT_MS / 1000} s`)), CONNECT_MS)
  })
  try {
    await Promise.race([plugin.connect(), late])
  } catch (error) {
    const isClosed = error.message === 'connection aborted'
    throw isClosed ? new Error(`${host} has closed the connection: are the name and the token right?`) : error
  } finally {
    clearTimeout(timer)
  }
  // The libraries retry after a Reject, and do not say why a payment has stopped.
  const sendData = plugin.sendData.bind(plugin)
  plugin.sendData = async packet => {
    const answer = await sendData(packet)
    if (answer[0] === REJECT) {
      const reject = deserializeIlpReject(answer)
      // F99 answers packets that only ask something, such as for the rate.
      if (reject.code !== 'F99') plugin.lastReject = reject
    }
    return answer
  }
  return plugin
}

// Why the last packet was rejected, such as `T04 from test.a: ...`.
function describeReject ({ code, triggeredBy, message }) {
  return `${code} from ${triggeredBy || 'a node without an address'}: ${message}`
}

// Ends the program with a line. A plugin that has not connected goes on dialling.
function fail (error) {
  const cause = error.cause ? `: ${error.cause.code ?? error.cause.message}` : ''
  console.error(`${error.message ?? error}${cause}`)
  process.exit(1)
}

module.exports = { describeReject, fail, logIn }
