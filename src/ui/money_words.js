// Periods, rates and verdicts about books, as the reader sees them.

import { inAsset } from './format.js';
import { assetOf } from './words.js';

/** @import { Peer } from './types.js' */

/** @param {string | null | undefined} units */
const size = (units) => (units ?? '0').replace('-', '');

/**
 * A word for the verdict, and whether an operator should look.
 * @param {Peer} peer @returns {{ tone: '' | 'dim' | 'good-text' | 'warn-text' | 'bad-text', text: string }}
 */
export function verdictOf(peer) {
  const { reconcile } = peer;
  if (!reconcile) return { tone: 'dim', text: 'not compared yet' };
  const sum = (/** @type {string | null | undefined} */ units) => inAsset(size(units), assetOf(peer));
  const notCredited = (/** @type {{ paid: string, received: string } | null | undefined} */ of) => {
    const units = [of?.paid, of?.received].map(size).filter((one) => one !== '0');
    return units.length > 0 ? `${units.map(sum).join(' and ')} not credited` : '';
  };
  const [onTheWay, late] = [notCredited(reconcile.pending), notCredited(reconcile.parts)];
  switch (reconcile.verdict) {
    case 'agrees': return onTheWay ? { tone: 'good-text', text: `✓ agrees, but for ${onTheWay} yet` } : { tone: 'good-text', text: '✓ agrees' };
    case 'overdue': return { tone: 'warn-text', text: `! ${late || `${sum(reconcile.difference)} late`}` };
    case 'differs': return { tone: 'bad-text', text: `✕ differs by ${sum(reconcile.difference)}` };
    case 'begins': return { tone: 'dim', text: 'begins when nothing is in flight' };
    case 'recovering': return { tone: 'warn-text', text: '… recovering' };
    case 'otherAsset': return { tone: 'bad-text', text: '✕ another asset or scale' };
    case 'unsupported': return { tone: 'dim', text: 'the peer does not compare books' };
    default: return { tone: 'dim', text: 'not compared yet' };
  }
}

/** The begin and the end of a period, in UTC. @param {string} name @param {number} now milliseconds */
export function periodOf(name, now) {
  const date = new Date(now);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const day = (/** @type {number} */ y, /** @type {number} */ m) => new Date(Date.UTC(y, m, 1)).toISOString().slice(0, 10);
  if (name === 'before') return { from: day(year, month - 1), to: day(year, month) };
  return { from: name === 'year' ? day(year, 0) : day(year, month), to: null };
}

/** An exact decimal in at most eight characters. @param {string | null | undefined} rate */
export function rateOf(rate) {
  if (rate == null || rate.length <= 8) return rate ?? '–';
  const number = Number(rate);
  return number >= 1e-4 && number < 1e7 ? String(Number(number.toPrecision(6))) : number.toExponential(3);
}
