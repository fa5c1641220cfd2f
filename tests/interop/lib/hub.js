'use strict'
// The node that most scenarios use: `test.hub`, with peers named after their purpose.

const { startNode } = require('./connector')
const { client } = require('./plugin')

const ADDRESS = 'test.hub'

const token = name => `token-of-${name}-5d1c`

/** Starts the hub with `peers` (`{ name: further settings of the peer }`), each with a route. */
async function startHub (t, peers, more = {}) {
  const names = Object.keys(peers)
  return await startNode(t, {
    nodeId: 'hub',
    ilpAddress: ADDRESS,
    peers: names.map(name => ({ id: name, authToken: token(name), ...peers[name] })),
    routes: names
      .filter(name => peers[name].relation !== 'child')
      .map(name => ({ prefix: `test.${name}`, nextHop: name })),
    ...more
  })
}

/** Connects an `ilp-plugin-btp` client as peer `name`, with `handler` for received packets. */
async function connect (t, hub, name, handler) {
  const plugin = client(t, hub.port, name, token(name))
  if (handler) plugin.registerDataHandler(handler)
  await plugin.connect()
  return plugin
}

module.exports = { ADDRESS, token, startHub, connect }
