//! The packet path driven in memory, with a virtual clock and peers that are nothing but outboxes.

mod accounts;
mod asset_change;
mod batches;
mod books;
mod ccp;
mod counters;
mod exchange_rates;
mod explain;
mod exposures;
mod forwarding;
mod guests;
mod jamming;
mod ledger_model;
mod ledger_threads;
mod limits;
mod local;
mod model;
mod model_peers;
mod observers;
mod own_account;
mod own_requests;
mod peer_messages;
mod receipts;
mod receivers;
mod reconcile;
mod records;
mod reports;
mod sessions;
mod settlement_model;
mod settlements;
mod settler;
mod taps;
mod virtual_store;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::*;
use crate::account::{AccountSettings, Asset, Relation};
use crate::books::{Cut, SavedBooks};
use crate::link::{Framing, Outbox, SessionId, SessionKind, payload_in};
use crate::routing::{HashSeed, RouteOrigin};
use crate::testing::{PREIMAGE, connector_settings, encode, peer, route};
use crate::time::{MonoTime, Now};
use crate::wire::btp::{BtpFrame, FrameBody, RequestId};
use crate::wire::ilp::{ErrorCode, Fulfill, Packet, Prepare, Reject, Reply};
use crate::wire::ping::{ECHO_RESPONSE, EchoRequest};
use crate::wire::{Address, Amount, Condition, Fulfillment, Timestamp, ws};

/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;

/// A connector and its clock.
struct TestNode {
    connector: Arc<Connector>,
    now: Now,
}

/// One session of a peer.
struct Peer {
    account: Arc<Account>,
    session: SessionId,
    outbox: Arc<Outbox>,
}

/// A packet that a peer receives.
#[derive(Debug, PartialEq, Eq)]
enum Received {
    Prepare {
        id: RequestId,
        amount: u64,
        expires_in_ms: i64,
        destination: String,
        data: Vec<u8>,
        condition: Condition,
    },
    Fulfill {
        id: RequestId,
        fulfillment: Fulfillment,
        data: Vec<u8>,
    },
    Reject {
        id: RequestId,
        code: String,
        triggered_by: String,
        message: String,
        data: Vec<u8>,
    },
}

fn settings(accounts: Vec<AccountSettings>, routes: &[(&str, &str)]) -> ConnectorSettings {
    let routes = routes.iter().map(|(prefix, hop)| route(prefix, hop, 0)).collect();
    ConnectorSettings { accounts, routes, ..connector_settings("node", &[]) }
}

/// A node with the peers alice and bob.
fn alice_and_bob() -> TestNode {
    alice_and_bob_with(|_| {})
}

/// The same, with other settings of alice.
fn alice_and_bob_with(change: impl FnOnce(&mut AccountSettings)) -> TestNode {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    change(&mut settings.accounts[0]);
    node(settings)
}

/// A node with the peers alice and bob, and a session of each.
fn connected_alice_and_bob() -> (TestNode, Peer, Peer) {
    connect_both(alice_and_bob())
}

fn connect_both(node: TestNode) -> (TestNode, Peer, Peer) {
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    (node, alice, bob)
}

fn node(settings: ConnectorSettings) -> TestNode {
    node_of(Connector::new(settings, HashSeed::Fixed(1)).unwrap())
}

fn node_with_books(settings: ConnectorSettings, books: SavedBooks) -> TestNode {
    node_of(Connector::with_books(settings, HashSeed::Fixed(1), books).unwrap())
}

fn node_of(connector: Arc<Connector>) -> TestNode {
    let now = Now { wall: Timestamp::from_millis(START_MS), mono: MonoTime(1_000_000_000) };
    TestNode { connector, now }
}

/// The names of the accounts in a cut, sorted.
fn names(cut: &Cut) -> Vec<&str> {
    let mut names: Vec<_> = cut.accounts.iter().map(|row| &*row.name).collect();
    names.sort_unstable();
    names
}

/// A payment to `destination`, expiring in ten seconds.
fn payment(destination: &str, amount: u64) -> Vec<u8> {
    payment_with(destination, amount, 10_000, &[], PREIMAGE.condition())
}

fn payment_with(
    destination: &str,
    amount: u64,
    expires_in_ms: i64,
    data: &[u8],
    condition: Condition,
) -> Vec<u8> {
    let destination: Address = destination.parse().unwrap();
    let expires_at = Timestamp::from_millis(START_MS.checked_add_signed(expires_in_ms).unwrap());
    let (amount, destination) = (Amount(amount), destination.view());
    encode(&Prepare { amount, expires_at, condition, destination, data })
}

/// A ping of the node, expiring in ten seconds.
fn ping(amount: u64) -> Vec<u8> {
    payment_with("test.node", amount, 10_000, b"", Condition::PING)
}

/// An echo request to the node, whose pong goes to `return_address`.
fn echo(return_address: &str, amount: u64, expires_in_ms: i64) -> Vec<u8> {
    let (mut data, return_address) = (Vec::new(), return_address.parse::<Address>().unwrap());
    EchoRequest { return_address: return_address.view() }.encode(&mut data);
    payment_with("test.node", amount, expires_in_ms, &data, PREIMAGE.condition())
}

/// The pong to an echo request of the node, which `preimage` fulfills.
fn pong(preimage: Fulfillment, amount: u64, expires_in_ms: i64) -> Vec<u8> {
    payment_with("test.node", amount, expires_in_ms, ECHO_RESPONSE, preimage.condition())
}

fn fulfill(fulfillment: Fulfillment, data: &[u8]) -> Vec<u8> {
    encode(&Reply::Fulfill(Fulfill { fulfillment, data }))
}

fn reject(code: ErrorCode, triggered_by: Option<&str>, message: &str, data: &[u8]) -> Vec<u8> {
    let address: Option<Address> = triggered_by.map(|text| text.parse().unwrap());
    encode(&Reply::Reject(Reject {
        code,
        triggered_by: address.as_ref().map(Address::view),
        message: message.as_bytes(),
        data,
    }))
}

impl TestNode {
    fn connect(&self, id: &str) -> Peer {
        self.connect_as(id, SessionKind::Accepted)
    }

    fn connect_as(&self, id: &str, kind: SessionKind) -> Peer {
        let account = self.connector.account(id).unwrap();
        let framing = match kind {
            SessionKind::Accepted => Framing::Server,
            SessionKind::Posted => Framing::None,
            SessionKind::Dialled => Framing::Client([3; 32]),
        };
        let outbox = Outbox::new(framing, account.outbox_bytes_max());
        let session = self.connector.attach_session(&account, kind, None, outbox.clone(), self.now);
        Peer { account, session, outbox }
    }

    fn advance(&mut self, time: Duration) {
        self.now.wall = self.now.wall.saturating_add(time);
        self.now.mono = self.now.mono.after(time);
        self.connector.sweep_deadlines(self.now);
    }

    fn send(&self, peer: &Peer, id: u32, packet: &[u8]) {
        self.connector.start_batch(self.now).handle_prepare(
            &peer.account,
            peer.session,
            RequestId(id),
            packet,
        );
    }

    fn answer(&self, peer: &Peer, id: RequestId, packet: &[u8]) {
        self.connector.start_batch(self.now).handle_answer(
            &peer.account,
            id,
            PeerAnswer::Packet(packet),
        );
    }

    /// Sends a Prepare of the node itself.
    fn originate(
        &self,
        to: &str,
        packet: &[u8],
        answer: impl FnOnce(crate::link::Outcome) + Send + 'static,
    ) {
        let prepare = Prepare::parse(packet).unwrap();
        self.connector.originate_prepare(&to.parse().unwrap(), &prepare, self.now, answer);
    }

    /// Writes one byte of the outbox, and loses the session.
    fn write_byte_and_disconnect(&self, peer: &Peer) {
        let (mut polls, mut written) = (0, 0);
        let write = |_: &[u8]| {
            polls += 1;
            if polls == 1 { Poll::Ready(Ok(1)) } else { Poll::Pending }
        };
        assert!(peer.outbox.write_to(write, &mut written).is_pending());
        self.disconnect(peer);
    }

    fn disconnect(&self, peer: &Peer) {
        self.connector.detach_session(&peer.account, peer.session, self.now);
    }

    fn apply(&self, settings: ConnectorSettings) {
        self.connector.apply_settings(settings).unwrap();
    }

    fn account(&self, id: &str) -> AccountReport {
        let report = self.connector.report();
        report.accounts.into_iter().find(|a| a.settings.id.as_str() == id).unwrap()
    }

    fn balance(&self, id: &str) -> i128 {
        self.account(id).balance
    }

    /// The sum of the balances of each asset, the node's own accounts included.
    fn sums(&self) -> HashMap<String, i128> {
        let report = self.connector.report();
        let accounts = report.accounts.iter().map(|one| (&one.settings.asset, one.balance));
        let own = report.own_accounts.iter().map(|one| (&one.asset, one.balance));
        let mut sums = HashMap::new();
        for (asset, balance) in accounts.chain(own) {
            *sums.entry(asset.to_string()).or_default() += balance;
        }
        sums
    }

    /// Asserts that the balances of each asset add up to zero.
    fn assert_balanced(&self) {
        let sums = self.sums();
        assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    }

    /// The packets sent to a peer since the last call.
    fn read(&self, peer: &Peer) -> Vec<Received> {
        let mut bytes = Vec::new();
        let mut written = 0;
        let write = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Poll::Ready(Ok(chunk.len()))
        };
        assert!(peer.outbox.write_to(write, &mut written).is_ready());
        let mut seen = Vec::new();
        while !bytes.is_empty() {
            let frame = payload_in(&bytes).unwrap();
            bytes.drain(..ws::header_size(frame.len(), bytes[1] & 0x80 != 0) + frame.len());
            seen.push(self.parse_frame(&frame));
        }
        seen
    }

    fn read_one(&self, peer: &Peer) -> Received {
        let mut seen = self.read(peer);
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// Reads one Reject and returns its code.
    fn reject_code(&self, peer: &Peer) -> String {
        match self.read_one(peer) {
            Received::Reject { code, triggered_by, message, .. } => {
                assert!(!triggered_by.is_empty() && !message.is_empty());
                code
            }
            other => panic!("expected a Reject, got {other:?}"),
        }
    }

    /// Sends a Prepare that is rejected at once, and returns the code.
    fn send_rejected(&self, peer: &Peer, packet: &[u8]) -> String {
        self.send(peer, 999, packet);
        self.reject_code(peer)
    }

    /// Reads one Prepare and returns its id.
    fn prepare_id(&self, peer: &Peer) -> RequestId {
        let ids = self.prepare_ids(peer);
        assert_eq!(ids.len(), 1, "one Prepare");
        ids[0]
    }

    /// Reads Prepares and returns their ids.
    fn prepare_ids(&self, peer: &Peer) -> Vec<RequestId> {
        let packets = self.read(peer).into_iter();
        let ids = packets.map(|packet| match packet {
            Received::Prepare { id, .. } => id,
            other => panic!("expected a Prepare, got {other:?}"),
        });
        ids.collect()
    }

    /// Reads one Prepare and fulfills it.
    fn fulfill_one(&self, peer: &Peer) {
        self.answer(peer, self.prepare_id(peer), &fulfill(PREIMAGE, b""));
    }

    /// The packet log of the node, which begins here.
    fn log_packets(&self) -> Arc<PacketRing> {
        let ring = PacketRing::new(64);
        let log = PacketLog::new(ring.clone(), NodeNumber(3));
        self.connector.set_packet_log(Some(Arc::new(log)));
        ring
    }

    fn parse_frame(&self, frame: &[u8]) -> Received {
        let frame = BtpFrame::parse(frame).unwrap();
        let id = frame.request_id;
        let ilp = frame.protocol_data.primary().unwrap();
        assert_eq!((ilp.name, ilp.content_type.0), ("ilp", 0));
        match (Packet::parse(ilp.data).unwrap(), &frame.body) {
            (Packet::Prepare(prepare), FrameBody::Message) => Received::Prepare {
                id,
                amount: prepare.amount.0,
                expires_in_ms: i64::try_from(prepare.expires_at.as_millis()).unwrap()
                    - i64::try_from(self.now.wall.as_millis()).unwrap(),
                destination: prepare.destination.as_str().to_owned(),
                data: prepare.data.to_vec(),
                condition: prepare.condition,
            },
            (Packet::Fulfill(fulfill), FrameBody::Response) => Received::Fulfill {
                id,
                fulfillment: fulfill.fulfillment,
                data: fulfill.data.to_vec(),
            },
            (Packet::Reject(reject), FrameBody::Response) => Received::Reject {
                id,
                code: reject.code.to_string(),
                triggered_by: reject.triggered_by.map_or_else(String::new, |a| a.as_str().into()),
                message: String::from_utf8_lossy(reject.message).into_owned(),
                data: reject.data.to_vec(),
            },
            (packet, body) => panic!("{packet:?} in {body:?}"),
        }
    }
}

fn with_asset(mut account: AccountSettings, code: &str, scale: u8) -> AccountSettings {
    account.asset = Asset::new(code, scale);
    account
}

/// A rate of the configuration.
fn pair_rate(from: &str, to: &str, rate: &str) -> PairRate {
    let (from, to, rate) = (from.into(), to.into(), rate.parse().unwrap());
    PairRate { from, to, rate, spread: None }
}
