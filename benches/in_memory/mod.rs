//! A connector in memory, without IO, for the benches that measure the packet path alone.
//!
//! Two peers with a session each, a given number of routes that all lead to the second peer, and
//! frames of the size of real traffic (a Prepare of 196 bytes, a Fulfill of 80). Hash keys and time
//! are fixed, so that a run repeats to the instruction.

use std::sync::Arc;
use std::task::Poll;

use ilp_connector::internals::account::{AccountSettings, Relation};
use ilp_connector::internals::books::SavedBooks;
use ilp_connector::internals::connector::{
    Account, Connector, ConnectorSettings, PeerAnswer, Timing,
};
use ilp_connector::internals::link::{Framing, Outbox, SessionId, SessionKind};
use ilp_connector::internals::local::PingSettings;
use ilp_connector::internals::routing::{HashSeed, Route, RouteOrigin};
use ilp_connector::internals::time::{MonoTime, Now};
use ilp_connector::wire::btp::{BtpFrame, FrameKind, RequestId, put_ilp_header};
use ilp_connector::wire::ilp::{Fulfill, Packet, Prepare};
use ilp_connector::wire::{AddressRef, Amount, Fulfillment, Scheme, Timestamp};

/// Bytes of one BTP MESSAGE that carries a Prepare.
pub(crate) const PREPARE_BYTES: usize = 196;
/// Bytes of one BTP RESPONSE that carries a Fulfill.
pub(crate) const FULFILL_BYTES: usize = 80;
/// The seed of every hash in the benches.
pub(crate) const SEED: HashSeed = HashSeed::Fixed(1);

/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;
const FULFILLMENT: Fulfillment = Fulfillment([7; 32]);
/// Bytes of the header of an unmasked WebSocket frame of 126 to 65,535 bytes.
const LONG_WS_HEADER: usize = 4;
/// The offset of the request id in a BTP frame.
const ID: std::ops::Range<usize> = 1..5;

/// The time of all benches.
pub(crate) fn now() -> Now {
    Now { wall: Timestamp::from_millis(START_MS), mono: MonoTime(1_000_000_000) }
}

/// The prefix of a route.
pub(crate) fn prefix(number: u32) -> String {
    format!("test.bench.r{number:07}")
}

/// A destination behind a route.
pub(crate) fn destination(number: u32) -> String {
    prefix(number) + ".alice"
}

/// A MESSAGE with a Prepare for the destination behind a route.
pub(crate) fn prepare_frame(route: u32) -> Vec<u8> {
    let destination = destination(route);
    let data = [b'.'; 93];
    let packet = Packet::Prepare(Prepare {
        amount: Amount(1_000),
        expires_at: Timestamp::from_millis(START_MS + 20_000),
        condition: FULFILLMENT.condition(),
        destination: AddressRef::new(&destination).expect("a valid address"),
        data: &data,
    });
    let frame = frame(FrameKind::Message, &packet);
    assert_eq!(frame.len(), PREPARE_BYTES, "a Prepare has the promised size");
    frame
}

/// A RESPONSE with the Fulfill of every Prepare.
pub(crate) fn fulfill_frame() -> Vec<u8> {
    let packet = Packet::Fulfill(Fulfill { fulfillment: FULFILLMENT, data: &[b'.'; 31] });
    let frame = frame(FrameKind::Response, &packet);
    assert_eq!(frame.len(), FULFILL_BYTES, "a Fulfill has the promised size");
    frame
}

fn frame(kind: FrameKind, packet: &Packet<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    put_ilp_header(kind, RequestId(0), packet.encoded_len(), &mut frame);
    packet.encode(&mut frame);
    frame
}

/// One peer of the node.
pub(crate) struct Peer {
    account: Arc<Account>,
    session: SessionId,
    outbox: Arc<Outbox>,
    inbox: Vec<u8>,
}

/// Whether the connector has a store, and what waits for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    NoStore,
    /// A cut for each batch of packets: far more often than every 20 ms.
    #[allow(dead_code, reason = "not every bench measures it")]
    Batched,
    /// A cut before the Prepares leave, and one before the Fulfills do.
    #[allow(dead_code, reason = "not every bench measures it")]
    Strict,
}

/// A connector, a peer that sends Prepares and a peer that fulfills them.
pub(crate) struct Node {
    connector: Arc<Connector>,
    asking: Peer,
    answering: Peer,
    prepares: Vec<Vec<u8>>,
    fulfill: Vec<u8>,
    request_id: u32,
    durability: Durability,
}

impl Node {
    /// A node with this number of routes, and destinations behind all of them.
    pub(crate) fn new(routes: u32, durability: Durability) -> Self {
        let peer = |id: &str| {
            AccountSettings::new(id.parse().expect("a valid account id"), Relation::Peer)
        };
        let settings = ConnectorSettings {
            node_id: "bench".parse().expect("a valid node id"),
            address: Some("test.bench-node".parse().expect("a valid address")),
            scheme: Scheme::Test,
            accounts: vec![peer("asking"), peer("answering")],
            routes: (0..routes).map(route).collect(),
            rates: Vec::new(),
            spread: Default::default(),
            timing: Timing::default(),
            ping: PingSettings::default(),
            ccp_timing: Default::default(),
        };
        let connector = match durability {
            Durability::NoStore => Connector::new(settings, SEED),
            _ => Connector::with_books(settings, SEED, SavedBooks::default()),
        };
        let connector = connector.expect("valid settings");
        connector.set_strict(durability == Durability::Strict);
        let attach = |id: &str| {
            let account = connector.account(id).expect("the account was configured");
            let outbox = Outbox::new(Framing::Server, account.outbox_bytes_max());
            let session = connector.attach_session(
                &account,
                SessionKind::Accepted,
                None,
                Arc::clone(&outbox),
                now(),
            );
            Peer { account, session, outbox, inbox: Vec::new() }
        };
        let (asking, answering) = (attach("asking"), attach("answering"));
        // Spread over the table, and too many for the nearest cache.
        let prepares = (0..1_024_u32)
            .map(|number| prepare_frame(number.wrapping_mul(2_654_435_761) % routes))
            .collect();
        let fulfill = fulfill_frame();
        Self { asking, answering, prepares, fulfill, request_id: 0, connector, durability }
    }

    /// Carries `count` Prepares, in batches of `batch` as one read of a socket brings them, to the
    /// peer that answers, and the Fulfills back.
    pub(crate) fn round_trips(&mut self, count: u32, batch: u32) {
        let mut left = count;
        while left > 0 {
            let size = left.min(batch);
            self.ask(size);
            if self.durability == Durability::Strict {
                self.save();
            }
            self.answer();
            if self.durability != Durability::NoStore {
                self.save();
            }
            self.asking.read();
            let expected = size as usize * (FULFILL_BYTES + 2);
            assert_eq!(self.asking.inbox.len(), expected, "all are fulfilled");
            left -= size;
        }
    }

    /// Takes a cut, and counts it as saved: the work of the packets' thread.
    fn save(&self) {
        let cut = self.connector.take_cut(now().wall).expect("a connector with books");
        self.connector.publish_durable(cut.number);
    }

    fn ask(&mut self, count: u32) {
        let turn = self.connector.start_batch(now());
        for _ in 0..count {
            self.request_id = self.request_id.wrapping_add(1);
            let index = self.request_id as usize % self.prepares.len();
            let bytes = &mut self.prepares[index];
            bytes[ID].copy_from_slice(&self.request_id.to_be_bytes());
            let frame = BtpFrame::parse(bytes).expect("a valid frame");
            let packet = frame.ilp().expect("a frame with a packet");
            turn.handle_prepare(
                &self.asking.account,
                self.asking.session,
                frame.request_id,
                packet,
            );
        }
    }

    fn answer(&mut self) {
        self.answering.read();
        let turn = self.connector.start_batch(now());
        for message in self.answering.inbox.chunks_exact(LONG_WS_HEADER + PREPARE_BYTES) {
            self.fulfill[ID].copy_from_slice(&message[LONG_WS_HEADER..][ID]);
            let frame = BtpFrame::parse(&self.fulfill).expect("a valid frame");
            let packet = frame.ilp().expect("a frame with a packet");
            turn.handle_answer(
                &self.answering.account,
                frame.request_id,
                PeerAnswer::Packet(packet),
            );
        }
    }
}

impl Peer {
    /// Writes everything in the outbox, as a socket would.
    fn read(&mut self) {
        self.inbox.clear();
        let mut written = 0;
        let write = |bytes: &[u8]| {
            self.inbox.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        };
        let done = self.outbox.write_to(write, &mut written);
        assert!(matches!(done, Poll::Ready(Ok(()))), "memory takes everything");
    }
}

fn route(number: u32) -> Route {
    Route {
        prefix: prefix(number).parse().expect("a valid prefix"),
        next_hop: "answering".parse().expect("a valid account id"),
        priority: 0,
        origin: RouteOrigin::Configured,
    }
}
