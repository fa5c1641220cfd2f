// Joins the records of one packet to its path, in the order of the nodes that it passed.

/** @import { Packet, Hop } from './types.js' */

/**
 * Gives the vertex at the far end of a node's account, or `null` if the node has no such account.
 * @typedef {(node: string, peer: string) => string | null} FarEnd
 * @typedef {{ from: string, to: string, kind: 'prepare' | 'fulfill' | 'reject', record: Packet }} Move
 */

/**
 * The hops of the packets in `records`, each chain from its first node to its last. Two hops belong together if the
 * request id that one node gave is the one that the next node received over the same link. Records may come in any
 * order and more than once.
 * @param {Iterable<Packet>} records @param {FarEnd} far @returns {Hop[][]}
 */
export function assemble(records, far) {
  /** @type {Map<string, Hop & { from: string | null, requestId: Packet['requestId'], condition: string }>} */
  const hops = new Map();
  for (const record of records) {
    const key = `${record.condition} ${record.node} ${record.from} ${record.requestId}`;
    const hop = hops.get(key) ?? {
      node: record.node, from: record.from, requestId: record.requestId, condition: record.condition,
      forwarded: null, answer: null,
    };
    if (record.phase === 'forwarded') hop.forwarded = record;
    else hop.answer = record;
    hops.set(key, hop);
  }
  const all = [...hops.values()];
  /** @type {Map<string, typeof all>} */
  const byRequest = new Map();
  for (const hop of all) {
    const key = `${hop.node} ${hop.requestId}`;
    byRequest.set(key, [...(byRequest.get(key) ?? []), hop]);
  }
  const followers = new Map(all.map((hop) => {
    const sent = hop.forwarded ?? hop.answer;
    const node = sent?.to ? far(hop.node, sent.to) : null;
    return [hop, byRequest.get(`${node} ${sent?.outgoingRequestId}`)?.find((next) => isNext(hop, next, far))];
  }));
  const later = new Set(followers.values());
  const chains = all.filter((hop) => !later.has(hop)).map((first) => {
    const chain = [first];
    for (let next = followers.get(first); next && !chain.includes(next); next = followers.get(next)) chain.push(next);
    return chain.map(({ node, forwarded, answer }) => ({ node, forwarded, answer }));
  });
  return chains;
}

/**
 * Whether two records are of one packet: of one hop, or of neighbours on its path.
 * @param {Packet} a @param {Packet} b @param {FarEnd} far
 */
export function isSamePacket(a, b, far) {
  if (a.condition !== b.condition) return false;
  if (a.node === b.node) return a.from === b.from && a.requestId === b.requestId;
  const [one, other] = [hopOf(a), hopOf(b)];
  return isNext(one, other, far) || isNext(other, one, far);
}

/** @param {Packet} record */
const hopOf = (record) => ({ ...record, forwarded: record, answer: null });

/**
 * @param {Hop & { condition: string }} hop
 * @param {Hop & { from: string | null, requestId: Packet['requestId'], condition: string }} next
 * @param {FarEnd} far
 */
function isNext(hop, next, far) {
  const sent = hop.forwarded ?? hop.answer;
  if (!sent?.to || sent.outgoingRequestId == null || next === hop || next.from == null) return false;
  return next.condition === hop.condition
    && String(next.requestId) === String(sent.outgoingRequestId)
    && far(hop.node, sent.to) === next.node
    && far(next.node, next.from) === hop.node;
}

/**
 * What a path looks like on the graph: the Prepare from vertex to vertex, then the answer back.
 * @param {Hop[]} chain @param {FarEnd} far @returns {Move[]}
 */
export function moves(chain, far) {
  /** @type {Move[]} */
  const list = [];
  /** @param {string | null | undefined} from @param {string | null | undefined} to @param {Move['kind']} kind @param {Packet} record */
  const add = (from, to, kind, record) => {
    if (from && to && from !== to) list.push({ from, to, kind, record });
  };
  chain.forEach((hop, index) => {
    const record = hop.forwarded ?? hop.answer;
    if (!record) return;
    if (!hasRecord(chain[index - 1]) && record.from) add(far(hop.node, record.from), hop.node, 'prepare', record);
    // Of a reject that was not sampled only the answer is known: another node's answer shows that it was sent on.
    const isSentOn = hop.forwarded || record.phase === 'received' || !record.decidedHere;
    if (isSentOn && record.to) add(hop.node, far(hop.node, record.to), 'prepare', record);
  });
  const back = [...chain].reverse();
  back.forEach((hop, index) => {
    const answer = hop.answer;
    if (!answer) return;
    const kind = answer.phase === 'rejected' ? 'reject' : 'fulfill';
    const to = hop.forwarded?.to ?? answer.to;
    // The answer of a receiver, of a peer outside the view, or of a node without a record.
    if (!hasRecord(back[index - 1]) && to && (!answer.decidedHere || answer.phase === 'received')) add(far(hop.node, to), hop.node, kind, answer);
    if (answer.from) add(hop.node, far(hop.node, answer.from), kind, answer);
  });
  return list;
}

/** Whether a hop has a record: the API also gives those that a packet passed without one. @param {Hop | undefined} hop */
export const hasRecord = (hop) => hop != null && (hop.forwarded != null || hop.answer != null);

/** How a path ended: its first node's answer, or `null` while it is in flight. @param {Hop[]} chain */
export const ending = (chain) => chain[0]?.answer ?? null;

/** The record in which a node decided to reject, if one in view did. @param {Hop[]} chain @returns {Packet | null} */
export function decision(chain) {
  const decided = chain.map((hop) => hop.answer).filter((answer) => answer?.phase === 'rejected' && answer.decidedHere);
  return decided.at(-1) ?? null;
}

/** Whether a condition says which packet a record belongs to; it is zeros for a packet that could not be read. @param {string} condition */
export const isKnown = (condition) => /[1-9a-f]/i.test(condition);
