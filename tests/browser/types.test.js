// The types of these tests, as those of the page.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { POLICY } from './lib/fixture.js';

const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

test('types are right', () => {
  try {
    execFileSync(process.execPath, [here('node_modules/typescript/bin/tsc'), '-p', here('tsconfig.json')], { encoding: 'utf8' });
  } catch (error) {
    assert.fail(/** @type {any} */ (error).stdout);
  }
});

test('the fixture has the policy of a node', () => {
  const source = fs.readFileSync(here('../../src/api/ui.rs'), 'utf8');
  const policy = /const POLICY: &str = "([^"]*)"/s.exec(source)?.[1]?.replace(/\\\n\s*/g, '');
  assert.equal(policy, POLICY);
});
