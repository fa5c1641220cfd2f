//! The keys of peers and of receivers.

use super::key_types::{AssetCode, Balance, Integer, Millis, Segment, Text};
use super::settlement::SettlementConfig;
use crate::account::{AccountId, OnCrash, Relation, Spread};
use crate::net::Secret;
use crate::net::{HttpAuth, HttpMode, PeerUrl};
use crate::wire::{Amount, Prefix};

/// 365 days.
const YEAR_MS: u64 = 31_536_000_000;

keys! {
    /// The keys of a peer.
    PeerSettings, PeerDraft, PeerKeys as PEER {
        /// Name of the peer and of its account.
        live id => id: AccountId,
        /// URL of the peer: `ws`, `wss` (BTP), `http` or `https` (ILP over HTTP). Without it the peer dials us, or
        /// posts to us. User and token in it (`btp+ws://user:token@host`) win when we dial.
        live url => url: Option<PeerUrl>,
        /// The shared secret: we accept it from the peer, and send it if `url` contains no token.
        /// Required, here or in a file, unless `url` contains a token.
        live authToken | authTokenFile => auth_token: Option<Secret>,
        /// Instead of `authToken`, up to four tokens that are valid at the same time: all are
        /// accepted, the first is sent.
        live authTokens | authTokenFiles => auth_tokens: Option<Vec<Secret>>,
        /// With an http `url`: whether answers to our packets come in the responses, or in requests
        /// of the peer to our HTTP server.
        live httpMode => http_mode: HttpMode = "sync",
        /// With an http `url`: whether we send the token itself, or a JWT (HS256, five minutes) signed with it.
        live httpAuth => http_auth: HttpAuth = "simple",
        /// With an http `url`: concurrent requests to the peer, of which one requesting account has
        /// at most three quarters. Over HTTP/1.1 each has a connection of its own.
        live httpMaxRequests => http_max_requests: Integer<usize, 1, 65_536> = "1024",
        /// The name that the peer logs in with. Default: its `id`.
        live username => username: Option<Text>,
        /// What the peer is to this node.
        live relation => relation: Relation = "peer",
        /// Asset of the account. Default: the node's.
        live assetCode => asset_code: Option<AssetCode>,
        /// Decimal places of the account's units. Default: the node's.
        live assetScale => asset_scale: Option<Integer<u8, 0, 38>>,
        /// The share of each amount from the peer that the node keeps, in the same asset too, for example `"0.002"`.
        /// Default: none in the same asset, else that of the pair or the node.
        live spread => spread: Option<Spread>,
        /// Whether the node is unhealthy while the peer is not connected. Default: true with `url`, else false.
        live required => required: Option<bool>,
        /// `false` suspends the peer: its sessions close, packets from it get F00, packets to it T01.
        live enabled => enabled: bool = "true",
        /// The largest amount of one packet from the peer; above it F08. Default: no limit.
        live maxPacketAmount => max_packet_amount: Option<Amount>,
        /// The most that the peer may owe us; above it T04, or F08 if the amount could never pass. Default: no limit.
        live maxBalance => max_balance: Option<Balance>,
        /// How far the balance may fall by packets that the peer fulfills; below it T04. Default: no limit.
        live minBalance => min_balance: Option<Balance>,
        /// A settlement is due when the balance is at or below this, such as `-1000000`. Default: none is by itself.
        live settleThreshold => settle_threshold: Option<Balance>,
        /// The balance after a settlement.
        live settleTo => settle_to: Balance = "0",
        /// Settle this often too, if the balance is below `settleTo`. Default: only by `settleThreshold`.
        live settleEveryMs => settle_every: Option<Millis<1_000, YEAR_MS>>,
        /// The most that is settled with the peer within an hour, in units. Default: no limit.
        live settleMaxPerHour => settle_max_per_hour: Option<Balance>,
        /// Settle what we owe as soon as a packet to the peer is rejected with T04, at most once a minute.
        live settleOnT04 => settle_on_t04: bool = "false",
        /// Alert (event `exposure.high`, `exposure.low`) when the peer owes us this share of `maxBalance`, or we owe it
        /// this share of `minBalance`, in percent; it is over ten points below. 0: never.
        live exposureAlert => exposure_alert: Integer<u8, 0, 100> = "80",
        /// After this time, what has been uncertain since a crash is released: nothing of it is owed. Default: it stays
        /// uncertain until `ledger resolve`.
        live uncertainHoldMs => uncertain_hold: Option<Millis<1_000, YEAR_MS>>,
        /// After a crash, what the node does about packets that were in flight to the peer: `concede`, it owes what the
        /// peer says to have fulfilled; `wait`, it waits for `ledger resolve`.
        live onCrash => on_crash: OnCrash = "concede",
        /// Units of lasting differences between its books and the peer's that the node gives up, or takes over, by
        /// itself in a day (UTC).
        live writeOffMax => write_off_max: Amount = "0",
        /// A settlement that the other end has not credited for so long is reported as overdue.
        live settlementOverdueMs => settlement_overdue: Millis<1_000, YEAR_MS> = "3600000",
        /// Packets per second from the peer, whatever their outcome; above it T05. Everything else that it sends counts
        /// too, except answers to us; above the rate it is read more slowly. Default: no limit.
        live packetsPerSecond => packets_per_second: Option<Integer<u32, 1, 4_294_967_295>>,
        /// Prepares without an answer, from the peer and, separately, towards it; above it T03.
        live maxPacketsInFlight => max_packets_in_flight: Integer<usize, 1, 1_048_576> = "16384",
        /// Bytes waiting to be written to the peer. Above it, Prepares to the peer get T03; if
        /// answers alone exceed it, we stop reading from the peer. Answers still due, or that wait
        /// for the store, may bring it to sixteen times as many; beyond that the session is closed.
        live outboxBytesMax => outbox_bytes_max: Integer<usize, 65_536, 1_073_741_824> = "4194304",
        /// Sessions that the peer may have open with us at the same time; a later login replaces
        /// the oldest. Default: 8 for a child, else 1.
        live maxSessions => max_sessions: Option<Integer<usize, 1, 1_024>>,
        /// A child's address is `<ilpAddress>.<this>`. Default: its `id`.
        live childAddressSegment => child_address_segment: Option<Segment>,
        /// Accept a Prepare in a RESPONSE frame and its answer in a MESSAGE, as interledger-rs
        /// sends them. We still send frames as in RFC 23, which interledger-rs reads.
        live lenientBtpTypes => lenient_btp_types: bool = "false",
        /// How debts between us and the peer are settled: `manual`, by the operators, or a mapping with the settlement
        /// engine of the peer (RFC 38). Default: not at all.
        live settlement => settlement: Option<SettlementConfig>,
        /// Send the peer our routes when it requests them (CCP). Default: true with `routing:
        /// dynamic`, except for a child.
        live sendRoutes => send_routes: Option<bool>,
        /// Request the peer's routes, and use them. Default: true with `routing: dynamic`, except for a child.
        live receiveRoutes => receive_routes: Option<bool>,
        /// Routes kept from the peer; further ones are refused.
        live maxRoutes => max_routes: Integer<usize, 1, 10_000_000> = "100000",
        /// Accept only routes to these prefixes, or below, from the peer. Default: all.
        live acceptPrefixes => accept_prefixes: Option<Vec<Prefix>>,
        /// Advertise only routes to these prefixes, or below, to the peer. Default: all.
        live announcePrefixes => announce_prefixes: Option<Vec<Prefix>>,
    }
}

keys! {
    /// The keys of a receiver.
    ReceiverSettings, ReceiverDraft, ReceiverKeys as RECEIVER {
        /// Name of the receiver and of its account; its address is `<ilpAddress>.<id>`. It must
        /// differ from the id of each peer.
        live id => id: AccountId,
        /// Asset of the account. Default: the node's.
        live assetCode => asset_code: Option<AssetCode>,
        /// Decimal places of the account's units. Default: the node's.
        live assetScale => asset_scale: Option<Integer<u8, 0, 38>>,
        /// The largest amount of one packet to the receiver; above it F08. Default: no limit.
        live maxPacketAmount => max_packet_amount: Option<Amount>,
        /// How far the balance may fall by received money, such as `-1000000`; below it T04. Default: no limit.
        live minBalance => min_balance: Option<Balance>,
    }
}
