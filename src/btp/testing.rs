//! For tests: a node with peers, packets, and a peer that is an ordinary WebSocket client.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::account::{AccountSettings, Limits, Relation};
use crate::connector::{AccountReport, Connector, ConnectorSettings, Timing};
use crate::local::PingSettings;
use crate::net::{Clock, TransportSettings};
use crate::peers::{Directory, Logins, PeerLogin, Token, TransportContext};
use crate::routing::{HashSeed, Route, RouteOrigin};
use crate::wire::btp::{BtpFrame, FrameBody, ProtocolEntry, RequestId, put_auth, put_frame};
use crate::wire::ilp::{Fulfill, Packet, Prepare};
use crate::wire::{Address, Amount, Fulfillment, Scheme, Timestamp};

/// No test waits longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// The preimage of every test payment.
pub(super) const PREIMAGE: Fulfillment = Fulfillment([7; 32]);

/// Settings of a node with the address `test.<id>` and a route `test.<peer>` to each of these peers.
pub(super) fn connector_settings(id: &str, peers: &[&str], limits: &Limits) -> ConnectorSettings {
    let account = |peer: &&str| AccountSettings {
        limits: limits.clone(),
        ..AccountSettings::new(peer.parse().unwrap(), Relation::Peer)
    };
    let route = |peer: &&str| Route {
        prefix: format!("test.{peer}").parse().unwrap(),
        next_hop: peer.parse().unwrap(),
        priority: 0,
        origin: RouteOrigin::Configured,
    };
    ConnectorSettings {
        node_id: id.parse().unwrap(),
        address: Some(format!("test.{id}").parse().unwrap()),
        scheme: Scheme::Test,
        accounts: peers.iter().map(account).collect(),
        routes: peers.iter().map(route).collect(),
        rates: Vec::new(),
        timing: Timing::default(),
        ping: PingSettings::default(),
        ccp_timing: Default::default(),
    }
}

pub(super) fn context_with(
    connector: ConnectorSettings,
    settings: TransportSettings,
) -> Arc<TransportContext> {
    let connector = Connector::new(connector, HashSeed::Random).unwrap();
    TransportContext::new(connector, Clock::start(), settings).unwrap()
}

pub(super) fn context(
    id: &str,
    peers: &[&str],
    settings: TransportSettings,
) -> Arc<TransportContext> {
    context_with(connector_settings(id, peers, &Limits::default()), settings)
}

/// Each of these peers may log in with its [`token`].
pub(super) fn directory(peers: &[&str]) -> Directory {
    let login = |peer: &&str| PeerLogin {
        account: peer.parse().unwrap(),
        username: (*peer).to_owned(),
        token: Some(Token::from(token(peer))),
    };
    Directory::new(peers.iter().map(login)).unwrap()
}

/// [`directory`] for a listener.
pub(super) fn logins(peers: &[&str]) -> Arc<Logins> {
    Arc::new(Logins::from_pointee(directory(peers)))
}

pub(super) fn token(peer: &str) -> String {
    format!("secret of {peer}")
}

pub(super) fn account(context: &TransportContext, id: &str) -> AccountReport {
    let report = context.connector.report();
    report.accounts.into_iter().find(|account| account.settings.id.as_str() == id).unwrap()
}

/// Lets other tasks run until `done`.
pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "timed out: {what}");
}

/// A payment of 1 to `destination` that expires in `expires_in`.
pub(super) fn payment_within(destination: &str, expires_in: Duration, data: &[u8]) -> Vec<u8> {
    let destination: Address = destination.parse().unwrap();
    let prepare = Prepare {
        amount: Amount(1),
        expires_at: Clock::start().now().wall.saturating_add(expires_in),
        condition: PREIMAGE.condition(),
        destination: destination.view(),
        data,
    };
    encoded(&Packet::Prepare(prepare))
}

pub(super) fn payment(destination: &str) -> Vec<u8> {
    payment_within(destination, Duration::from_secs(20), b"")
}

pub(super) fn fulfillment() -> Vec<u8> {
    encoded(&Packet::Fulfill(Fulfill { fulfillment: PREIMAGE, data: b"" }))
}

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    bytes
}

/// A MESSAGE.
pub(super) fn message(id: u32, entries: &[ProtocolEntry<'_>]) -> Vec<u8> {
    framed(id, &FrameBody::Message, entries)
}

/// A MESSAGE with an ILP packet.
pub(super) fn ask(id: u32, packet: &[u8]) -> Vec<u8> {
    message(id, &[ProtocolEntry::octets("ilp", packet)])
}

/// A RESPONSE with an ILP packet.
pub(super) fn answer(id: u32, packet: &[u8]) -> Vec<u8> {
    framed(id, &FrameBody::Response, &[ProtocolEntry::octets("ilp", packet)])
}

pub(super) fn framed(id: u32, body: &FrameBody<'_>, entries: &[ProtocolEntry<'_>]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_frame(RequestId(id), body, entries, &mut frame);
    frame
}

pub(super) fn auth(id: u32, username: &str, token: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    put_auth(RequestId(id), Some(username), token, &mut frame);
    frame
}

/// A frame as text: `RESPONSE 7 Reject F02`, `ERROR 7 F00`, `MESSAGE 5 Prepare`, `RESPONSE 7`.
pub(super) fn describe(bytes: &[u8]) -> String {
    let frame = BtpFrame::parse(bytes).unwrap();
    let kind = match frame.body {
        FrameBody::Response => "RESPONSE",
        FrameBody::Error { .. } => "ERROR",
        FrameBody::Message => "MESSAGE",
        FrameBody::Transfer { .. } => "TRANSFER",
    };
    let mut text = format!("{kind} {}", frame.request_id);
    if let FrameBody::Error { code, triggered_at, .. } = frame.body {
        assert!(triggered_at.timestamp() > Timestamp::EPOCH, "the node's clock");
        text += &format!(" {code}");
    }
    match frame.ilp().map(|bytes| Packet::parse(bytes).unwrap()) {
        Some(Packet::Prepare(_)) => text += " Prepare",
        Some(Packet::Fulfill(_)) => text += " Fulfill",
        Some(Packet::Reject(reject)) => text += &format!(" Reject {}", reject.code),
        None => {}
    }
    if let Some(primary) = frame.protocol_data.primary() {
        assert_eq!(
            (primary.name, primary.content_type.0),
            ("ilp", 0),
            "RFC 23: the ilp entry comes first"
        );
    }
    text
}

/// A message that a [`TestPeer`] received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Frame(Vec<u8>),
    Pong,
    Ping,
    /// Code and reason.
    Close(u16, String),
    /// The connection ended without a close frame.
    End,
}

/// The peer at the other end of a session.
#[derive(Debug)]
pub(super) struct TestPeer<S>(pub(super) WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TestPeer<S> {
    pub(super) async fn send(&mut self, frame: &[u8]) {
        self.0.send(Message::Binary(frame.to_vec().into())).await.unwrap();
    }

    /// Writes frames with as few system calls as possible.
    pub(super) async fn send_all(&mut self, frames: &[Vec<u8>]) {
        for frame in frames {
            self.0.feed(Message::Binary(frame.clone().into())).await.unwrap();
        }
        self.0.flush().await.unwrap();
    }

    pub(super) async fn send_message(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(super) async fn receive(&mut self) -> Received {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        match next.expect("the node is silent") {
            Some(Ok(Message::Binary(bytes))) => Received::Frame(bytes.to_vec()),
            Some(Ok(Message::Pong(_))) => Received::Pong,
            Some(Ok(Message::Ping(_))) => Received::Ping,
            Some(Ok(Message::Close(Some(frame)))) => {
                Received::Close(frame.code.into(), frame.reason.to_string())
            }
            Some(Ok(other)) => panic!("the node sent {other:?}"),
            Some(Err(_)) | None => Received::End,
        }
    }

    /// The next frame as text.
    pub(super) async fn frame(&mut self) -> String {
        describe(&self.bytes().await)
    }

    /// The next frame.
    pub(super) async fn bytes(&mut self) -> Vec<u8> {
        match self.receive().await {
            Received::Frame(bytes) => bytes,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// The id of the next frame, which must be a Prepare.
    pub(super) async fn prepare_id(&mut self) -> u32 {
        let bytes = self.bytes().await;
        assert!(describe(&bytes).ends_with(" Prepare"), "{}", describe(&bytes));
        BtpFrame::parse(&bytes).unwrap().request_id.0
    }

    pub(super) async fn log_in(&mut self, peer: &str) {
        self.send(&auth(1, peer, &token(peer))).await;
        assert_eq!(self.frame().await, "RESPONSE 1");
    }

    /// The frames that the node sends until it has handled everything sent before, as text.
    pub(super) async fn frames_so_far(&mut self) -> Vec<String> {
        const FENCE: u32 = 0xfeed_beef;
        self.send(&message(FENCE, &[])).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await;
            if frame == format!("RESPONSE {FENCE}") {
                return frames;
            }
            frames.push(frame);
        }
    }

    /// Code and reason of the close frame. Frames before it are skipped.
    pub(super) async fn close_frame(&mut self) -> (u16, String) {
        loop {
            match self.receive().await {
                Received::Close(code, reason) => return (code, reason),
                Received::End => panic!("closed without a close frame"),
                _ => {}
            }
        }
    }
}
