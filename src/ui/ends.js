// The two ends of a link.

/** @import { Link, NodeInfo } from './types.js' */

/** The vertices of a link: a node, or the link's id where it leads out of the view. @param {Link} link @param {Map<string, NodeInfo>} nodes @returns {[string, string]} */
export function ends(link, nodes) {
  return [link.a, link.bPeer != null && nodes.has(link.b) ? link.b : `~${link.id}`];
}
