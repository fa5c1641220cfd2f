// The filter language, with the vectors that the program's own implementation passes too.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { FilterError, compile, hasTerm, toggleTerm } from '../../src/ui/filter.js';

const vectors = JSON.parse(readFileSync(new URL('../data/filters.json', import.meta.url), 'utf8'));

test('each filter passes the packets of its vector and no other', () => {
  assert.ok(vectors.matches.length > 30);
  for (const { filter, packets } of vectors.matches) {
    const passes = compile(filter);
    const found = Object.keys(vectors.packets).filter((name) => passes(vectors.packets[name])).sort();
    assert.deepEqual(found, [...packets].sort(), `filter ${JSON.stringify(filter)}`);
  }
});

test('each mistake is explained', () => {
  assert.ok(vectors.mistakes.length > 10);
  for (const { filter, says } of vectors.mistakes) {
    assert.throws(() => compile(filter), (error) => error instanceof FilterError && error.message.includes(says), `filter ${JSON.stringify(filter)}`);
  }
});

test('a filter that is too long is refused', () => {
  assert.throws(() => compile('node=a '.repeat(33)), /too long/);
  assert.throws(() => compile(`node=${'a'.repeat(1024)}`), /too long/);
});

test('a chip adds its term and removes it', () => {
  assert.equal(toggleTerm('node=a', 'code=F02'), 'node=a code=F02');
  assert.equal(toggleTerm(' node=a  code=F02', 'node=a'), 'code=F02');
  assert.ok(hasTerm('node=a code=F02', 'code=F02'));
  assert.ok(!hasTerm('code=F021', 'code=F02'));
});
