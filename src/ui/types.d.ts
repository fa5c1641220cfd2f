// The objects of the API, and the state that the page makes of them. Times are RFC 3339, amounts are strings.

export interface Reason {
  kind: string; text: string; figures?: string | null; peer?: string | null;
  /** The configuration key that would change it. */
  key?: string | null;
  advice?: string | null;
}
export interface Packet {
  type?: 'packet'; id: string; at: string; node: string;
  phase: 'forwarded' | 'received' | 'fulfilled' | 'rejected'; lane: 'sample' | 'reject';
  condition: string; from: string | null; requestId: number | string | null;
  to: string | null; outgoingRequestId: number | string | null;
  destination: string | null; prefix: string | null; amount: string | null; outgoingAmount: string | null;
  expiresAt: string | null; latencyUs: number | null; code: string | null; decidedHere: boolean;
  reason: Reason | null; triggeredBy: string | null; message: string | null;
  /** Of the account that it was sent to. */
  balanceAfter?: string | null;
}
export interface Traffic { prepares: number; fulfills: number; rejects: Record<string, number> }
export interface Peer {
  id: string; kind: string; relation: string | null; assetCode: string; assetScale: number;
  configured: boolean; enabled: boolean; required: boolean; state: string; since: string | null;
  lastError: string | null; lastRefusal: { at: string; reason: string } | null;
  lastRefusedLogin: { at: string; remote: string; reason: string } | null;
  sessions: { id: number; side: string }[]; balance: string; held: { received: string; sent: string };
  uncertain: string; packetsInFlight: { received: number; sent: number }; outboxBytes: number;
  limits: Record<string, string | number | null>;
  packets: { received: Traffic; sent: Traffic }; counters: Record<string, number>;
  link?: string | null;
  /** How the books of the peer compare, once it has answered. */
  reconcile?: Reconcile | null;
}
/** Differences in units of the account. */
export interface Reconcile {
  verdict: string; text: string; comparedAt: string | null; difference: string;
  parts?: { paid: string; received: string } | null;
  /** On the way: paid, not credited yet, and not overdue. */
  pending?: { paid: string; received: string } | null;
}
export interface NodeInfo {
  id: string; status: string; reasons: string[]; address: string | null; version: string;
  uptimeSeconds: number; startedAt: string | null; btp: string | number | null; api: string | number | null;
  peers: Peer[];
  /** The node does not answer: these figures are from then. */
  seenAt?: string | null;
}
export interface Link {
  id: string; a: string; b: string; aPeer: string; bPeer: string | null;
  aState: string | null; bState: string | null; state: 'up' | 'down' | 'partly' | 'suspended' | 'unknown';
  since: string | null; lastError: string | null; kind: 'peer' | 'tool' | 'receiver' | 'outside';
  transport: string | null; asset: string | null;
}
export interface LinkRates {
  id: string; ab: Traffic; ba: Traffic; abPerSecond: number; baPerSecond: number;
  fulfilledPercent: number | null; inFlightAb: number; inFlightBa: number; outboxA: number; outboxB: number;
  balanceA: string | null; balanceB: string | null; latency: { p50Us: number; p99Us: number } | null;
}
export interface NodeRates { id: string; status: string; packetsPerSecond: number; inFlight: number }
export interface Rates {
  type: 'rates'; at: string; sampled: { oneIn: number; lost: number }; links: LinkRates[]; nodes: NodeRates[];
}
export interface Event {
  type?: 'event'; id: string; at: string; node: string; level: 'info' | 'warn' | 'error';
  kind: string; text: string; peer: string | null; fields: Record<string, unknown>;
}
export interface Hello {
  type: 'hello'; boot: string; version: string; nodes: string[];
  limits: { packetsPerSecond: number; rejectsPerSecond: number; kept: number };
  /** What the token may do: `read`, `packets`, `operate`, `audit`. */
  scopes?: string[];
  /** The peer that the token is bound to. */
  peer?: string | null;
  /** What this program offers besides: `lab`, `probes`, `settlements`, `books`. */
  features?: string[];
}
export interface State { type: 'state'; nodes: NodeInfo[]; links: Link[]; overrides?: Override[]; faults?: Fault[] }

/** What an operator has changed for a while. It ends by itself. */
export interface Override {
  id: string; node: string; peer?: string | null; kind: 'suspend' | 'resume' | 'logLevel' | 'pauseSettlement'; value?: string | null;
  reason: string | null; by: string | null; setAt: string; expiresAt: string;
}
/** What somebody has broken on purpose, for a while. */
export interface Fault {
  id: string; kind: 'stopNode' | 'cut' | 'delay' | 'drop' | 'burst'; node?: string | null; link?: string | null;
  value?: string | null; by?: string | null; setAt: string; expiresAt: string;
  /** What else follows from it. */
  note?: string | null;
  /** What has become of the packets of a burst. */
  result?: { sent: number; fulfilled: number; rejected: Record<string, number>; waiting: number } | null;
}
export interface Gap { type: 'gap'; topic: string; lost: number; why: string }
export interface Bye { type: 'bye'; why: string; retryMs: number }
export type Message = Hello | State | Rates | Gap | Bye | (Event & { type: 'event' }) | (Packet & { type: 'packet' });

/** One hop of a packet: what a node did with the Prepare, and the answer that it gave or passed back. Neither: no record of it is kept. */
export interface Hop { node: string; forwarded: Packet | null; answer: Packet | null }

/** What the drawer shows. */
export type Kind = 'node' | 'link' | 'packet' | 'lab' | 'pings';

/** A point of the graph: a node of this view, or the far end of a link that leads out of it. */
export interface Vertex {
  id: string; kind: 'node' | 'peer' | 'tool' | 'receiver' | 'outside'; label: string;
  node: NodeInfo | null; link: Link | null;
}
export interface Edge { id: string; a: string; b: string; link: Link }
export interface Point { x: number; y: number }

/** Five minutes of one link, a value a second. */
export interface History { at: number[]; ab: number[]; ba: number[]; p50: (number | null)[]; p99: (number | null)[] }

export interface Step {
  node: string; destination: string; from: string | null; amount: string | null;
  decision: 'forward' | 'local' | 'refuse'; prefix: string | null; to: string | null;
  outgoingAmount: string | null; origin: string | null; why: string | null; code: string | null;
  reason: Reason | null; candidates: Candidate[] | null;
}
export interface Candidate { nextHop: string; priority: number; origin: string; usable: boolean }
export interface Walk { steps: Step[]; ends: 'delivered' | 'refused' | 'leavesView' | 'loops' }
export interface Route { prefix: string; nextHop: string | null; reason: string; candidates: Candidate[] }
export interface ReasonCount {
  node: string;
  /** `null`: the reject came from the next hop. */
  kind: string | null;
  code: string; from: string | null; to: string | null; count: number;
  lastAt: string; text: string; key: string | null; advice?: string | null;
  /** Beyond the limit of rows, further pairs of accounts are counted together. */
  summed?: boolean;
}
export interface Money {
  assets: { node?: string; asset: string; assets: string; liabilities: string; net: string; volumeIn?: string; volumeOut?: string; earned?: string }[];
  peers: MoneyPeer[];
}
export interface MoneyPeer {
  node: string; peer: string; asset: string; balance: string; min: string | null; max: string | null;
  heldIn: string; heldOut: string; uncertain: string; volumeIn: string | null; volumeOut: string | null;
  volumeNet?: string; direction?: 'in' | 'out' | 'even';
}
/** What was paid outside of Interledger, in units of the account. */
export interface Settlement {
  key: string; node: string; peer: string; asset: string; direction: 'sent' | 'received'; units: string;
  state: string; attempts: number; createdAt: string; updatedAt: string; reference: string; by: string;
}
export interface Settlements {
  /** The newest first. */
  settlements: Settlement[];
  /** Those that an engine has not accepted. */
  underWay: { peer: string; settlement: Settlement; lastError?: string | null; nextAttemptAt?: string | null; heldUp?: string | null }[];
  /** The peers with which an operator lets none begin. */
  paused: string[];
  /** Until when, by peer. */
  pausedUntil?: Record<string, string>;
}
/** An event that the store of a node keeps. */
export interface SavedEvent {
  id: string; at: string; node: string; level: 'info' | 'warn' | 'error'; kind: string; text: string;
  peer: string | null; fields: Record<string, string>;
}
export interface SavedEvents { events: SavedEvent[]; next: string | null }
export interface Earned { assetCode: string; assetScale: number; amount: string; spread: string; rounding: string; exchange: string; own: string }
export interface FlowEnd { account: string; assetCode: string; assetScale: number }
export interface Flow {
  from: FlowEnd; to: FlowEnd; packets: string; amountIn: string; amountOut: string; amountAtMid: string;
  spread: string; rounding: string; midRate: string | null;
}
export interface Income {
  node: string; from: string; to: string | null;
  /** `null`: the node has no store. */
  asOf: string | null;
  flows: Flow[]; flowsLeftOut: number; byAccount: (Earned & { account: string })[]; total: Earned[];
  losses: (FlowEnd & { amount: string })[]; unattributed: Earned[];
}
export interface ExchangeRate {
  from: string; to: string; rate: string | null; spread: string | null; source: string | null;
  state: string; asOf: string | null;
}
export interface RateSource {
  name: string; base: string | null; ageSeconds: number | null; maxAgeSeconds: number; fresh: boolean;
  assets: number; unusable: number; jumped: { asset: string; quote: string; from: string }[]; error: string | null;
}
export interface NodeExchangeRates { node: string; rates: ExchangeRate[]; sources: RateSource[] }
/** A value in force; `from`: `default`, `FILE:LINE`, `environment NAME`, `command line`, `parent` or `override`. */
export interface ConfigValue { key: string; value: unknown; from: string; live?: boolean }
export interface Mistake { text: string; file?: string | null; line?: number | null }
export interface Config {
  node: string; file?: string | null; values: ConfigValue[];
  lastReload?: { at: string; successful: boolean; succeededAt?: string | null; error?: string | null; mistakes?: Mistake[] } | null;
}
/** What the file would do, as it is now. */
export interface ConfigCheck {
  mistakes: Mistake[]; warnings?: Mistake[]; moreChanges?: number;
  changes: { key: string; running: unknown; file: unknown; needsRestart?: boolean }[];
}
/** What the address bar says: `#/view/id?sel=node:a&filter=...`. */
export interface Place { view: string; id: string; params: Record<string, string> }
