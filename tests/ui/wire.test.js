// The bytes of a packet, made again from its record: as in the vectors of the protocol, in order, and nothing invented.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fieldsOf } from '../../src/ui/wire.js';

const { packets } = JSON.parse(readFileSync(new URL('../vectors/ilp.json', import.meta.url), 'utf8'));
const record = { id: '0-1', at: '', node: 'a', lane: 'sample', condition: '00'.repeat(32), from: 'x', to: 'b', requestId: 1, outgoingRequestId: 0xfffffffe, destination: null, prefix: null,
  amount: null, outgoingAmount: null, expiresAt: null, latencyUs: null, code: null, decidedHere: false, reason: null, triggeredBy: null, message: null };
const PHASES = { 12: 'forwarded', 13: 'fulfilled', 14: 'rejected' };
const isPrintable = (hex) => /^([2-7][0-9a-f])*$/.test(hex) && !hex.includes('7f') && !hex.includes('5c');

/** The record that a node would have of a packet of the vectors. */
const recordOf = ({ type, amount, expiresAt, executionCondition, destination, code, triggeredBy, message_hex: hex }) => ({ ...record, phase: PHASES[type],
  outgoingAmount: amount ?? null, expiresAt: expiresAt ?? null, condition: executionCondition ?? record.condition, destination: destination ?? null,
  code: code ?? null, triggeredBy: triggeredBy ?? null, message: hex == null ? null : Buffer.from(hex, 'hex').toString('latin1') });

test('what is recorded has the bytes of the vectors, in their order', () => {
  let compared = 0;
  for (const { name, hex, fields, expect } of packets) {
    if (expect !== 'accept' || !fields || !PHASES[fields.type] || !isPrintable(fields.message_hex ?? '') || !/^[ -~]*$/.test(fields.code ?? '')) continue;
    const known = fieldsOf(recordOf(fields), false).filter((field) => field.hex != null);
    let at = 0;
    for (const field of known) {
      const bytes = field.hex.replaceAll(' ', '');
      const found = hex.indexOf(bytes, at);
      assert.ok(found >= 0 && found % 2 === 0, `${name}: ${field.name} ${bytes} is not in ${hex.slice(at)}`);
      at = found + bytes.length;
    }
    assert.equal(known.length, fields.type === 12 ? 5 : fields.type === 13 ? 1 : 4, name);
    compared += 1;
  }
  assert.ok(compared >= 12, `${compared}`);
});

test('a frame has the type and the request id of its direction', () => {
  const frame = (phase) => fieldsOf({ ...record, phase }, true).slice(0, 2).map(({ hex }) => hex);
  assert.deepEqual(frame('forwarded'), ['06', 'ff ff ff fe']);
  assert.deepEqual(frame('received'), ['06', '00 00 00 01']);
  assert.deepEqual(frame('rejected'), ['01', '00 00 00 01']);
  assert.ok(fieldsOf({ ...record, phase: 'forwarded' }, false).every(({ layer }) => layer === 'ILP'));
});

test('what no record has is named, and has no bytes', () => {
  for (const phase of ['forwarded', 'received', 'fulfilled', 'rejected']) {
    for (const { hex, means } of fieldsOf({ ...record, condition: '', requestId: null, outgoingRequestId: null, phase }, true)) if (hex == null) assert.match(means, /record|this node|32 bytes/);
  }
  const long = fieldsOf({ ...record, phase: 'rejected', message: 'x'.repeat(128) }, true).find(({ name }) => name === 'message');
  assert.equal(long.hex, null);
  assert.match(long.means, /first 128 bytes/);
});

test('an escaped quotation mark is one byte, and an unknown byte none', () => {
  const message = (text) => fieldsOf({ ...record, phase: 'rejected', message: text }, false).find(({ name }) => name === 'message');
  assert.deepEqual([message("it\\'s \\\\").hex, message("it\\'s \\\\").means], ['06 69 74 27 73 20 5c', "it's \\"]);
  assert.equal(message('a \\xff').hex, null);
  assert.equal(message('a \\u{1b}').hex, null);
});
