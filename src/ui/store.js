// What the page knows: the last state, the last rates, five minutes of history, and the last packets and events.
// Everything here has a bound.

import { total } from './codes.js';
import { ends } from './ends.js';
import { assemble } from './paths.js';
import { Recent } from './recent.js';

/** @import { Message, NodeInfo, Link, LinkRates, NodeRates, History, Packet, Event, Hello, Peer, Vertex, Edge, Rates } from './types.js' */

export const PACKETS_MAX = 5000;
export const EVENTS_MAX = 1000;
const HISTORY_SECONDS = 300;
const RATE_WINDOW = 10;

export class Store {
  /** @type {Hello | null} */ hello = null;
  /** @type {'connecting' | 'live' | 'lost' | 'token'} */ connection = 'connecting';
  /** Why there is no connection. */ problem = '';
  /** @type {Map<string, NodeInfo>} */ nodes = new Map();
  /** @type {Map<string, Link>} */ links = new Map();
  /** @type {Map<string, LinkRates>} */ rates = new Map();
  /** @type {Map<string, NodeRates>} */ nodeRates = new Map();
  /** @type {Map<string, History>} */ history = new Map();
  /** @type {{ at: number, entering: number, fulfills: number, rejects: number }[]} */ totals = [];
  /** @type {Recent<Packet>} */ #packets = new Recent(PACKETS_MAX);
  /** @type {Recent<Event>} */ #events = new Recent(EVENTS_MAX);
  /** Packets since the page opened. */ seen = 0;
  /** Lost on the way here, besides what was not sampled. */ lost = 0;
  /** @type {{ oneIn: number, lost: number } | null} */ sampled = null;
  /** What the lists show while they are paused. @type {{ packets: Packet[], events: Event[], seen: number } | null} */ paused = null;
  /** Rises when nodes, links or states change. */ revision = 0;
  /** @type {Map<string, { edge: string, vertex: string }>} */ #far = new Map();

  /** @param {Message} message */
  apply(message) {
    switch (message.type) {
      case 'hello': this.hello = message; break;
      case 'state': this.#state(message.nodes, message.links); break;
      case 'rates': this.#rates(message); break;
      case 'packet': if (this.#packets.add(message)) this.seen += 1; break;
      case 'event': this.#events.add(message); break;
      case 'gap': this.lost += message.lost; break;
      default: break;
    }
  }

  /** @param {NodeInfo[]} nodes @param {Link[]} links */
  #state(nodes, links) {
    this.nodes = new Map(nodes.map((node) => [node.id, node]));
    this.links = new Map(links.map((link) => [link.id, link]));
    this.#far = new Map();
    for (const link of links) {
      const [a, b] = ends(link, this.nodes);
      this.#far.set(`${link.a}\n${link.aPeer}`, { edge: link.id, vertex: b });
      if (link.bPeer != null) this.#far.set(`${link.b}\n${link.bPeer}`, { edge: link.id, vertex: a });
    }
    for (const map of [this.rates, this.history]) for (const id of [...map.keys()]) if (!this.links.has(id)) map.delete(id);
    for (const id of [...this.nodeRates.keys()]) if (!this.nodes.has(id)) this.nodeRates.delete(id);
    this.revision += 1;
  }

  /** @param {Rates} message */
  #rates(message) {
    const at = Date.parse(message.at) / 1000;
    this.sampled = message.sampled;
    for (const node of message.nodes) {
      const known = this.nodes.get(node.id);
      if (!known) continue;
      this.nodeRates.set(node.id, node);
      if (known.status !== node.status) {
        known.status = node.status;
        this.revision += 1;
      }
    }
    for (const link of message.links) {
      if (!this.links.has(link.id)) continue;
      this.rates.set(link.id, link);
      let history = this.history.get(link.id);
      const last = history?.at.at(-1) ?? -Infinity;
      // The node's clock may be set back.
      if (!history || !(at >= last)) history = { at: [], ab: [], ba: [], p50: [], p99: [] };
      else if (at - last < 0.9) continue;
      this.history.set(link.id, history);
      history.at.push(at);
      history.ab.push(link.abPerSecond);
      history.ba.push(link.baPerSecond);
      history.p50.push(link.latency?.p50Us ?? null);
      history.p99.push(link.latency?.p99Us ?? null);
      if (history.at.length > HISTORY_SECONDS) for (const list of Object.values(history)) list.shift();
    }
    this.#total(at);
  }

  /** @param {number} at seconds */
  #total(at) {
    let [entering, fulfills, rejects] = [0, 0, 0];
    for (const link of this.rates.values()) {
      const known = this.links.get(link.id);
      if (known && known.kind !== 'receiver' && !this.isInside(known)) entering += link.ba.prepares;
      for (const traffic of [link.ab, link.ba]) {
        fulfills += traffic.fulfills;
        rejects += total(traffic.rejects);
      }
    }
    const last = this.totals.at(-1);
    // Counters fall when a node restarts or leaves the view, and a clock may be set back.
    if (last && (!(at >= last.at) || fulfills < last.fulfills || rejects < last.rejects || entering < last.entering)) this.totals = [];
    this.totals.push({ at, entering, fulfills, rejects });
    while (at - (this.totals[0]?.at ?? at) > RATE_WINDOW) this.totals.shift();
  }

  /** Over the last seconds: packets that enter the view each second, and the share of answers that are Fulfills. */
  summary() {
    const [first, last] = [this.totals[0], this.totals.at(-1)];
    const nodes = [...this.nodes.values()];
    const inFlight = [...this.nodeRates.values()].reduce((total, node) => total + node.inFlight, 0);
    const isKnown = first && last && last.at > first.at;
    const answers = isKnown ? last.fulfills - first.fulfills + last.rejects - first.rejects : 0;
    return {
      nodes: nodes.length,
      healthy: nodes.filter((node) => node.status === 'healthy').length,
      perSecond: isKnown ? (last.entering - first.entering) / (last.at - first.at) : null,
      fulfilled: isKnown && answers > 0 ? (100 * (last.fulfills - first.fulfills)) / answers : null,
      inFlight: this.nodeRates.size > 0 ? inFlight : null,
    };
  }

  /** Oldest first. */
  get packets() { return this.#packets.list; }
  /** Oldest first. */
  get events() { return this.#events.list; }

  /** What the nodes kept from before this page opened. @param {{ packets?: Packet[], events?: Event[] }} answer */
  addEarlier({ packets = [], events = [] }) {
    this.#packets.merge(packets);
    this.#events.merge(events);
  }

  /** Stops the lists, or shows again what comes. Collecting goes on. @param {boolean} isPaused */
  pause(isPaused) {
    this.paused = isPaused ? { packets: [...this.packets], events: [...this.events], seen: this.seen } : null;
  }

  shownPackets() { return this.paused?.packets ?? this.packets; }
  shownEvents() { return this.paused?.events ?? this.events; }

  /** @param {string} node @param {string} peer @returns {string | null} the vertex at the other end of an account */
  far(node, peer) { return this.#far.get(`${node}\n${peer}`)?.vertex ?? null; }

  /** @param {string} node @param {string} peer @returns {string | null} the link of an account */
  linkOf(node, peer) { return this.#far.get(`${node}\n${peer}`)?.edge ?? null; }

  /** Whether both ends of a link are nodes of this view. @param {Link} link */
  isInside(link) { return link.bPeer != null && this.nodes.has(link.b); }

  /** @param {string} node @param {string} peer @returns {Peer | null} */
  peer(node, peer) { return this.nodes.get(node)?.peers.find((has) => has.id === peer) ?? null; }

  /** The state of each node and link, by its name. @returns {Map<string, string>} */
  states() {
    const states = new Map([...this.nodes.values()].map((node) => [`node ${node.id}`, node.status]));
    for (const link of this.links.values()) if (link.kind !== 'tool') states.set(`link ${link.a} to ${link.b}`, link.state);
    return states;
  }

  /** The records of one packet, by its condition. @param {string} condition */
  paths(condition) {
    return assemble(this.packets.filter((packet) => packet.condition === condition), (n, p) => this.far(n, p));
  }

  /** The graph: nodes, and what their links lead to. Accounts of tools are shown while they are connected. */
  graph() {
    /** @type {Vertex[]} */
    const vertices = [...this.nodes.values()].map((node) => ({ id: node.id, kind: 'node', label: node.id, node, link: null }));
    /** @type {Edge[]} */
    const edges = [];
    for (const link of this.links.values()) {
      if (link.kind === 'tool' && link.state !== 'up') continue;
      const [a, b] = ends(link, this.nodes);
      if (!this.nodes.has(b)) {
        const kind = link.kind === 'peer' ? 'outside' : link.kind;
        vertices.push({ id: b, kind, label: link.aPeer, node: null, link });
      }
      edges.push({ id: link.id, a, b, link });
    }
    return { vertices, edges };
  }
}
