// The names of ILP error codes: RFC 27 "Error Codes".

/** @type {Record<string, string>} */
const NAMES = {
  F00: 'Bad Request', F01: 'Invalid Packet', F02: 'Unreachable', F03: 'Invalid Amount',
  F04: 'Insufficient Destination Amount', F05: 'Wrong Condition', F06: 'Unexpected Payment',
  F07: 'Cannot Receive', F08: 'Amount Too Large', F99: 'Application Error',
  T00: 'Internal Error', T01: 'Peer Unreachable', T02: 'Peer Busy', T03: 'Connector Busy',
  T04: 'Insufficient Liquidity', T05: 'Rate Limited', T99: 'Application Error',
  R00: 'Transfer Timed Out', R01: 'Insufficient Source Amount', R02: 'Insufficient Timeout', R99: 'Application Error',
};

/** @type {Record<string, string>} */
const CLASSES = {
  F: 'Final: the same packet fails again.',
  T: 'Temporary: a retry may succeed.',
  R: 'Relative: another amount or a later expiry may succeed.',
};

/** @param {string | null | undefined} code @returns {string} the code's name, or '' */
export const codeName = (code) => NAMES[code ?? ''] ?? '';

/** @param {string | null | undefined} code @returns {string} what the code's first letter means to the sender */
export const codeClass = (code) => CLASSES[(code ?? '').charAt(0)] ?? '';

/** Rejects of all codes. @param {Record<string, number>} counts by code */
export const total = (counts) => Object.values(counts).reduce((sum, n) => sum + n, 0);
