// Packets, links and states in plain words.

import { codeName } from './codes.js';
import { NONE, amount, middle } from './format.js';

/** @import { Packet, Link, Peer, NodeInfo } from './types.js' */

/** @param {Packet} packet */
export function eventOf(packet) {
  const marks = { forwarded: '●', received: '■', fulfilled: '■', rejected: '✕' };
  return { mark: marks[packet.phase], word: packet.phase };
}

/** The message of a Reject: the node escapes quotation marks and backslashes, which are no danger here. @param {Packet} packet */
export const messageOf = ({ message }) => message?.replace(/\\(['"\\])/g, '$1') ?? null;

/** What a record says, in one sentence. @param {Packet} packet */
export function sentence(packet) {
  const from = packet.from ?? 'itself';
  const sum = amount(packet.amount);
  switch (packet.phase) {
    case 'forwarded': return `${packet.node} sent ${sum} from ${from} on to ${packet.to ?? 'the next hop'}`;
    case 'received': return `${packet.node} delivered ${sum} from ${from} to ${packet.to ?? 'a receiver'}`;
    case 'fulfilled': return packet.decidedHere
      ? `${packet.node} fulfilled it` : `${packet.node} passed the fulfillment back to ${from}`;
    default: return packet.decidedHere
      ? `${packet.node} rejected it: ${packet.reason?.text ?? messageOf(packet) ?? codeName(packet.code)}`
      : `${packet.node} passed the reject of ${packet.triggeredBy ?? packet.to ?? 'the next hop'} back to ${from}`;
  }
}

/** The last column of a list: why, or which rule. @param {Packet} packet */
export function whyOf(packet) {
  if (packet.phase === 'rejected') {
    if (packet.decidedHere) return packet.reason?.text ?? messageOf(packet) ?? codeName(packet.code);
    return `passed back from ${packet.to ?? packet.triggeredBy ?? 'the next hop'}${packet.message ? `: ${messageOf(packet)}` : ''}`;
  }
  if (packet.phase === 'forwarded') return packet.prefix == null ? '' : `longest prefix ${packet.prefix || '(default)'}`;
  return packet.decidedHere && packet.phase === 'fulfilled' ? 'answered by the node itself' : '';
}

/** @type {Record<string, { tone: 'good' | 'bad' | 'warn' | 'calm', mark: string, says: string }>} */
const STATES = {
  healthy: { tone: 'good', mark: '✓', says: 'ready' },
  starting: { tone: 'warn', mark: '…', says: 'not ready yet since the start' },
  unhealthy: { tone: 'bad', mark: '!', says: 'not ready; read the reasons' },
  standby: { tone: 'calm', mark: '=', says: 'another process has the books' },
  stopped: { tone: 'warn', mark: '■', says: 'stopped by the lab' },
  unreachable: { tone: 'bad', mark: '?', says: 'it does not answer; what you see is from before' },
  unknown: { tone: 'calm', mark: '?', says: 'no end can be asked' },
  stopping: { tone: 'warn', mark: '■', says: 'shutting down' },
  up: { tone: 'good', mark: '✓', says: 'both ends are connected' },
  partly: { tone: 'warn', mark: '!', says: 'one end is connected, the other is not' },
  down: { tone: 'bad', mark: '✕', says: 'not connected' },
  suspended: { tone: 'calm', mark: '‖', says: 'switched off' },
  connected: { tone: 'good', mark: '✓', says: 'at least one session is up' },
  connecting: { tone: 'warn', mark: '…', says: 'trying to reach it' },
  waiting: { tone: 'calm', mark: '○', says: 'the peer dials us, and has not yet done so' },
  disconnected: { tone: 'bad', mark: '✕', says: 'its last session ended' },
  authenticationFailed: { tone: 'bad', mark: '✕', says: 'name or token was refused' },
  receiving: { tone: 'good', mark: '✓', says: 'a receiver of this node' },
  own: { tone: 'calm', mark: '○', says: "the node's own account" },
  removed: { tone: 'calm', mark: '–', says: 'no longer in the configuration' },
};

/** @param {string | null | undefined} state */
export const stateOf = (state) => STATES[state ?? ''] ?? { tone: /** @type {const} */ ('calm'), mark: '?', says: '' };

/** A state as words: `authenticationFailed` becomes `authentication failed`. @param {string} name */
export const spaced = (name) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** What a link leads to. @param {Link} link */
export function linkName(link) {
  const far = link.bPeer != null ? link.b : link.aPeer;
  return `${link.a} – ${far}`;
}

/** @param {Link} link */
export const kindOf = (link) => ({
  peer: 'link between two nodes', tool: 'account of a tool', receiver: 'receiver inside the node', outside: 'peer outside this view',
})[link.kind];

/** @param {Peer} peer */
export const assetOf = (peer) => `${peer.assetCode}/${peer.assetScale}`;

/** Where a balance stands between its limits: 0 to 1, or `null` without both limits. @param {string | null | undefined} balance @param {unknown} min @param {unknown} max */
export function shareOf(balance, min, max) {
  if (balance == null || min == null || max == null) return null;
  const [low, high, at] = [Number(min), Number(max), Number(balance)];
  return high > low ? Math.min(1, Math.max(0, (at - low) / (high - low))) : null;
}

/** The answer of a node, for a title. @param {Packet} answer */
export function outcome(answer) {
  if (answer.phase !== 'rejected') return 'Fulfilled';
  return `Rejected: ${answer.code} ${codeName(answer.code)}`.trim();
}

/** A sample address and node for a first packet. @param {NodeInfo[]} nodes */
export function pingCommand(nodes) {
  const named = nodes.filter((node) => node.address);
  const [first, last] = [named[0], named.at(-1)];
  if (!first || !last) return 'ilp-connector ping ADDRESS --config FILE';
  const node = named.length > 1 ? ` --node ${first.id}` : '';
  return `ilp-connector ping ${last.address} --config FILE${node}`;
}

/** @param {string | null | undefined} address */
export const shortAddress = (address) => (address ? middle(address, 34) : NONE);

/** The heart of an error: `cannot connect to x: Connection refused (os error 111)` becomes `Connection refused`. @param {string} error */
export const briefly = (error) => error.replace(/ \(os error \d+\)$/, '').split(': ').at(-1) || error;

/** A word of a command line; quoted unless a shell takes it as it is. A shared link may hold any text. @param {string} text */
export const quoted = (text) => (/^[\w.:/,@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
