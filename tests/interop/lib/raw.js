'use strict'
// A bare WebSocket with `btp-packet` on it: receives every frame of the node.
//
// Promises: `btp-packet` must read every received frame and write it again in the same bytes, and `ilp-packet` the ILP
// packet in it, so that our frames are canonical.

const assert = require('node:assert/strict')
const Btp = require('btp-packet')
const ilp = require('ilp-packet')
const WebSocket = require('ws')

const { atEnd, eventually } = require('./waiting')

const WAIT_MS_MAX = 5_000

/** Opens a socket to the node without a login. */
async function open (t, port, path = '') {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
  const connection = watch(t, socket)
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return connection
}

/** Listens as a peer that the node dials: each connection goes to `accept`. */
async function serve (t, accept) {
  const server = new WebSocket.Server({ host: '127.0.0.1', port: 0 })
  await new Promise(resolve => server.once('listening', resolve))
  atEnd(t, () => new Promise(resolve => {
    server.clients.forEach(socket => socket.terminate())
    server.close(resolve)
  }))
  server.on('connection', (socket, request) => accept(watch(t, socket), request))
  return server.address().port
}

function watch (t, socket) {
  const frames = []
  let closed
  socket.on('message', (bytes, isBinary) => {
    assert.ok(isBinary, 'the node sent a text frame')
    frames.push(bytes)
  })
  socket.on('close', (code, reason) => { closed = { code, reason: reason.toString() } })
  atEnd(t, () => socket.terminate())
  return {
    socket,
    send: frame => socket.send(frame),
    login: (name, token, requestId = 1) => socket.send(authFrame(name, token, requestId)),
    message: (requestId, packet) => socket.send(Btp.serializeMessage(requestId, [ilpEntry(packet)])),
    response: (requestId, packet) => socket.send(Btp.serializeResponse(requestId, [ilpEntry(packet)])),
    /** The next frame as bytes. */
    bytes: async () => {
      await eventually('a frame arrives', WAIT_MS_MAX, () => frames.length > 0)
      return frames.shift()
    },
    /** The next frame as `btp-packet` reads it. */
    async next () { return decode(await this.bytes()) },
    /** The number of frames that have not been read. */
    waiting: () => frames.length,
    /** `{ code, reason }` of the close. */
    closed: () => eventually('the socket is closed', WAIT_MS_MAX, () => closed),
    isOpen: () => closed === undefined
  }
}

function decode (bytes) {
  const frame = Btp.deserialize(bytes)
  assert.deepEqual(Btp.serialize(frame), bytes, 'btp-packet would have written this frame differently')
  const entry = frame.data.protocolData.find(entry => entry.protocolName === 'ilp')
  if (entry) {
    frame.ilp = ilp.deserializeIlpPacket(entry.data)
    assert.deepEqual(ilp.serializeIlpPacket(frame.ilp), entry.data, 'ilp-packet would have written this packet differently')
    frame.ilpBytes = entry.data
  }
  return frame
}

const entry = (protocolName, contentType, data) => ({ protocolName, contentType, data: Buffer.from(data) })
const ilpEntry = packet => entry('ilp', Btp.MIME_APPLICATION_OCTET_STREAM, packet)

/** A login as `ilp-plugin-btp` sends it; `undefined` leaves an entry out. */
function authFrame (name, token, requestId = 1) {
  return Btp.serializeMessage(requestId, [
    entry('auth', Btp.MIME_APPLICATION_OCTET_STREAM, ''),
    ...(name === undefined ? [] : [entry('auth_username', Btp.MIME_TEXT_PLAIN_UTF8, name)]),
    ...(token === undefined ? [] : [entry('auth_token', Btp.MIME_TEXT_PLAIN_UTF8, token)])
  ])
}

module.exports = { open, serve, entry, ilpEntry, authFrame, decode }
