// The newest items of a kind: each once, oldest first, and bounded.

/** @template {{ id: string, at: string }} Item */
export class Recent {
  /** Oldest first. @type {Item[]} */ list = [];
  /** @type {Set<string>} */ #ids = new Set();

  /** @param {number} max items that are kept */
  constructor(max) { this.max = max; }

  /** @param {Item} item @returns {boolean} whether it is new */
  add(item) {
    if (this.#ids.has(item.id)) return false;
    this.#ids.add(item.id);
    this.list.push(item);
    this.#dropOldest();
    return true;
  }

  /** Adds what an answer has, in any order; each item takes its place by time. @param {Item[]} items */
  merge(items) {
    const missing = items.filter(({ id }) => !this.#ids.has(id));
    for (const { id } of missing) this.#ids.add(id);
    this.list = [...this.list, ...missing].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : sequence(a) - sequence(b)));
    this.#dropOldest();
  }

  #dropOldest() {
    for (const old of this.list.splice(0, Math.max(0, this.list.length - this.max))) this.#ids.delete(old.id);
  }
}

/** The number in an id, which rises in the order of records. @param {{ id: string }} item */
const sequence = ({ id }) => Number(id.split('-').at(-1));
