'use strict'
// Reads frames that our node sent, one per line in hexadecimal, and writes each again with codecs that are not ours.
//
// Promises: exits with 1 and names the frame where the bytes differ. Frames are written again by `btp-packet`; ILP
// packets field by field with `oer-utils`, the OER codec underneath it, because our node forwards bytes of peers that
// `ilp-packet` cannot represent (such as a message that is not UTF-8). A packet that the node made itself is also written
// again by `ilp-packet`.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const Btp = require('btp-packet')
const ilp = require('ilp-packet')
const { Reader, Writer } = require(require.resolve('oer-utils', { paths: [require.resolve('btp-packet')] }))

const [, , own] = process.argv
const counts = {}
for (const line of fs.readFileSync(0, 'utf8').split('\n').filter(line => line !== '')) {
  const bytes = Buffer.from(line, 'hex')
  try {
    const what = frame(bytes)
    counts[what] = (counts[what] ?? 0) + 1
  } catch (error) {
    console.error(`${line}: ${error.message}`)
    process.exitCode = 1
  }
}
console.log(JSON.stringify(counts))

function frame (bytes) {
  const frame = Btp.deserialize(bytes)
  assert.deepEqual(Btp.serialize(frame), bytes, 'btp-packet would have written this frame differently')
  if (frame.type === Btp.TYPE_ERROR) {
    assert.match(frame.data.code, /^[FT]\d\d$/)
    assert.ok(frame.data.name.length > 0)
    assert.ok(Math.abs(frame.data.triggeredAt - Date.now()) < 3_600_000, `${frame.data.triggeredAt}`)
    return 'ERROR'
  }
  const entry = frame.data.protocolData.find(entry => entry.protocolName === 'ilp')
  const kind = { [Btp.TYPE_MESSAGE]: 'MESSAGE', [Btp.TYPE_RESPONSE]: 'RESPONSE' }[frame.type]
  return entry ? `${kind} ${packet(entry.data)}` : kind
}

function packet (bytes) {
  const reader = Reader.from(bytes)
  const type = reader.readUInt8Number()
  const content = Reader.from(reader.readVarOctetString())
  const writer = new Writer()
  const copyVar = () => writer.writeVarOctetString(content.readVarOctetString())
  let triggeredBy
  switch (type) {
    case 12:
      writer.writeUInt64(content.readUInt64())
      writer.write(content.read(17))
      writer.write(content.read(32))
      copyVar()
      copyVar()
      break
    case 13:
      writer.write(content.read(32))
      copyVar()
      break
    case 14:
      writer.write(content.read(3))
      triggeredBy = content.readVarOctetString()
      writer.writeVarOctetString(triggeredBy)
      copyVar()
      copyVar()
      break
    default:
      throw new Error(`packet type ${type}`)
  }
  const whole = new Writer()
  whole.writeUInt8(type)
  whole.writeVarOctetString(writer.getBuffer())
  assert.deepEqual(whole.getBuffer(), bytes, 'oer-utils would have written this packet differently')
  if (triggeredBy?.toString() === own) {
    assert.deepEqual(ilp.serializeIlpPacket(ilp.deserializeIlpPacket(bytes)), bytes, 'ilp-packet would have written this packet differently')
  }
  return { 12: 'Prepare', 13: 'Fulfill', 14: 'Reject' }[type]
}
