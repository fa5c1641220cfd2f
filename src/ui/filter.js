// The filter language of page, commands and API: terms are ANDed, a comma is OR.
// Both implementations are tested with tests/data/filters.json.

/** @import { Packet } from './types.js' */

const FIELDS = ['node', 'from', 'to', 'code', 'phase', 'lane', 'dest', 'kind', 'amount', 'latency'];
const TERM = /^([a-zA-Z]+)(!=|\^=|>=|<=|=|>|<)(.*)$/;
const CHARS_MAX = 1024;
const TERMS_MAX = 32;
const UNITS = { us: 1, ms: 1000, s: 1000000 };

/** @typedef {{ field: string, op: string, values: string[] }} Term */

/** A filter that cannot be read; the message says where and what to write. */
export class FilterError extends Error {}

/** @param {string} text @returns {Term[]} */
export function parse(text) {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (text.length > CHARS_MAX || words.length > TERMS_MAX) {
    throw new FilterError(`the filter is too long: at most ${CHARS_MAX} characters and ${TERMS_MAX} terms`);
  }
  return words.map((word, index) => {
    try {
      return term(word);
    } catch (error) {
      throw new FilterError(`term ${index + 1}: ${error instanceof Error ? error.message : error}`);
    }
  });
}

/** @param {string} word @returns {Term} */
function term(word) {
  const match = TERM.exec(word);
  if (!match) throw new FilterError(`"${word}" is not a term; write for example code=F02 or amount>=1000`);
  const [, field = '', op = '', list = ''] = match;
  if (!FIELDS.includes(field)) {
    throw new FilterError(`there is no field "${field}"; there are ${FIELDS.slice(0, -1).join(', ')} and ${FIELDS.at(-1)}`);
  }
  const isNumeric = field === 'amount' || field === 'latency';
  const isOrdered = op.startsWith('>') || op.startsWith('<');
  if (isOrdered && !isNumeric) throw new FilterError(`${field} takes =, != and ^=, not ${op}`);
  if (op === '^=' && isNumeric) throw new FilterError(`${field} takes =, !=, >, <, >= and <=, not ^=`);
  const values = list.split(',');
  if (values.some((value) => value === '')) throw new FilterError(`${field}${op} needs a value`);
  if (isOrdered && values.length > 1) throw new FilterError(`${field}${op} takes one value`);
  if (isNumeric) for (const value of values) number(field, value);
  return { field, op, values };
}

/** @param {string} field @param {string} value @returns {bigint} a unit amount, or microseconds */
function number(field, value) {
  const match = field === 'latency' ? /^(\d{1,15})(us|ms|s)$/.exec(value) : /^(\d{1,20})$/.exec(value);
  if (!match) {
    const like = field === 'latency' ? 'a whole number with us, ms or s, such as 5ms' : 'a whole number, such as 1000';
    throw new FilterError(`"${value}" is no value of ${field}; write ${like}`);
  }
  const unit = /** @type {keyof typeof UNITS} */ (match[2]);
  return BigInt(match[1] ?? '') * BigInt(unit ? UNITS[unit] : 1);
}

/** @param {Packet} packet @param {string} field @returns {string | null} */
function text(packet, field) {
  switch (field) {
    case 'dest': return packet.destination;
    case 'kind': return packet.reason?.kind ?? null;
    case 'amount': return packet.amount;
    case 'latency': return packet.latencyUs == null ? null : String(packet.latencyUs);
    default: return /** @type {any} */ (packet)[field] ?? null;
  }
}

/** @param {Term} term @returns {(packet: Packet) => boolean} */
function test({ field, op, values }) {
  if (field === 'amount' || field === 'latency') {
    const wanted = values.map((value) => number(field, value));
    const first = wanted[0] ?? 0n;
    return (packet) => {
      const has = text(packet, field);
      if (has == null) return op === '!=';
      const value = BigInt(has);
      switch (op) {
        case '=': return wanted.includes(value);
        case '!=': return !wanted.includes(value);
        case '>': return value > first;
        case '<': return value < first;
        case '>=': return value >= first;
        default: return value <= first;
      }
    };
  }
  const wanted = new Set(values);
  return (packet) => {
    const has = text(packet, field);
    if (op === '!=') return has == null || !wanted.has(has);
    if (has == null) return false;
    return op === '=' ? wanted.has(has) : values.some((value) => has.startsWith(value));
  };
}

/** The filter as a function. @param {string} filter @returns {(packet: Packet) => boolean} */
export function compile(filter) {
  const tests = parse(filter).map(test);
  return (packet) => tests.every((passes) => passes(packet));
}

/** Whether a filter contains a term. @param {string} filter @param {string} term */
export const hasTerm = (filter, term) => filter.split(/\s+/).includes(term);

/** The filter with a term added, or without it if it has it. @param {string} filter @param {string} term */
export function toggleTerm(filter, term) {
  const words = filter.split(/\s+/).filter((word) => word !== '');
  return (words.includes(term) ? words.filter((word) => word !== term) : [...words, term]).join(' ');
}
