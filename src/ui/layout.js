// Where the vertices of the graph stand: stress majorization over distances in hops (Gansner, Koren, North 2004).
// The result depends only on the graph and the last positions. It is in hops; the graph scales it to pixels.

/** @import { Point } from './types.js' */

/** Rounds over all pairs: many for a small graph, which then lies straight; a large one is good enough earlier. */
const ROUNDS_MAX = 3000;
const PAIRS_MAX = 4_000_000;
const STILL = 1e-5;
/** Two vertices are never closer than this, in hops. */
export const SEPARATION = 0.55;
const SATELLITE = 0.52;
const DOWN = Math.PI / 2;

/** Distances in hops between all vertices; separate parts are kept apart. @param {string[]} ids @param {[string, string][]} edges */
function distances(ids, edges) {
  const index = new Map(ids.map((id, i) => [id, i]));
  /** @type {number[][]} */
  const neighbours = ids.map(() => []);
  for (const [a, b] of edges) {
    const i = index.get(a);
    const j = index.get(b);
    if (i == null || j == null || i === j) continue;
    neighbours[i]?.push(j);
    neighbours[j]?.push(i);
  }
  const apart = Math.max(2, Math.sqrt(ids.length));
  return ids.map((_, start) => {
    const row = new Array(ids.length).fill(-1);
    row[start] = 0;
    const queue = [start];
    for (const at of queue) {
      for (const next of neighbours[at] ?? []) {
        if (row[next] < 0) {
          row[next] = row[at] + 1;
          queue.push(next);
        }
      }
    }
    return row.map((d) => (d < 0 ? apart : d));
  });
}

/** First positions: the last ones; a new vertex stands beside a neighbour. @param {string[]} ids @param {[string, string][]} edges @param {Map<string, Point>} last @param {number[][]} d */
function start(ids, edges, last, d) {
  if (ids.every((id) => !last.has(id))) return unfold(d);
  return ids.map((id, i) => {
    const old = last.get(id);
    if (old) return { x: old.x, y: old.y };
    const angle = i * 2.399963;
    const near = edges.map(([a, b]) => (a === id ? last.get(b) : b === id ? last.get(a) : undefined)).find((p) => p);
    return { x: (near?.x ?? 0) + 0.8 * Math.cos(angle), y: (near?.y ?? 0) + 0.8 * Math.sin(angle) };
  });
}

/** Between two vertices far apart each vertex has a place by its distances to both; a third says which side it is on. @param {number[][]} d @returns {Point[]} */
function unfold(d) {
  const farthest = (/** @type {number[]} */ row) => row.indexOf(Math.max(...row));
  const p = farthest(d[0] ?? [0]);
  const [fromP, fromQ] = [d[p] ?? [0], d[farthest(d[p] ?? [0])] ?? [0]];
  const width = Math.max(...fromP) || 1;
  const at = fromP.map((near, i) => {
    const x = (near * near - (fromQ[i] ?? 0) ** 2 + width * width) / (2 * width);
    return { x, y: Math.sqrt(Math.max(0, near * near - x * x)) };
  });
  const heights = at.map((point) => point.y);
  const top = farthest(heights);
  const peak = at[top] ?? { x: 0, y: 0 };
  // A little of a spiral, so that vertices with the same distances do not stand on one point.
  return at.map(({ x, y }, i) => {
    const isBelow = (d[i]?.[top] ?? 0) > Math.hypot(x - peak.x, peak.y);
    const nudge = peak.y > 0 ? 0.02 * (i % 7) : 0;
    return { x: x + nudge, y: (isBelow ? -y : y) + nudge };
  });
}

/**
 * @param {string[]} ids @param {[string, string][]} edges
 * @param {Map<string, Point>} [last] the last positions @param {Set<string>} [pinned] vertices that stay where they were
 * @returns {Map<string, Point>}
 */
export function layout(ids, edges, last = new Map(), pinned = new Set()) {
  const d = distances(ids, edges);
  const at = start(ids, edges, last, d);
  const isFirst = ids.every((id) => !last.has(id));
  const rounds = Math.min(ROUNDS_MAX, PAIRS_MAX / (ids.length * ids.length));
  for (let [round, moved] = [0, 1]; round < rounds && moved > STILL; round += 1) {
    moved = 0;
    at.forEach((p, i) => {
      if (pinned.has(ids[i] ?? '')) return;
      let [x, y, sum] = [0, 0, 0];
      at.forEach((q, j) => {
        if (i === j) return;
        const want = d[i]?.[j] ?? 1;
        const weight = 1 / (want * want);
        const gap = Math.hypot(p.x - q.x, p.y - q.y) || 1e-6;
        x += weight * (q.x + (want * (p.x - q.x)) / gap);
        y += weight * (q.y + (want * (p.y - q.y)) / gap);
        sum += weight;
      });
      if (sum === 0) return;
      moved = Math.max(moved, Math.abs(x / sum - p.x), Math.abs(y / sum - p.y));
      [p.x, p.y] = [x / sum, y / sum];
    });
  }
  separate(at, (i) => pinned.has(ids[i] ?? ''));
  if (isFirst) level(at);
  return new Map(ids.map((id, i) => [id, at[i] ?? { x: 0, y: 0 }]));
}

/** Pushes vertices apart that are too close. @param {Point[]} at @param {(i: number) => boolean} isPinned */
function separate(at, isPinned) {
  for (let round = 0; round < 200; round += 1) {
    let moved = false;
    for (let i = 0; i < at.length; i += 1) {
      for (let j = i + 1; j < at.length; j += 1) {
        const [p, q] = [at[i], at[j]];
        if (!p || !q) continue;
        const gap = Math.hypot(p.x - q.x, p.y - q.y);
        if (gap >= SEPARATION) continue;
        moved = true;
        const angle = gap > 1e-6 ? Math.atan2(p.y - q.y, p.x - q.x) : i + 1;
        const push = (SEPARATION * 1.01 - gap) / (isPinned(i) || isPinned(j) ? 1 : 2);
        if (!isPinned(i)) { p.x += push * Math.cos(angle); p.y += push * Math.sin(angle); }
        if (!isPinned(j)) { q.x -= push * Math.cos(angle); q.y -= push * Math.sin(angle); }
      }
    }
    if (!moved) return;
  }
}

/** Turns the first layout so that it is widest from left to right, the first vertex at the left. @param {Point[]} at */
function level(at) {
  const mean = { x: at.reduce((s, p) => s + p.x, 0) / at.length, y: at.reduce((s, p) => s + p.y, 0) / at.length };
  let [xx, xy, yy] = [0, 0, 0];
  for (const p of at) {
    p.x -= mean.x;
    p.y -= mean.y;
    xx += p.x * p.x;
    xy += p.x * p.y;
    yy += p.y * p.y;
  }
  const angle = 0.5 * Math.atan2(2 * xy, xx - yy);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  for (const p of at) [p.x, p.y] = [p.x * cos + p.y * sin, p.y * cos - p.x * sin];
  const turn = (at[0]?.x ?? 0) > 0 ? -1 : 1;
  for (const p of at) { p.x *= turn; p.y *= turn; }
}

/**
 * Places for the accounts that hang on one node (receivers, tools): around it, where the links leave most room. They do
 * not take part in the layout, so the graph does not move when a tool connects.
 * @param {Point} centre @param {Point[]} neighbours @param {number} n @returns {Point[]}
 */
export function satellites(centre, neighbours, n) {
  const taken = neighbours.map((p) => Math.atan2(p.y - centre.y, p.x - centre.x));
  /** @type {Point[]} */
  const places = [];
  for (let k = 0; k < n; k += 1) {
    const sorted = [...taken].sort((a, b) => a - b);
    let best = -DOWN;
    let widest = -Infinity;
    sorted.forEach((angle, i) => {
      const next = i + 1 < sorted.length ? (sorted[i + 1] ?? 0) : (sorted[0] ?? 0) + 2 * Math.PI;
      const middle = angle + (next - angle) / 2;
      // The name of the node stands below it.
      const room = next - angle - (Math.abs(Math.atan2(Math.sin(middle - DOWN), Math.cos(middle - DOWN))) < 0.6 ? 0.8 : 0);
      // A little more than the widest so far: of equal gaps the first one wins, whatever the rounding.
      if (room > widest + 1e-6) {
        widest = room;
        best = middle;
      }
    });
    taken.push(Math.atan2(Math.sin(best), Math.cos(best)));
    places.push({ x: centre.x + SATELLITE * Math.cos(best), y: centre.y + SATELLITE * Math.sin(best) });
  }
  return places;
}
