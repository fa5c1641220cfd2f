// Endings, conditions with a deadline, and free ports.

import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The deadline of a wait. Generous, because the machine may be busy with other tests. */
export const WAIT_MS_MAX = 60_000;

/**
 * Waits until `look` returns something true, and returns that. If time is up, the message has what `seen` returns.
 * @template T @param {string} what @param {() => T | Promise<T>} look @param {() => unknown} [seen]
 */
export async function eventually(what, look, seen = () => '') {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not within ${WAIT_MS_MAX} ms: ${what}\n${await seen()}`);
    await delay(20);
  }
}

/** As many free ports in a row, below the range of outgoing connections; the first. @param {number} count */
export async function freePorts(count) {
  for (let tried = 0; tried < 1000; tried += 1) {
    const first = 10_000 + ((process.pid * 97 + taken) % 17_000);
    taken += count;
    const isFree = await Promise.all(Array.from({ length: count }, (_, i) => isPortFree(first + i)));
    if (isFree.every(Boolean)) return first;
  }
  throw new Error('no free ports');
}
let taken = 0;

/** @param {number} port @returns {Promise<boolean>} */
const isPortFree = (port) => new Promise((resolve) => {
  const server = net.createServer();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
});

const endings = new WeakMap();

/** Like `t.after`, but in reverse order: a page closes before the network that it shows ends. @param {any} t @param {() => unknown} action */
export function atEnd(t, action) {
  if (!endings.has(t)) {
    endings.set(t, []);
    t.after(async () => {
      /** @type {unknown[]} */
      const failures = [];
      for (const ending of endings.get(t).reverse()) await Promise.resolve().then(ending).catch((error) => failures.push(error));
      if (failures.length > 0) throw failures[0];
    });
  }
  endings.get(t).push(action);
}

/**
 * What `atEnd` needs, for endings after all tests of a group.
 * @param {(action: () => Promise<void>) => void} after
 */
export function suite(after) {
  /** @type {(() => unknown)[]} */
  const endings = [];
  after(async () => {
    for (const ending of endings) await ending();
  });
  return { after: (/** @type {() => unknown} */ ending) => { endings.push(ending); } };
}
