'use strict'
// Decodes batches of inputs with the public packages, and returns their results.
//
// Standard input: batches, each a UInt32 length and as many bytes: entries of a UInt8 (which codec), a UInt32 length,
// and the input. Standard output: for each batch a UInt32 length and a text with one line per input: `-` when the package
// throws, else the fields as JSON. Octet strings and texts are hexadecimal, because texts may hold anything; `again` is
// what the package writes for the fields it has read, null when it cannot.
//
// A batch is read whole before anything is written, so that neither side waits for the other with full pipes.

const Btp = require('btp-packet')
const Ccp = require('ilp-protocol-ccp')
const Ildcp = require('ilp-protocol-ildcp')
const Ilp = require('ilp-packet')
const { Reader, Writer } = require('oer-utils')
const { Packet } = require('ilp-protocol-stream/dist/src/packet')

/** In the order of the Rust side's `Codec`. */
const CODECS = [oer, address, ilp, btp, ildcp, ccpControl, ccpUpdate, stream]

const hex = octets => octets.toString('hex')
const text = characters => Buffer.from(characters, 'utf8').toString('hex')

/** A date in milliseconds; null when it is none. */
const instant = date => Number.isNaN(date.getTime()) ? null : date.getTime()

function again (write) {
  try {
    return hex(write())
  } catch {
    return null
  }
}

/** The first byte says what to read, the rest is it. */
function oer (input) {
  const reader = Reader.from(input.subarray(1))
  const kind = input[0] % 6
  const value = kind === 4
    ? hex(reader.readVarOctetString())
    : kind === 5 ? reader.readVarUInt() : reader[`readUInt${8 << kind}`]()
  const left = reader.buffer.length - reader.cursor
  return {
    value,
    left,
    again: again(() => {
      const writer = new Writer()
      if (kind === 4) writer.writeVarOctetString(Buffer.from(value, 'hex'))
      else if (kind === 5) writer.writeVarUInt(value)
      else writer[`writeUInt${8 << kind}`](kind === 3 ? value : Number(value))
      return writer.getBuffer()
    })
  }
}

/** As the packets do it: seven bits of every byte. */
function address (input) {
  const address = input.toString('ascii')
  if (!Ilp.isValidIlpAddress(address)) throw new Error('not an address')
  return { address: text(address) }
}

function ilp (input) {
  const { type, data: packet } = Ilp.deserializeIlpPacket(input)
  switch (type) {
    case Ilp.Type.TYPE_ILP_PREPARE:
      return {
        type,
        amount: packet.amount,
        expiresAt: instant(packet.expiresAt),
        condition: hex(packet.executionCondition),
        destination: text(packet.destination),
        data: hex(packet.data),
        again: again(() => Ilp.serializeIlpPrepare(packet))
      }
    case Ilp.Type.TYPE_ILP_FULFILL:
      return {
        type,
        fulfillment: hex(packet.fulfillment),
        data: hex(packet.data),
        again: again(() => Ilp.serializeIlpFulfill(packet))
      }
    default:
      return {
        type,
        code: text(packet.code),
        triggeredBy: text(packet.triggeredBy),
        message: text(packet.message),
        data: hex(packet.data),
        again: again(() => Ilp.serializeIlpReject(packet))
      }
  }
}

function btp (input) {
  const frame = Btp.deserialize(input)
  const { type, requestId, data } = frame
  const fields = { type, requestId }
  if (type === Btp.TYPE_TRANSFER) fields.amount = data.amount
  if (type === Btp.TYPE_ERROR) {
    fields.code = text(data.code)
    fields.name = text(data.name)
    fields.triggeredAt = instant(data.triggeredAt)
    fields.data = text(data.data)
  }
  fields.protocolData = data.protocolData.map(entry => [text(entry.protocolName), entry.contentType, hex(entry.data)])
  fields.again = again(() => Btp.serialize(frame))
  return fields
}

/** A whole Fulfill. */
function ildcp (input) {
  const response = Ildcp.deserializeIldcpResponse(input)
  return {
    clientAddress: text(response.clientAddress),
    assetScale: response.assetScale,
    assetCode: text(response.assetCode),
    again: again(() => Ildcp.serializeIldcpResponse(response))
  }
}

function ccpControl (input) {
  const request = Ccp.deserializeCcpRouteControlRequestPayload(input)
  return {
    mode: request.mode,
    tableId: request.lastKnownRoutingTableId,
    epoch: request.lastKnownEpoch,
    features: request.features.map(text),
    again: again(() => Ccp.serializeCcpRouteControlRequestPayload(request))
  }
}

function ccpUpdate (input) {
  const update = Ccp.deserializeCcpRouteUpdateRequestPayload(input)
  return {
    tableId: update.routingTableId,
    currentEpoch: update.currentEpochIndex,
    fromEpoch: update.fromEpochIndex,
    toEpoch: update.toEpochIndex,
    holdDown: update.holdDownTime,
    speaker: text(update.speaker),
    newRoutes: update.newRoutes.map(route => [
      text(route.prefix),
      route.path.map(text),
      hex(route.auth),
      route.props.map(prop => [
        prop.isOptional, prop.isTransitive, prop.isPartial, prop.isUtf8, prop.id,
        prop.isUtf8 ? text(prop.value) : hex(prop.value)
      ])
    ]),
    withdrawnRoutes: update.withdrawnRoutes.map(text),
    again: again(() => Ccp.serializeCcpRouteUpdateRequestPayload(update))
  }
}

/** A packet in clear. */
function stream (input) {
  const packet = Packet._deserializeUnencrypted(input)
  return {
    type: packet.ilpPacketType,
    sequence: packet.sequence.toString(),
    amount: packet.prepareAmount.toString(),
    frames: packet.frames.map(frame => [frame.type, ...Object.keys(frame)
      .filter(key => key !== 'type' && key !== 'name')
      .map(key => plain(frame[key]))]),
    again: again(() => packet._serialize())
  }
}

function plain (value) {
  if (Buffer.isBuffer(value)) return hex(value)
  if (typeof value === 'string') return text(value)
  return typeof value === 'number' ? value : value.toString()
}

function answer (codec, input) {
  let fields
  try {
    fields = CODECS[codec](input)
  } catch {
    return '-'
  }
  return JSON.stringify(fields)
}

function answerBatch (batch) {
  const lines = []
  for (let at = 0; at < batch.length;) {
    const end = at + 5 + batch.readUInt32BE(at + 1)
    lines.push(answer(batch[at], batch.subarray(at + 5, end)))
    at = end
  }
  const body = Buffer.from(lines.join('\n'))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  process.stdout.write(Buffer.concat([length, body]))
}

let waiting = []
let size = 0
process.stdin.on('data', chunk => {
  waiting.push(chunk)
  size += chunk.length
  for (;;) {
    if (size < 4) return
    if (waiting[0].length < 4) waiting = [Buffer.concat(waiting)]
    const length = waiting[0].readUInt32BE(0)
    if (size < 4 + length) return
    const all = Buffer.concat(waiting)
    waiting = [all.subarray(4 + length)]
    size -= 4 + length
    answerBatch(all.subarray(4, 4 + length))
  }
})
