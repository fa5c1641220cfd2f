// What the address bar says: `#/view/id?sel=node:a&filter=code=F02`. All state that a shared link must carry is here.

/** @import { Kind, Place } from './types.js' */

const VIEWS = ['network', 'packets', 'routes', 'money', 'events', 'config'];
const DETAILS = ['node', 'link', 'packet'];

/** @param {string} hash @returns {Place} */
export function readPlace(hash) {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [view = '', ...rest] = path.split('/');
  const isKnown = VIEWS.includes(view) || DETAILS.includes(view);
  return {
    view: isKnown ? view : 'network',
    id: isKnown ? decode(rest.join('/')) : '',
    params: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {Partial<Place> & { view: string }} place @returns {string} */
export function writePlace({ view, id = '', params = {} }) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== '')).toString();
  return `#/${view}${id ? `/${encodeURIComponent(id)}` : ''}${query ? `?${query}` : ''}`;
}

/** Whether a detail has a page of its own. @param {Kind} kind @returns {kind is 'node' | 'link' | 'packet'} */
export const isPage = (kind) => DETAILS.includes(kind);

/** A link to a detail as a page of its own. @param {'node' | 'link' | 'packet'} kind @param {string} id */
export const pageOf = (kind, id) => writePlace({ view: kind, id });

/** A link that opens a detail in the drawer, beside what is open. @param {Place} place @param {Kind} kind @param {string} id */
export const besideOf = (place, kind, id) => writePlace({ ...place, params: { ...place.params, sel: `${kind}:${id}` } });

/** The selection of a place: what the drawer shows. @param {Place} place */
export function selectionOf(place) {
  const match = /^(node|link|packet|lab|pings):(.+)$/s.exec(place.params.sel ?? '');
  if (!match) return null;
  return { kind: /** @type {Kind} */ (match[1]), id: match[2] ?? '' };
}
