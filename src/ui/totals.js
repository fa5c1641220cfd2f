// Sums over all links of the last seconds, for the figures of the top bar.

import { total } from './codes.js';

/** @import { Link, LinkRates } from './types.js' */

const RATE_WINDOW = 10;

export class Totals {
  /** @type {{ at: number, entering: number, fulfills: number, rejects: number }[]} */ list = [];

  /** @param {number} at seconds @param {Iterable<LinkRates>} rates @param {(id: string) => boolean} isEntrance whether packets that come over a link enter the view */
  add(at, rates, isEntrance) {
    let [entering, fulfills, rejects] = [0, 0, 0];
    for (const link of rates) {
      if (isEntrance(link.id)) entering += link.ba.prepares;
      for (const traffic of [link.ab, link.ba]) {
        fulfills += traffic.fulfills;
        rejects += total(traffic.rejects);
      }
    }
    const last = this.list.at(-1);
    // Counters fall when a node restarts or leaves the view, and a clock may be set back.
    if (last && (!(at >= last.at) || fulfills < last.fulfills || rejects < last.rejects || entering < last.entering)) this.list = [];
    this.list.push({ at, entering, fulfills, rejects });
    while (at - (this.list[0]?.at ?? at) > RATE_WINDOW) this.list.shift();
  }

  /** Packets that enter the view each second, and the share of answers that are Fulfills. */
  summary() {
    const [first, last] = [this.list[0], this.list.at(-1)];
    if (!first || !last || !(last.at > first.at)) return { perSecond: null, fulfilled: null };
    const answers = last.fulfills - first.fulfills + last.rejects - first.rejects;
    return {
      perSecond: (last.entering - first.entering) / (last.at - first.at),
      fulfilled: answers > 0 ? (100 * (last.fulfills - first.fulfills)) / answers : null,
    };
  }
}
