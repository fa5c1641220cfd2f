// Draws sampled packets on the canvas over the graph. Each dot is a real packet, followed hop by hop; it is slowed so
// that a hop takes long enough to see.

import { assemble, isKnown, isSamePacket, moves } from './paths.js';
import { shape } from './shapes.js';

/** @import { Packet, Point } from './types.js' */
/** @import { Move } from './paths.js' */
/** @typedef {{ key: string, records: Packet[], moves: Move[], index: number, progress: number, from: number, seen: number, id: string }} Journey */

const HOP_MS = 400;
/** Records of one packet come from several nodes: a journey begins when those of one batch are here. */
const GATHER_MS = 150;
const JOURNEYS_MAX = 600;
const RECORDS_MAX = 64;
const IDLE_MS_MAX = 10_000;
const RING_MS = 500;

export class Dots {
  /** @type {Map<string, Journey>} */ #journeys = new Map();
  /** @type {Map<string, Set<Journey>>} */ #conditions = new Map();
  /** @type {{ at: string, kind: Move['kind'], age: number }[]} */ #rings = [];
  /** @type {Record<string, string>} */ #colors = {};
  /** Journeys that were not drawn because there are too many. */ notDrawn = 0;
  /** How much slower than usual. */ slow = 1;
  isPaused = false;
  /** Shows one packet at a time; called with the packet that it begins to follow. @type {((id: string) => void) | null} */ follow = null;
  /** @type {string | null} */ #followed = null;

  /** @param {(node: string, peer: string) => string | null} far */
  constructor(far) { this.far = far; }

  /** @param {Packet} packet */
  add(packet) {
    if (this.isPaused) return;
    const known = this.#of(packet);
    if (!known && this.#journeys.size >= JOURNEYS_MAX) {
      this.notDrawn += 1;
      return;
    }
    const journey = known ?? { key: packet.id, records: [], moves: [], index: 0, progress: 0, from: performance.now(), seen: 0, id: packet.id };
    if (journey.records.length >= RECORDS_MAX) return;
    journey.records.push(packet);
    journey.seen = performance.now();
    journey.moves = assemble(journey.records, this.far).flatMap((chain) => moves(chain, this.far));
    this.#journeys.set(journey.key, journey);
    const same = this.#conditions.get(packet.condition) ?? new Set();
    this.#conditions.set(packet.condition, same.add(journey));
  }

  /** The journey that a record continues. Pings share one condition, so the condition alone does not tell. @param {Packet} packet */
  #of(packet) {
    if (!isKnown(packet.condition)) return null;
    const same = [...this.#conditions.get(packet.condition) ?? []];
    return same.find((journey) => journey.records.some((record) => isSamePacket(record, packet, this.far))) ?? null;
  }

  /** @param {Journey} journey */
  #end(journey) {
    this.#journeys.delete(journey.key);
    if (this.#followed === journey.key) this.#followed = null;
    for (const { condition } of journey.records) {
      const same = this.#conditions.get(condition);
      same?.delete(journey);
      if (same?.size === 0) this.#conditions.delete(condition);
    }
  }

  clear() {
    this.#journeys.clear();
    this.#conditions.clear();
    this.#rings = [];
    this.#followed = null;
  }

  /** Colours come from the style sheet. */
  readColors() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['prepare', 'fulfill', 'reject', 'panel']) this.#colors[name] = style.getPropertyValue(`--${name}`).trim();
  }

  /** Whether anything moves. */
  isActive() { return this.#journeys.size > 0 || this.#rings.length > 0; }

  /**
   * Advances by `ms` and draws.
   * @param {CanvasRenderingContext2D} context @param {number} ms @param {{ place: (id: string) => Point | null, radiusOf: (id: string) => number, radius: () => number }} graph @param {number} offset
   */
  draw(context, ms, graph, offset) {
    const now = performance.now();
    const place = (/** @type {string} */ id) => graph.place(id);
    const size = Math.max(0.6, Math.min(1, graph.radius() / 20));
    const { width, height } = context.canvas;
    context.clearRect(0, 0, width, height);
    for (const journey of [...this.#journeys.values()]) {
      if (now - journey.from < GATHER_MS) continue;
      if (!this.#isShown(journey)) {
        if (this.follow) this.#end(journey);
        continue;
      }
      this.#advance(journey, this.isPaused ? 0 : ms);
      if (journey.index < journey.moves.length) this.#dot(context, journey, place, offset, size);
      else if (this.#isOver(journey, now)) this.#end(journey);
      else this.#wait(context, journey, place, size);
    }
    this.#drawRings(context, this.isPaused ? 0 : ms, graph);
  }

  /** Advances by one hop while paused. */
  step() {
    for (const journey of this.#journeys.values()) this.#advance(journey, HOP_MS * this.slow);
  }

  /** @param {Journey} journey */
  #isShown(journey) {
    if (!this.follow || this.#followed === journey.key) return true;
    if (this.#followed != null) return false;
    this.#followed = journey.key;
    this.follow(journey.id);
    return true;
  }

  /** @param {Journey} journey @param {number} ms */
  #advance(journey, ms) {
    journey.progress += ms / (HOP_MS * this.slow);
    while (journey.progress >= 1 && journey.index < journey.moves.length) {
      const move = journey.moves[journey.index];
      const next = journey.moves[journey.index + 1];
      journey.progress = next ? journey.progress - 1 : 0;
      journey.index += 1;
      // A ring where the Prepare turns into its answer, and where the answer arrives.
      if (move && (!next || next.kind !== move.kind)) this.#rings.push({ at: move.to, kind: next?.kind ?? move.kind, age: 0 });
    }
    if (journey.index >= journey.moves.length) journey.progress = 0;
  }

  /** @param {Journey} journey @param {number} now */
  #isOver(journey, now) {
    return journey.moves.at(-1)?.kind !== 'prepare' || now - journey.seen > IDLE_MS_MAX;
  }

  /** @param {CanvasRenderingContext2D} context @param {Journey} journey @param {(id: string) => Point | null} place @param {number} offset @param {number} size */
  #dot(context, journey, place, offset, size) {
    const move = journey.moves[journey.index];
    const a = move && place(move.from);
    const b = move && place(move.to);
    if (!a || !b) return;
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const [ux, uy] = [(b.x - a.x) / length, (b.y - a.y) / length];
    const ease = journey.progress * journey.progress * (3 - 2 * journey.progress);
    const x = a.x + ux * length * ease - uy * offset;
    const y = a.y + uy * length * ease + ux * offset;
    const color = this.#colors[move.kind] ?? '#888';
    const tail = Math.min(26 * size, length * ease);
    context.globalAlpha = 0.35;
    context.strokeStyle = color;
    context.lineWidth = 4 * size;
    context.lineCap = 'round';
    context.beginPath();
    context.moveTo(x - ux * tail, y - uy * tail);
    context.lineTo(x, y);
    context.stroke();
    context.globalAlpha = 1;
    shape(context, move.kind, { x, y }, size, color, this.#colors.panel ?? '#fff');
  }

  /** A packet whose answer has not come: it stands still beside the node that it was sent to. @param {CanvasRenderingContext2D} context @param {Journey} journey @param {(id: string) => Point | null} place @param {number} size */
  #wait(context, journey, place, size) {
    const at = place(journey.moves.at(-1)?.to ?? '');
    if (at) shape(context, 'prepare', { x: at.x + 24 * size, y: at.y - 24 * size }, size, this.#colors.prepare ?? '#888', this.#colors.panel ?? '#fff');
  }

  /** @param {CanvasRenderingContext2D} context @param {number} ms @param {{ place: (id: string) => Point | null, radiusOf: (id: string) => number }} graph */
  #drawRings(context, ms, graph) {
    this.#rings = this.#rings.filter((ring) => ring.age < RING_MS).slice(-200);
    for (const ring of this.#rings) {
      ring.age += ms;
      const at = graph.place(ring.at);
      if (!at) continue;
      const share = Math.min(1, ring.age / RING_MS);
      context.globalAlpha = 0.8 * (1 - share);
      context.strokeStyle = this.#colors[ring.kind] ?? '#888';
      context.lineWidth = 2.5;
      context.beginPath();
      context.arc(at.x, at.y, graph.radiusOf(ring.at) * (1 + 0.6 * share), 0, 2 * Math.PI);
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}
