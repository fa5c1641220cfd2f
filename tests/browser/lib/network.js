// A real network from one command, with the page, and programs that send real packets over it.
//
//   cli - a ---- b ---- c ---- dora (a process of its own, which tests start and kill)
//
// Limits make b refuse large packets, each for a reason of its own; no packet of another test comes near them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { atEnd, eventually, freePorts } from './waiting.js';

const PROGRAM = process.env.ILP_CONNECTOR_BIN ?? fileURLToPath(new URL('../../../target/debug/ilp-connector', import.meta.url));
const STOP_MS_MAX = 15_000;

/** Above what b takes in one packet from a. */
export const TOO_LARGE = 20_000_000;
/** Within that, but more than b may owe c. */
export const TOO_MUCH = 6_000_000;

/** @param {number} portOfDora */
const topology = (portOfDora) => ({
  nodes: [
    { id: 'a' },
    { id: 'b', peers: [{ id: 'a', maxPacketAmount: TOO_LARGE / 2 }, { id: 'c', minBalance: -TOO_MUCH + 1_000_000, maxBalance: TOO_MUCH - 1_000_000 }] },
    { id: 'c', peers: [{ id: 'dora', url: `ws://127.0.0.1:${portOfDora}`, authToken: 'token-c-dora', relation: 'child', required: false }] },
  ],
  links: [
    { from: 'a', to: 'b', secret: 'secret-a-b' },
    { from: 'b', to: 'c', secret: 'secret-b-c' },
  ],
  defaults: {
    peers: [{ id: 'cli', relation: 'child', authToken: 'token-cli' }],
    receivers: [{ id: 'wallet' }],
  },
});

/** A program beside a test, with its output. It is killed with the test at the latest. @param {string[]} args */
function start(args) {
  const child = spawn(PROGRAM, args, { env: { PATH: process.env.PATH ?? '' }, stdio: ['ignore', 'pipe', 'pipe'] });
  const program = { stdout: '', stderr: '', isOver: false, child, ended: Promise.resolve({}) };
  child.stdout.on('data', (chunk) => { program.stdout += chunk; });
  child.stderr.on('data', (chunk) => { program.stderr += chunk; });
  program.ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      program.isOver = true;
      resolve({ code, signal });
    });
  });
  return program;
}

/** @param {ReturnType<typeof start>} program @param {NodeJS.Signals} signal */
async function stop(program, signal) {
  program.child.kill(signal);
  const late = setTimeout(() => program.child.kill('SIGKILL'), STOP_MS_MAX);
  const end = await program.ended;
  clearTimeout(late);
  return end;
}

/** The lines of a log that has JSON lines. @param {string} text @returns {any[]} */
const logLines = (text) => text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));

/** A ring of nodes with a chord at every second one. @param {number} count */
export function ringOf(count) {
  const id = (/** @type {number} */ i) => `n${String(i % count).padStart(2, '0')}`;
  const link = (/** @type {number} */ from, /** @type {number} */ to) => ({ from: id(from), to: id(to), secret: `secret-${from}-${to}` });
  return {
    ...topology(0),
    nodes: Array.from({ length: count }, (_, i) => ({ id: id(i) })),
    links: Array.from({ length: count }, (_, i) => [link(i, i + 1), ...(i % 2 ? [] : [link(i, i + 7)])]).flat(),
  };
}

/**
 * Starts the network, and waits until its nodes are linked and its page answers.
 * @param {any} t @param {{ config?: any, flags?: string[] }} [how] `flags` are further ones of `up`
 */
export async function startNetwork(t, how = {}) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'ilp-browser-'));
  atEnd(t, () => fs.rm(folder, { recursive: true }));
  const file = path.join(folder, 'network.yaml');
  const [portOfPage, portOfDora] = [await freePorts(1), await freePorts(1)];
  const config = how.config ?? topology(portOfDora);
  const base = await freePorts(config.nodes.length);
  const save = async () => {
    await fs.writeFile(`${file}.new`, JSON.stringify(config, null, 2));
    await fs.rename(`${file}.new`, file);
  };
  await save();
  const program = start(['up', file, '--plain', '--base-port', String(base), '--ui-port', String(portOfPage), ...(how.flags ?? [])]);
  atEnd(t, async () => {
    const end = await stop(program, 'SIGTERM');
    assert.deepEqual(end, { code: 0, signal: null }, `the network did not stop by itself:\n${program.stdout}${program.stderr}`);
  });
  const url = `http://127.0.0.1:${portOfPage}`;
  /** @param {string} where below /api/v1 @returns {Promise<any>} */
  const get = async (where) => {
    const response = await fetch(`${url}/api/v1${where}`);
    assert.equal(response.status, 200, `${where}: ${await response.clone().text()}`);
    return response.json();
  };
  /** @param {string} where below /api/v1 @param {unknown} body @returns {Promise<any>} */
  const post = async (where, body) => {
    const response = await fetch(`${url}/api/v1${where}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    assert.equal(response.status, 200, `${where}: ${await response.clone().text()}`);
    return response.json();
  };
  await eventually('all nodes are healthy', async () => {
    assert.ok(!program.isOver, `the network ended early:\n${program.stdout}${program.stderr}`);
    const { nodes } = await get('/nodes').catch(() => ({ nodes: [] }));
    return nodes.length === config.nodes.length && nodes.every((/** @type {any} */ node) => node.status === 'healthy');
  }, () => program.stdout);
  const network = {
    url,
    file,
    get,
    post,
    config,
    /** Saves `config` as the file of the network, which follows it. */
    save,
    /** The login of the account `cli` at a node. @param {string} node */
    via: (/** @type {string} */ node) => {
      const line = logLines(program.stdout).find((line) => line.node === node && line.message === 'BTP server listening');
      return `btp+ws://cli:token-cli@127.0.0.1:${line.port}`;
    },
    /** Pings from a. @param {string} address */
    ping: async (address, count = 1) => {
      const ping = start(['ping', address, '--count', String(count), '--interval', '0.01', '--via', network.via(config.nodes[0].id)]);
      assert.deepEqual(await ping.ended, { code: 0, signal: null }, ping.stdout + ping.stderr);
    },
    /** Sends packets from a, whatever becomes of them. Each has an amount above zero. @param {string} destination @param {{ amount?: number, count?: number }} [how] */
    send: async (destination, { amount = 1, count = 1 } = {}) => {
      const send = start(['send', destination, '--amount', String(amount), '--count', String(count), '--json', '--via', network.via(config.nodes[0].id)]);
      await send.ended;
      assert.equal(JSON.parse(send.stdout).sent ?? count, count, send.stdout + send.stderr);
    },
    /** Sends packets to an address until its end is called. @param {string} destination */
    stream: (destination, perSecond = 50) => {
      const send = start(['send', destination, '--count', '1000000', '--rate', String(perSecond), '--via', network.via(config.nodes[0].id)]);
      const end = async () => { await stop(send, 'SIGTERM'); };
      atEnd(t, end);
      return end;
    },
    /** Starts dora, and waits until c is connected to it. */
    startDora: async () => {
      const dora = path.join(folder, 'dora.yaml');
      await fs.writeFile(dora, JSON.stringify({
        nodeId: 'dora', ilpAddress: 'test.c.dora', btpServerHost: '127.0.0.1', btpServerPort: portOfDora, healthCheckHost: '127.0.0.1', healthCheckPort: 0,
        peers: [{ id: 'c', relation: 'parent', authToken: 'token-c-dora' }],
      }));
      const program = start(['run', '--config', dora]);
      atEnd(t, () => stop(program, 'SIGKILL'));
      await eventually('c is connected to dora', async () => {
        const { links } = await get('/links');
        return links.some((/** @type {any} */ link) => link.id === 'c~dora' && link.state === 'up');
      }, () => program.stdout);
      return { kill: () => stop(program, 'SIGKILL') };
    },
  };
  return network;
}

/** Starts one node whose API asks for a token, and waits until it is healthy. @param {any} t @param {object} keys of its configuration @returns {Promise<string>} its URL */
export async function startNodeWithToken(t, keys) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'ilp-browser-'));
  atEnd(t, () => fs.rm(folder, { recursive: true }));
  const file = path.join(folder, 'node.yaml');
  const port = await freePorts(1);
  await fs.writeFile(file, JSON.stringify({
    nodeId: 'solo', ilpAddress: 'test.solo', btpServerHost: '127.0.0.1', btpServerPort: 0, healthCheckHost: '127.0.0.1', healthCheckPort: port, ...keys,
  }));
  const program = start(['run', '--config', file]);
  atEnd(t, () => stop(program, 'SIGTERM'));
  const url = `http://127.0.0.1:${port}`;
  await eventually('the node is healthy', async () => {
    assert.ok(!program.isOver, `the node ended early:\n${program.stdout}${program.stderr}`);
    return (await fetch(`${url}/health`).catch(() => null))?.ok;
  }, () => program.stdout);
  return url;
}
