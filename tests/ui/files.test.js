// The files themselves: what is vendored is what its makers published, and the page stays small and strict.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const UI = fileURLToPath(new URL('../../src/ui/', import.meta.url));
const VENDOR = join(UI, 'vendor');
const LINES_MAX = 200;
const BYTES_MAX = 350 * 1024;

const all = (folder) => readdirSync(folder, { recursive: true }).map(String).filter((name) => statSync(join(folder, name)).isFile());
const own = readdirSync(UI).filter((name) => /\.(js|css|html)$/.test(name));

test('vendored files are those of the published packages', () => {
  const packages = JSON.parse(readFileSync(join(VENDOR, 'packages.json'), 'utf8'));
  const listed = Object.entries(packages).flatMap(([name, { version, licence, files }]) => {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
    assert.ok(licence && files[`${name.toLowerCase()}/LICENSE`], `${name} has no licence`);
    return Object.entries(files);
  });
  for (const [file, hash] of listed) {
    assert.equal(createHash('sha256').update(readFileSync(join(VENDOR, file))).digest('hex'), hash, file);
  }
  const known = new Set(['packages.json', ...listed.map(([file]) => file)]);
  for (const file of all(VENDOR)) assert.ok(known.has(file) || file.endsWith('.d.ts'), `${file} is not listed`);
});

test('modules are short', () => {
  for (const name of own.filter((file) => file.endsWith('.js'))) {
    const lines = readFileSync(join(UI, name), 'utf8').split('\n').length - 1;
    assert.ok(lines <= LINES_MAX, `${name} has ${lines} lines: split it`);
    assert.match(readFileSync(join(UI, name), 'utf8'), /^\/\/ [A-Z]/, `${name} does not begin with what it is for`);
  }
});

test('the page stays small', () => {
  const served = all(UI).filter((name) => /\.(js|css|html|svg)$/.test(name));
  const total = served.reduce((sum, name) => sum + statSync(join(UI, name)).size, 0);
  assert.ok(total <= BYTES_MAX, `the page has ${total} bytes`);
});

test('nothing needs more than the content security policy allows', () => {
  for (const name of own) {
    const text = readFileSync(join(UI, name), 'utf8');
    for (const word of [/\binnerHTML\b/, /\beval\(/, /new Function\b/, /\sstyle="/, /\sstyle=\$/, /\son[a-z]+="/, /<style/, /unsafe/, /https?:\/\/(?!www\.w3\.org)/]) {
      assert.doesNotMatch(text, word, `${name} contains ${word}`);
    }
  }
  assert.doesNotMatch(readFileSync(join(UI, 'index.html'), 'utf8'), /<script(?![^>]* src=)/);
});

test('what the page imports is there', () => {
  for (const name of own.filter((file) => file.endsWith('.js'))) {
    for (const [, path] of readFileSync(join(UI, name), 'utf8').matchAll(/^import [^;]*from '(\.[^']+)'/gm)) assert.ok(existsSync(join(UI, path)), `${name}: ${path}`);
  }
});

test('types are right', () => {
  const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', import.meta.url));
  const project = fileURLToPath(new URL('tsconfig.json', import.meta.url));
  try {
    execFileSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' });
  } catch (error) {
    assert.fail(error.stdout);
  }
});
