// What the page knows: the last state, the last rates, five minutes of history, and the last packets and events.
// Everything here has a bound.

import { ends } from './ends.js';
import { Histories } from './history.js';
import { assemble } from './paths.js';
import { Recent } from './recent.js';
import { Totals } from './totals.js';

/** @import { Message, NodeInfo, Link, LinkRates, NodeRates, Packet, Event, Fault, Hello, Override, Peer, State, Rates } from './types.js' */

export const PACKETS_MAX = 5000;
export const EVENTS_MAX = 1000;
/** Clocks of node and reader that differ by less are taken as the same. */
const SKEW_MS_MIN = 1500;

/** What a node allows that does not say. */
const READER = ['read', 'packets'];

export class Store {
  /** @type {Hello | null} */ hello = null;
  /** @type {'connecting' | 'live' | 'lost' | 'token'} */ connection = 'connecting';
  /** Why there is no connection. */ problem = '';
  /** @type {Map<string, NodeInfo>} */ nodes = new Map();
  /** @type {Map<string, Link>} */ links = new Map();
  /** @type {Map<string, LinkRates>} */ rates = new Map();
  /** @type {Map<string, NodeRates>} */ nodeRates = new Map();
  history = new Histories();
  totals = new Totals();
  /** What operators have changed for a while. @type {Override[]} */ overrides = [];
  /** What is broken on purpose. @type {Fault[]} */ faults = [];
  /** Milliseconds by which the node's clock is ahead of the reader's. */ skew = 0;
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
      case 'state': this.#state(message); break;
      case 'rates': this.#rates(message); break;
      case 'packet': if (this.#packets.add(message)) this.seen += 1; break;
      case 'event': this.#events.add(message); break;
      case 'gap': this.lost += message.lost; break;
      default: break;
    }
  }

  /** @param {State} state */
  #state({ nodes, links, overrides = [], faults = [] }) {
    Object.assign(this, { overrides, faults });
    this.nodes = new Map(nodes.map((node) => [node.id, node]));
    this.links = new Map(links.map((link) => [link.id, link]));
    this.#far = new Map();
    for (const link of links) {
      const [a, b] = ends(link, this.nodes);
      this.#far.set(`${link.a}\n${link.aPeer}`, { edge: link.id, vertex: b });
      if (link.bPeer != null) this.#far.set(`${link.b}\n${link.bPeer}`, { edge: link.id, vertex: a });
    }
    for (const id of [...this.rates.keys()]) if (!this.links.has(id)) this.rates.delete(id);
    this.history.keep(this.links);
    for (const id of [...this.nodeRates.keys()]) if (!this.nodes.has(id)) this.nodeRates.delete(id);
    this.revision += 1;
  }

  /** @param {Rates} message */
  #rates(message) {
    const at = Date.parse(message.at) / 1000;
    this.sampled = message.sampled;
    const skew = at * 1000 - Date.now();
    this.skew = Math.abs(skew) > SKEW_MS_MIN ? skew : 0;
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
      this.history.add(at, link);
    }
    this.totals.add(at, this.rates.values(), (id) => {
      const link = this.links.get(id);
      return link != null && link.kind !== 'receiver' && !this.isInside(link);
    });
  }

  /** Now, and over the last seconds. */
  summary() {
    const nodes = [...this.nodes.values()];
    const inFlight = [...this.nodeRates.values()].reduce((total, node) => total + node.inFlight, 0);
    return {
      ...this.totals.summary(),
      nodes: nodes.length,
      healthy: nodes.filter((node) => node.status === 'healthy').length,
      inFlight: this.nodeRates.size > 0 ? inFlight : null,
    };
  }

  /** What the reader may do: what is not allowed is not offered. @param {string} scope */
  may(scope) { return this.connection === 'live' && (this.hello?.scopes ?? READER).includes(scope); }

  /** The peer whose token the reader has: what is about others is not shown, and not asked for. */
  get seenBy() { return this.hello?.peer ?? null; }

  /** @param {string} feature of the program that this page is of */
  offers(feature) { return (this.hello?.features ?? []).includes(feature); }

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
}
