// Five minutes of each link, a value a second: what the node kept before the page opened, and what came since.

/** @import { History, LinkRates } from './types.js' */

const SECONDS = 300;

/** @returns {History} */
const none = () => ({ at: [], ab: [], ba: [], p50: [], p99: [] });

export class Histories {
  /** @type {Map<string, History>} */ #kept = new Map();

  get size() { return this.#kept.size; }

  /** @param {string} id of a link */
  get(id) { return this.#kept.get(id); }

  /** Forgets other links. @param {{ has: (id: string) => boolean }} links */
  keep(links) { for (const id of [...this.#kept.keys()]) if (!links.has(id)) this.#kept.delete(id); }

  /** @param {number} at seconds @param {LinkRates} rates */
  add(at, rates) {
    let history = this.#kept.get(rates.id);
    const last = history?.at.at(-1) ?? -Infinity;
    // The node's clock may be set back.
    if (!history || !(at >= last)) history = none();
    else if (at - last < 0.9) return;
    this.#kept.set(rates.id, history);
    push(history, at, rates);
    trim(history);
  }

  /** What the node kept; only what is older than what the page has itself. @param {string} id @param {(Omit<LinkRates, 'id'> & { at: string })[]} points oldest first */
  merge(id, points) {
    const mine = this.#kept.get(id) ?? none();
    const first = mine.at[0] ?? Infinity;
    const merged = none();
    for (const point of points) {
      const at = Date.parse(point.at) / 1000;
      if (at < first - 0.5 && at > (merged.at.at(-1) ?? -Infinity)) push(merged, at, point);
    }
    if (merged.at.length === 0) return;
    for (const [name, list] of Object.entries(merged)) list.push(.../** @type {any} */ (mine)[name]);
    trim(merged);
    this.#kept.set(id, merged);
  }
}

/** @param {History} history @param {number} at @param {Pick<LinkRates, 'abPerSecond' | 'baPerSecond' | 'latency'>} rates */
function push(history, at, { abPerSecond, baPerSecond, latency }) {
  history.at.push(at);
  history.ab.push(abPerSecond);
  history.ba.push(baPerSecond);
  history.p50.push(latency?.p50Us ?? null);
  history.p99.push(latency?.p99Us ?? null);
}

/** @param {History} history */
function trim(history) {
  const excess = Math.max(0, history.at.length - SECONDS);
  if (excess > 0) for (const list of Object.values(history)) list.splice(0, excess);
}
