// Where the graph's vertices are, in pixels. The layout changes only when nodes or links come or go.

import { SCALE_MAX, fit, project, unproject } from './camera.js';
import { partsOf } from './graph_parts.js';
import { layout, satellites } from './layout.js';

/** @import { Store } from './store.js' */
/** @import { Vertex, Edge, Point } from './types.js' */

const ZOOM_MAX = 8;
/** Pixels at the bottom that the graph leaves to the legend. */
const LEGEND = 26;
/** More peers outside the view take no part in the layout. */
const OUTSIDE_MAX = 40;

export class Graph {
  /** @type {Vertex[]} */ vertices = [];
  /** @type {Edge[]} */ edges = [];
  /** @type {Map<string, Point>} in hops */ at = new Map();
  /** @type {Set<string>} dragged vertices, which stay */ pinned = new Set();
  camera = { sx: 100, sy: 100, isTurned: false, x: 0, y: 0 };
  size = { width: 0, height: 0 };
  /** Whether the reader has moved the camera. */ isMoved = false;
  /** Links that are not drawn, because there are too many. */ notDrawn = 0;
  #revision = -1;
  /** @type {string | null} */ #focus = null;
  #shape = '';

  /** @param {Store} store */
  constructor(store) { this.store = store; }

  /** Follows the store, and fits the box unless the reader moved the camera. @param {number} width @param {number} height @param {string | null} [focus] the node to show of a large network */
  update(width, height, focus = this.#focus) {
    const isResized = width !== this.size.width || height !== this.size.height;
    this.size = { width, height };
    if (this.#revision !== this.store.revision || this.#focus !== focus) {
      this.#revision = this.store.revision;
      this.#focus = focus;
      ({ vertices: this.vertices, edges: this.edges, notDrawn: this.notDrawn } = partsOf(this.store, focus));
      const shape = JSON.stringify([this.vertices.map((v) => v.id), this.edges.map((e) => e.id)]);
      if (shape !== this.#shape) {
        this.#shape = shape;
        this.#place();
        if (!this.isMoved) this.fit();
      }
    }
    if (isResized && !this.isMoved) this.fit();
  }

  #place() {
    const isMany = this.vertices.filter((v) => v.kind === 'outside').length > OUTSIDE_MAX;
    const isFree = (/** @type {Vertex} */ v) => v.kind === 'tool' || v.kind === 'receiver' || (v.kind === 'outside' && isMany);
    const fixed = this.vertices.filter((v) => !isFree(v)).map((v) => v.id);
    /** @type {[string, string][]} */
    const links = this.edges.map((e) => [e.a, e.b]);
    const last = this.at;
    this.at = layout(fixed, links, last, this.pinned);
    for (const node of this.store.nodes.keys()) {
      const centre = this.at.get(node);
      const hanging = this.edges.filter((e) => e.a === node && !this.at.has(e.b)).map((e) => e.b);
      if (!centre || hanging.length === 0) continue;
      const beside = this.edges.filter((e) => e.a === node || e.b === node).map((e) => this.at.get(e.a === node ? e.b : e.a));
      const free = satellites(centre, beside.filter((p) => p != null), hanging.length);
      hanging.forEach((id, i) => this.at.set(id, (this.pinned.has(id) && last.get(id)) || free[i] || centre));
    }
  }

  /** Shows everything. */
  fit() {
    const { width, height } = this.size;
    const pad = Math.min(width, height) < 400 ? 66 : 76;
    this.camera = fit(this.at.values(), width, height - LEGEND, pad);
    this.isMoved = false;
  }

  /** @param {string} id @returns {Point | null} in pixels */
  place(id) {
    const at = this.at.get(id);
    return at ? project(at, this.camera) : null;
  }

  /** Pixels of a node's radius: smaller where the nodes stand closer. */
  radius() { return Math.max(5, Math.min(26, Math.min(this.camera.sx, this.camera.sy) * 0.2)); }

  /** Pixels from the middle of a vertex to its edge. @param {string} id */
  radiusOf(id) { return this.store.nodes.has(id) ? this.radius() : this.radius() * 0.5; }

  /** @param {string} id @param {Point} p in pixels */
  drag(id, p) {
    this.at.set(id, unproject(p, this.camera));
    this.pinned.add(id);
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.camera = { ...this.camera, x: this.camera.x + dx, y: this.camera.y + dy };
    this.isMoved = true;
  }

  /** @param {number} factor @param {Point} at stays where it is, in pixels */
  zoom(factor, at) {
    const { sx, sy, x, y } = this.camera;
    const scale = Math.min(SCALE_MAX * ZOOM_MAX, Math.max(12, sx * factor));
    const real = scale / sx;
    this.camera = { ...this.camera, sx: scale, sy: sy * real, x: at.x - (at.x - x) * real, y: at.y - (at.y - y) * real };
    this.isMoved = true;
  }

  /** The neighbour of a vertex that lies most in a direction. @param {string} id @param {Point} direction @returns {string | null} */
  neighbour(id, direction) {
    const from = this.place(id);
    if (!from) return null;
    const near = this.edges.filter((e) => e.a === id || e.b === id).map((e) => (e.a === id ? e.b : e.a));
    const scored = near.map((other) => {
      const p = this.place(other);
      const length = p ? Math.hypot(p.x - from.x, p.y - from.y) || 1 : 1;
      return { other, score: p ? ((p.x - from.x) * direction.x + (p.y - from.y) * direction.y) / length : -1 };
    });
    scored.sort((a, b) => b.score - a.score);
    return scored[0] && scored[0].score > 0.3 ? scored[0].other : null;
  }
}
