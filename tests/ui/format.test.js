// Numbers, times and addresses, as the reader sees them.

import assert from 'node:assert/strict';
import test from 'node:test';
import { codeClass, codeName } from '../../src/ui/codes.js';
import {
  NONE, amount, bytes, clock, count, duration, inAsset, left, micros, middle, percent, plural, rate, short, since,
} from '../../src/ui/format.js';
import { besideOf, pageOf, readPlace, selectionOf, writePlace } from '../../src/ui/place.js';
import { briefly, quoted, shareOf, spaced } from '../../src/ui/words.js';

/** Each row: what is given, what comes out. */
function check(format, rows) {
  for (const [given, expected] of rows) assert.equal(format(given), expected, `${format.name} of ${given}`);
}

test('nothing is a dash, never a zero', () => {
  for (const format of [count, rate, percent, micros, bytes, duration, amount, short]) {
    assert.equal(format(null), NONE, format.name);
    assert.equal(format(undefined), NONE, format.name);
  }
  assert.equal(clock(null), NONE);
  assert.equal(since(null, 0), NONE);
  assert.equal(percent(Number.NaN), NONE);
});

test('numbers', () => {
  check(count, [[0, '0'], [1204, '1,204']]);
  check(rate, [[0, '0'], [0.04, '0'], [0.44, '0.4'], [12.4, '12'], [1204, '1,204'], [1234567, '1.2M']]);
  check(percent, [[0, '0 %'], [99.84, '99.8 %'], [99.97, '>99.9 %'], [100, '100 %'], [0.01, '<0.1 %']]);
  check(micros, [[0, '0 µs'], [450, '450 µs'], [2100, '2.1 ms'], [42000, '42 ms'], [1300000, '1.3 s']]);
  check(bytes, [[0, '0 B'], [12288, '12 KiB'], [4194304, '4 MiB']]);
  check(duration, [[0, '0 s'], [14, '14 s'], [200, '3 min'], [8040, '2 h 14 min'], [270000, '3 d 3 h'], [-5, '0 s']]);
  assert.equal(plural(1, 'route'), '1 route');
  assert.equal(plural(1200, 'route'), '1,200 routes');
});

test('amounts of any size stay exact, and short ones stay short', () => {
  check(amount, [['0', '0'], ['1000', '1,000'], ['-1500', '−1,500'], ['18446744073709551615', '18,446,744,073,709,551,615'], ['text', 'text']]);
  check(short, [['0', '0'], ['999', '999'], ['9999', '9,999'], ['12300', '12.3k'], ['-1200000', '−1.2M'], ['345678', '345k'],
    ['5000000', '5M'], ['18446744073709551615', '1.8e19'], ['-340282366920938463463374607431768211455', '−3.4e38']]);
  for (let digits = 1; digits < 40; digits += 1) assert.ok(short(`-${'9'.repeat(digits)}`).length <= 7, String(digits));
});

test('amounts in units of the asset', () => {
  check((value) => inAsset(value, 'USD/9'), [['0', '0 USD'], ['1234567890', '1.2345 USD'], ['-51900000', '−0.0519 USD'], ['1', '0.000000001 USD'], ['1000000000000', '1,000 USD']]);
  assert.equal(inAsset('1234', 'EUR/2'), '12.34 EUR');
  assert.equal(inAsset('7', 'XRP/0'), '7 XRP');
  assert.equal(inAsset('1', 'X/255').endsWith('1 X'), true);
});

test('long texts lose their middle', () => {
  assert.equal(middle('short', 10), 'short');
  assert.equal(middle('test.b.wallet.4eIMgrJ4XtkVVGzUSzFXQ8VN', 20).length, 20);
});

test('codes have the names of RFC 27', () => {
  assert.equal(codeName('T01'), 'Peer Unreachable');
  assert.equal(codeName('R02'), 'Insufficient Timeout');
  assert.equal(codeName('X00'), '');
  assert.ok(codeClass('F02').startsWith('Final'));
});

test('a balance has a share only between two limits', () => {
  assert.equal(shareOf('0', '-100', '100'), 0.5);
  assert.equal(shareOf('500', '-100', '100'), 1);
  assert.equal(shareOf('0', null, '100'), null);
  assert.equal(spaced('authenticationFailed'), 'authentication failed');
});

test('a place survives the address bar', () => {
  const places = [
    { view: 'network', id: '', params: {} },
    { view: 'link', id: 'a~b/c?d&e=%', params: {} },
    { view: 'packets', id: '', params: { filter: 'code=F02,T01 dest^=test.c amount>=1000', sel: 'packet:1a2b3c4d-7' } },
  ];
  for (const place of places) assert.deepEqual(readPlace(writePlace(place)), place);
});

test('a place that makes no sense is the network', () => {
  for (const hash of ['', '#', '#/', '#/nowhere/x', '#nonsense', '#/%']) assert.equal(readPlace(hash).view, 'network', hash);
  assert.equal(readPlace('#/node/%E0%A4%A').id, '%E0%A4%A');
});

test('the drawer keeps what is open beside it', () => {
  const place = readPlace('#/packets?filter=code%3DF02');
  const beside = readPlace(besideOf(place, 'link', 'a~b'));
  assert.equal(beside.params.filter, 'code=F02');
  assert.deepEqual(selectionOf(beside), { kind: 'link', id: 'a~b' });
  assert.equal(selectionOf(readPlace('#/packets?sel=nothing')), null);
  assert.equal(pageOf('node', 'a b'), '#/node/a%20b');
});

test('errors are brief on the graph', () => {
  check(briefly, [['cannot connect to 127.0.0.1:9: Connection refused (os error 111)', 'Connection refused'], ['timeout', 'timeout'], ['', '']]);
});

test('a copied command has each text as one word', () => {
  check(quoted, [['test.a.b', 'test.a.b'], ['1000', '1000'], ['node=a code=F02', "'node=a code=F02'"], ["a';reboot;'", "'a'\\'';reboot;'\\'''"],
    ['$(reboot)', "'$(reboot)'"], ['~', "'~'"], ['a\nb', "'a\nb'"]]);
});

test('what is left of a time counts down to zero and no further', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const rows = [['2026-01-01T00:10:00Z', '10:00'], ['2026-01-01T00:00:08.100Z', '0:09'], ['2026-01-01T01:02:03Z', '1:02:03'], ['2025-12-31T00:00:00Z', '0:00'], ['garbage', NONE], [null, NONE]];
  for (const [time, expected] of rows) assert.equal(left(time, now), expected, String(time));
});
