//! The packet path driven in memory, with a virtual clock and peers that are nothing but outboxes.

mod ccp;
mod forwarding;
mod jamming;
mod limits;
mod local;
mod model;
mod own_account;
mod own_requests;
mod receivers;
mod sessions;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::*;
use crate::account::{AccountSettings, Asset, Relation};
use crate::link::{Framing, Outbox, SessionId, SessionKind};
use crate::local::PingSettings;
use crate::routing::{HashSeed, Route, RouteOrigin};
use crate::time::{MonoTime, Now};
use crate::wire::btp::{BtpFrame, FrameBody, RequestId};
use crate::wire::ilp::{ErrorCode, Fulfill, Packet, Prepare, Reject};
use crate::wire::{Address, Amount, Condition, Fulfillment, Timestamp};

/// 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;

/// A connector and its clock.
struct Net {
    connector: Arc<Connector>,
    now: Now,
}

/// One session of a peer, seen from the peer's end.
struct Peer {
    account: Arc<Account>,
    session: SessionId,
    outbox: Arc<Outbox>,
}

/// What a peer reads.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
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

/// The preimage that test payments use unless they choose another.
const PREIMAGE: Fulfillment = Fulfillment([7; 32]);

fn settings(accounts: Vec<AccountSettings>, routes: &[(&str, &str)]) -> ConnectorSettings {
    ConnectorSettings {
        node_id: "node".parse().unwrap(),
        address: Some("test.node".parse().unwrap()),
        scheme: crate::wire::Scheme::Test,
        accounts,
        routes: routes.iter().map(|(prefix, hop)| route(prefix, hop, 0)).collect(),
        rates: Vec::new(),
        timing: Timing::default(),
        ping: PingSettings::default(),
        ccp_timing: Default::default(),
    }
}

fn route(prefix: &str, hop: &str, priority: i32) -> Route {
    Route {
        prefix: prefix.parse().unwrap(),
        next_hop: hop.parse().unwrap(),
        priority,
        origin: RouteOrigin::Configured,
    }
}

fn peer(id: &str) -> AccountSettings {
    AccountSettings::new(id.parse().unwrap(), Relation::Peer)
}

/// alice and bob on either side of the node.
fn alice_and_bob() -> Net {
    net(settings(vec![peer("alice"), peer("bob")], &[("test.alice", "alice"), ("test.bob", "bob")]))
}

fn net(settings: ConnectorSettings) -> Net {
    let connector = Connector::new(settings, HashSeed::Fixed(1)).unwrap();
    let now = Now { wall: Timestamp::from_millis(START_MS), mono: MonoTime(1_000_000_000) };
    Net { connector, now }
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
    let prepare = Prepare {
        amount: Amount(amount),
        expires_at: Timestamp::from_millis(START_MS.checked_add_signed(expires_in_ms).unwrap()),
        condition,
        destination: destination.view(),
        data,
    };
    encoded(&Packet::Prepare(prepare))
}

fn fulfill(fulfillment: Fulfillment, data: &[u8]) -> Vec<u8> {
    encoded(&Packet::Fulfill(Fulfill { fulfillment, data }))
}

fn reject(code: ErrorCode, triggered_by: Option<&str>, message: &str, data: &[u8]) -> Vec<u8> {
    let address: Option<Address> = triggered_by.map(|text| text.parse().unwrap());
    encoded(&Packet::Reject(Reject {
        code,
        triggered_by: address.as_ref().map(Address::view),
        message: message.as_bytes(),
        data,
    }))
}

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    bytes
}

impl Net {
    fn connect(&self, id: &str) -> Peer {
        self.connect_as(id, SessionKind::Accepted)
    }

    fn connect_as(&self, id: &str, side: SessionKind) -> Peer {
        let account = self.connector.account(id).unwrap();
        let framing = match side {
            SessionKind::Accepted => Framing::Server,
            SessionKind::Posted => Framing::None,
            SessionKind::Dialled => Framing::Client([3; 32]),
        };
        let outbox = Outbox::new(framing, account.outbox_bytes_max());
        let session = self.connector.attach_session(&account, side, None, outbox.clone(), self.now);
        Peer { account, session, outbox }
    }

    fn pass(&mut self, time: Duration) {
        self.now.wall = self.now.wall.saturating_add(time);
        self.now.mono = self.now.mono.after(time);
        self.connector.sweep_deadlines(self.now);
    }

    fn ask(&self, peer: &Peer, id: u32, packet: &[u8]) {
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

    fn lose(&self, peer: &Peer) {
        self.connector.detach_session(&peer.account, peer.session, self.now);
    }

    fn account(&self, id: &str) -> AccountReport {
        let report = self.connector.report();
        report.accounts.into_iter().find(|a| a.settings.id.as_str() == id).unwrap()
    }

    fn balance(&self, id: &str) -> i128 {
        self.account(id).balance
    }

    /// What the balances of each asset add up to, the node's own accounts included.
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

    /// Nothing was made or lost.
    fn adds_up(&self) {
        let sums = self.sums();
        assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    }

    /// Everything that a peer has been sent since the last look.
    fn read(&self, peer: &Peer) -> Vec<Seen> {
        let mut bytes = Vec::new();
        let mut written = 0;
        let write = |chunk: &[u8]| {
            bytes.extend_from_slice(chunk);
            Poll::Ready(Ok(chunk.len()))
        };
        assert!(peer.outbox.write_to(write, &mut written).is_ready());
        let mut seen = Vec::new();
        while !bytes.is_empty() {
            let (frame, rest) = split_frame(&bytes);
            seen.push(self.see(&frame));
            bytes = rest;
        }
        seen
    }

    fn read_one(&self, peer: &Peer) -> Seen {
        let mut seen = self.read(peer);
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// Reads one Reject and gives its code.
    fn code(&self, peer: &Peer) -> String {
        match self.read_one(peer) {
            Seen::Reject { code, triggered_by, message, .. } => {
                assert!(!triggered_by.is_empty() && !message.is_empty());
                code
            }
            other => panic!("expected a Reject, got {other:?}"),
        }
    }

    /// Reads one Prepare and gives its id.
    fn prepare_id(&self, peer: &Peer) -> RequestId {
        match self.read_one(peer) {
            Seen::Prepare { id, .. } => id,
            other => panic!("expected a Prepare, got {other:?}"),
        }
    }

    fn see(&self, frame: &[u8]) -> Seen {
        let frame = BtpFrame::parse(frame).unwrap();
        let id = frame.request_id;
        let ilp = frame.protocol_data.primary().unwrap();
        assert_eq!((ilp.name, ilp.content_type.0), ("ilp", 0));
        match (Packet::parse(ilp.data).unwrap(), &frame.body) {
            (Packet::Prepare(prepare), FrameBody::Message) => Seen::Prepare {
                id,
                amount: prepare.amount.0,
                expires_in_ms: i64::try_from(prepare.expires_at.as_millis()).unwrap()
                    - i64::try_from(self.now.wall.as_millis()).unwrap(),
                destination: prepare.destination.as_str().to_owned(),
                data: prepare.data.to_vec(),
                condition: prepare.condition,
            },
            (Packet::Fulfill(fulfill), FrameBody::Response) => {
                Seen::Fulfill { id, fulfillment: fulfill.fulfillment, data: fulfill.data.to_vec() }
            }
            (Packet::Reject(reject), FrameBody::Response) => Seen::Reject {
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

/// One WebSocket frame's payload, unmasked, and the bytes behind it.
fn split_frame(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    assert_eq!(bytes[0], 0x82, "final binary frame");
    let (len, mut at) = match bytes[1] & 0x7f {
        126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes[2..10].try_into().unwrap())).unwrap(), 10),
        short => (usize::from(short), 2),
    };
    let mask: Option<[u8; 4]> = (bytes[1] & 0x80 != 0).then(|| {
        at += 4;
        bytes[at - 4..at].try_into().unwrap()
    });
    let mut payload = bytes[at..at + len].to_vec();
    if let Some(key) = mask {
        for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
    }
    (payload, bytes[at + len..].to_vec())
}

fn with_asset(mut account: AccountSettings, code: &str, scale: u8) -> AccountSettings {
    account.asset = Asset::new(code, scale);
    account
}
