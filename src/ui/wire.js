// The bytes of a packet between two nodes, field by field: BTP (RFC 23) around ILP (RFC 27), in OER (RFC 30). They are
// made again from a record, which does not have everything: what it lacks is named, and never invented.

import { messageOf } from './words.js';

/** @import { Packet } from './types.js' */
/** @typedef {{ layer: 'BTP' | 'ILP', name: string, hex: string | null, means: string }} WireField `hex` is null if no record has it */

/** A record has at most so much of a message. */
const MESSAGE_BYTES_MAX = 128;
const NOT_RECORDED = 'not recorded';
const DEPENDS = 'depends on the data, which is not recorded';

/** @param {Iterable<number>} bytes */
const hexOf = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
/** @param {string} text */
const ascii = (text) => new TextEncoder().encode(text);
/** @param {bigint} value @param {number} length */
const uint = (value, length) => Array.from({ length }, (_, i) => Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn));

/** With its length before it. @param {Uint8Array} bytes */
const varOctets = (bytes) => hexOf([...(bytes.length < 128 ? [bytes.length] : [0x82, bytes.length >> 8, bytes.length & 0xff]), ...bytes]);

/** RFC 27: `YYYYMMDDHHmmSSfff` in UTC, 17 characters. @param {string} at */
const interledgerTime = (at) => new Date(at).toISOString().replace(/\D/g, '');

/**
 * The fields of a Prepare as a node sent it on, or received it; or of the answer that it gave or passed back.
 * @param {Packet} packet @param {boolean} isBtp whether the link speaks BTP @returns {WireField[]}
 */
export function fieldsOf(packet, isBtp) {
  const isSent = packet.phase === 'forwarded';
  const isPrepare = isSent || packet.phase === 'received';
  const id = isSent ? packet.outgoingRequestId : packet.requestId;
  const protocol = ascii('ilp');
  const frame = [
    btp('type', isPrepare ? '06' : '01', isPrepare ? 'MESSAGE' : 'RESPONSE'),
    btp('requestId', id == null ? null : hexOf(uint(BigInt(id), 4)), id == null ? NOT_RECORDED : String(id)),
    btp('length', null, DEPENDS),
    btp('protocolData', '01 01', 'one entry'),
    btp('protocolName', varOctets(protocol), 'ilp'),
    btp('contentType', '00', 'application/octet-stream'),
    btp('length', null, DEPENDS),
  ];
  return [
    ...(isBtp ? frame : []),
    ...(isPrepare ? prepare(packet, isSent) : packet.phase === 'fulfilled' ? fulfill() : reject(packet)),
    ilp('data', null, NOT_RECORDED),
  ];
}

/** @param {string} name @param {string | null} hex @param {string} means @returns {WireField} */
const btp = (name, hex, means) => ({ layer: 'BTP', name, hex, means });
/** @param {string} name @param {string | null} hex @param {string} means @returns {WireField} */
const ilp = (name, hex, means) => ({ layer: 'ILP', name, hex, means });

/** @param {Packet} packet @param {boolean} isSent as the next hop gets it */
function prepare({ amount, outgoingAmount, expiresAt, condition, destination }, isSent) {
  const sum = isSent ? outgoingAmount : amount;
  return [
    ilp('type', '0c', 'Prepare (12)'), ilp('length', null, DEPENDS),
    ilp('amount', sum == null ? null : hexOf(uint(BigInt(sum), 8)), sum ?? NOT_RECORDED),
    // A record has the expiry that the next hop was given.
    ilp('expiresAt', expiresAt && isSent ? hexOf(ascii(interledgerTime(expiresAt))) : null, isSent ? expiresAt ?? NOT_RECORDED : NOT_RECORDED),
    ilp('executionCondition', /^[0-9a-f]{64}$/.test(condition) ? (condition.match(/../g) ?? []).join(' ') : null, '32 bytes, the same at every hop'),
    ilp('destination', destination == null ? null : varOctets(ascii(destination)), destination ?? NOT_RECORDED),
  ];
}

const fulfill = () => [ilp('type', '0d', 'Fulfill (13)'), ilp('length', null, DEPENDS), ilp('fulfillment', null, 'not recorded: who has it can prove the payment')];

/** @param {Packet} packet */
function reject(packet) {
  const { code, triggeredBy, message, decidedHere, reason } = packet;
  const text = messageOf(packet) ?? (decidedHere ? reason?.text ?? null : null);
  // What is longer, or has bytes that are not printed, cannot be made again.
  const whole = text != null && ascii(text).length < MESSAGE_BYTES_MAX && !/\\(?!['"\\])/.test((message ?? '').replaceAll('\\\\', ''));
  return [
    ilp('type', '0e', 'Reject (14)'), ilp('length', null, DEPENDS),
    ilp('code', code == null ? null : hexOf(ascii(code)), code ?? NOT_RECORDED),
    ilp('triggeredBy', triggeredBy == null ? null : varOctets(ascii(triggeredBy)), triggeredBy ?? (decidedHere ? 'the address of this node' : NOT_RECORDED)),
    ilp('message', whole ? varOctets(ascii(text)) : null, text == null ? NOT_RECORDED : whole ? text : `${text} (its first 128 bytes, with escapes)`),
  ];
}
