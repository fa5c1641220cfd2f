// The figures of money: periods, rates, and how books compare.

import assert from 'node:assert/strict';
import test from 'node:test';

import { periodOf, rateOf, verdictOf } from '../../src/ui/money_words.js';

test('a period begins and ends with a month in UTC', () => {
  const now = Date.parse('2026-01-31T23:59:59Z');
  assert.deepEqual(periodOf('month', now), { from: '2026-01-01', to: null });
  assert.deepEqual(periodOf('before', now), { from: '2025-12-01', to: '2026-01-01' });
  assert.deepEqual(periodOf('year', now), { from: '2026-01-01', to: null });
});

test('rates are short, and never zero', () => {
  for (const [rate, shown] of [[null, '–'], ['0.92', '0.92'], ['1.086956521739130434', '1.08696'], ['0.000000000123456789', '1.235e-10'], ['123456789.5', '1.235e+8']]) {
    assert.equal(rateOf(rate), shown);
  }
});

test('a comparison is said in a few words', () => {
  const peer = (reconcile) => ({ id: 'c', kind: 'peer', assetCode: 'USD', assetScale: 2, reconcile });
  const said = (verdict, difference = '0', parts = { paid: '0', received: '0' }, pending = { paid: '0', received: '0' }) => verdictOf(peer({ verdict, difference, parts, pending, text: '', comparedAt: null })).text;
  assert.equal(verdictOf(peer(null)).text, 'not compared yet');
  assert.equal(said('agrees'), '✓ agrees');
  assert.equal(said('agrees', '0', undefined, { paid: '1800', received: '0' }), '✓ agrees, but for 18 USD not credited yet');
  assert.equal(said('differs', '-120'), '✕ differs by 1.2 USD');
  assert.equal(said('overdue', '500', { paid: '500', received: '-250' }), '! 5 USD and 2.5 USD not credited');
  assert.equal(said('otherAsset'), '✕ another asset or scale');
  assert.equal(said('something new'), 'not compared yet');
});
