// What the page remembers of its reader, besides what the address bar says.

/** @import { Asking } from './ask.js' */
/** @import { Kept } from './probes.js' */
/** @import { Packet } from './types.js' */

/** @param {boolean} isStill whether the reader wants no motion */
export const uiState = (isStill) => ({
  isTable: false,
  isStill,
  scroll: { top: 0, room: 600 },
  /** The list of packets stands still while the reader reads. @type {{ packets: Packet[], seen: number } | null} */ hold: null,
  /** What the list of packets shows. @type {Packet[]} */ listed: [],
  /** The dialog that is open. @type {Asking | null} */ ask: null,
  /** What came of pings and traces. @type {Map<string, Kept>} */ probes: new Map(),
  /** How long a fault of the lab shall last. */ labSeconds: '60',
  /** The node whose neighbourhood is drawn of a large network. @type {string | null} */ focus: null,
});
