// A server in the place of nodes: it serves the files of the page as nodes do, and says whatever a test wants. For what
// real nodes cannot be brought to in a test: a hundred of them under load, thousands of peers, odd states.

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { atEnd } from './waiting.js';

export const UI = fileURLToPath(new URL('../../../src/ui/', import.meta.url));
/** As in src/api/ui.rs; a test compares them. */
export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
  + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
/** @type {Record<string, string>} */
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml' };

/** A file of the page, with the headers of a node. @param {string} name below /ui/ */
export function pageFile(name) {
  const file = path.join(UI, name || 'index.html');
  if (!file.startsWith(UI) || !fs.existsSync(file)) return null;
  return { body: fs.readFileSync(file), headers: { 'Content-Type': TYPES[path.extname(file)] ?? 'text/plain', 'Content-Security-Policy': POLICY, 'Cache-Control': 'no-cache' } };
}

/**
 * @typedef {{ method: string, path: string, body: any, type: string | undefined }} Asked
 * @typedef {(asked: Asked) => any} Answer what it returns is the body; a number is a status, and nothing is a 404
 */

/**
 * @param {any} t
 * @param {{ hello?: any, state: any, answer?: Answer }} how
 */
export async function startFixture(t, { hello = {}, state, answer = () => undefined }) {
  /** @type {Set<http.ServerResponse>} */
  const streams = new Set();
  /** @type {Asked[]} */
  const asked = [];
  let now = state;
  const limits = { packetsPerSecond: 200, rejectsPerSecond: 500, kept: 4096 };
  const first = () => ({
    type: 'hello', boot: '00000001', version: '0.0.0', nodes: now.nodes.map((/** @type {any} */ node) => node.id), seed: '0', threshold: '0', limits,
    scopes: ['read', 'packets', 'operate', 'audit'], peer: null, features: [], ...hello,
  });
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://fixture');
    if (url.pathname.startsWith('/ui/')) {
      const file = pageFile(url.pathname.slice('/ui/'.length));
      response.writeHead(file ? 200 : 404, file?.headers).end(file?.body);
      return;
    }
    if (url.pathname === '/api/v1/stream') {
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      response.write(`${JSON.stringify(first())}\n${JSON.stringify({ type: 'state', ...now })}\n`);
      streams.add(response);
      response.on('close', () => streams.delete(response));
      return;
    }
    let text = '';
    for await (const chunk of request) text += chunk;
    const one = { method: request.method ?? '', path: (url.pathname + url.search).replace('/api/v1/', ''), body: text ? JSON.parse(text) : null, type: request.headers['content-type'] };
    asked.push(one);
    const body = await answer(one) ?? usual(one.path);
    const status = typeof body === 'number' ? body : body === undefined ? 404 : 200;
    const isProblem = status !== 200;
    response.writeHead(status, { 'Content-Type': isProblem ? 'application/problem+json' : 'application/json' })
      .end(JSON.stringify(isProblem ? { title: 'no', status, detail: `the fixture answers ${status}` } : body));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(undefined)); });
  atEnd(t, () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const push = (/** @type {any} */ message) => { for (const stream of streams) stream.write(`${JSON.stringify(message)}\n`); };
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    push,
    /** Whether a page listens. */
    isWatched: () => streams.size > 0,
    /** @param {any} changes */
    setState: (changes) => {
      now = { ...now, ...changes };
      push({ type: 'state', ...now });
    },
  };
}

/** What any server answers. @param {string} path */
function usual(path) {
  if (path.startsWith('packets?')) return { packets: [], lost: 0 };
  if (path.startsWith('events')) return { events: [], lost: 0 };
  if (path.startsWith('reasons')) return { since: new Date().toISOString(), reasons: [] };
  return undefined;
}

/** @param {string} id @param {any[]} [peers] @param {any} [more] */
export const node = (id, peers = [], more = {}) => ({
  id, status: 'healthy', reasons: [], address: `test.${id}`, version: '0.0.0', uptimeSeconds: 100, startedAt: new Date(Date.now() - 1e5).toISOString(),
  btp: '127.0.0.1:1', api: '127.0.0.1:2', stats: {}, peers, ...more,
});

/** @param {string} id @param {any} [more] */
export const peer = (id, more = {}) => ({
  id, kind: 'peer', relation: 'peer', assetCode: 'USD', assetScale: 9, configured: true, enabled: true, required: false, state: 'connected',
  since: new Date(Date.now() - 6e4).toISOString(), lastError: null, lastRefusedLogin: null, sessions: [{ id: 1, side: 'dialled' }], balance: '0', lastRefusal: null,
  held: { received: '0', sent: '0' }, uncertain: '0', packetsInFlight: { received: 0, sent: 0 }, outboxBytes: 0,
  limits: { maxPacketAmount: null, maxBalance: '1000000', minBalance: '-1000000', packetsPerSecond: null, maxPacketsInFlight: 16384, outboxBytesMax: 4194304, maxSessions: 1 },
  packets: { received: { prepares: 0, fulfills: 0, rejects: {} }, sent: { prepares: 0, fulfills: 0, rejects: {} } }, counters: { reconnects: 0 }, ...more,
});

/** @param {string} a @param {string} b @param {any} [more] */
export const link = (a, b, more = {}) => ({
  id: `${a}~${b}`, a, b, aPeer: b, bPeer: a, aState: 'connected', bState: 'connected', state: 'up', since: new Date(Date.now() - 6e4).toISOString(),
  lastError: null, kind: 'peer', transport: 'btp', asset: 'USD/9', ...more,
});

const traffic = (/** @type {number} */ n) => ({ prepares: n, fulfills: n, rejects: {} });

/** @param {string} id @param {number} n packets so far @param {number} perSecond */
export const linkRates = (id, n, perSecond) => ({
  id, ab: traffic(n), ba: traffic(0), abPerSecond: perSecond, baPerSecond: 0, fulfilledPercent: 100, inFlightAb: 1, inFlightBa: 0, outboxA: 0, outboxB: 0,
  balanceA: String(-n), balanceB: String(n), latency: { p50Us: 300, p99Us: 900 },
});
