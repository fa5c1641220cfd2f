// A TCP proxy that a test cuts.

import net from 'node:net';

import { atEnd } from './waiting.js';

/** @param {any} t @param {string} url where the connections go */
export async function startProxy(t, url) {
  const target = new URL(url);
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = net.connect(Number(target.port), target.hostname);
    for (const [socket, other] of /** @type {[net.Socket, net.Socket][]} */ ([[near, far], [far, near]])) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(undefined)); });
  const destroy = () => { for (const socket of sockets) socket.destroy(); };
  atEnd(t, () => {
    destroy();
    return new Promise((resolve) => { server.close(resolve); });
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    /** Ends all connections, and accepts none. */
    cut: () => {
      isCut = true;
      destroy();
    },
    mend: () => { isCut = false; },
  };
}
