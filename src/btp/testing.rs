//! For tests: a node with peers, packets, and a peer that is an ordinary WebSocket client.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
pub(super) use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

use super::auth::auth_message;
pub(super) use super::model::frames::{empty_response, framed, message, request, response};
use super::server::BtpServer;
use crate::account::Limits;
use crate::connector::{AccountReport, Connector, ConnectorSettings};
use crate::net::{Clock, TransportSettings};
use crate::peers::{NodeContext, PeerSnapshot};
use crate::routing::HashSeed;
use crate::testing::{self, TEST_TIMEOUT};
pub(super) use crate::testing::{connector_settings, fulfillment, payment, token, until};
use crate::wire::Timestamp;
use crate::wire::btp::{BtpErrorCode, BtpFrame, FrameBody, RequestId, put_error};

/// [`connector_settings`] with limits for each peer.
pub(super) fn limited_settings(id: &str, peers: &[&str], limits: &Limits) -> ConnectorSettings {
    let mut settings = connector_settings(id, peers);
    settings.accounts.iter_mut().for_each(|account| account.limits = limits.clone());
    settings
}

pub(super) fn context_with(
    connector: ConnectorSettings,
    settings: TransportSettings,
) -> Arc<NodeContext> {
    let connector = Connector::new(connector, HashSeed::Random).unwrap();
    NodeContext::new(connector, Clock::start(), settings).unwrap()
}

pub(super) fn context(id: &str, peers: &[&str], settings: TransportSettings) -> Arc<NodeContext> {
    context_with(connector_settings(id, peers), settings)
}

pub(super) fn account(context: &NodeContext, id: &str) -> AccountReport {
    let report = context.connector.report();
    report.accounts.into_iter().find(|account| account.settings.id.as_str() == id).unwrap()
}

pub(super) fn status(context: &NodeContext, peer: &str) -> PeerSnapshot {
    context.peers.status(&peer.parse().unwrap()).snapshot()
}

/// An ERROR with code F00.
pub(super) fn error(id: u32, text: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let (code, at) = (BtpErrorCode::NOT_ACCEPTED, Timestamp::EPOCH);
    put_error(RequestId(id), code, "NotAcceptedError", at, text, &mut frame);
    frame
}

pub(super) fn auth(id: u32, username: &str, token: &str) -> Vec<u8> {
    auth_message(RequestId(id), username, token)
}

pub(super) fn request_id(frame: &[u8]) -> u32 {
    BtpFrame::parse(frame).unwrap().request_id.0
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
    if let Some(packet) = frame.ilp() {
        text += &format!(" {}", testing::describe(packet));
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

impl Received {
    pub(super) fn close(code: u16, reason: &str) -> Self {
        Self::Close(code, reason.to_owned())
    }
}

/// A fragment of a message.
pub(super) fn fragment(code: Data, payload: &[u8], is_last: bool) -> Message {
    Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(code), is_last))
}

/// Runs the connections of a server as `node` would, until the tasks are dropped.
pub(super) fn run_server(server: BtpServer) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            connections.spawn(server.accept().await.run());
        }
    });
    tasks
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
        let next = tokio::time::timeout(TEST_TIMEOUT, self.0.next()).await;
        match next.expect("the node is silent") {
            Some(Ok(Message::Binary(bytes))) => Received::Frame(bytes.to_vec()),
            Some(Ok(Message::Pong(_))) => Received::Pong,
            Some(Ok(Message::Ping(_))) => Received::Ping,
            Some(Ok(Message::Close(Some(frame)))) => {
                Received::close(frame.code.into(), &frame.reason)
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

    /// The id of the next frame.
    pub(super) async fn request_id(&mut self) -> u32 {
        request_id(&self.bytes().await)
    }

    /// The id of the next frame, which must be a Prepare.
    pub(super) async fn prepare_id(&mut self) -> u32 {
        let bytes = self.bytes().await;
        assert!(describe(&bytes).ends_with(" Prepare"), "{}", describe(&bytes));
        request_id(&bytes)
    }

    pub(super) async fn log_in(&mut self, peer: &str) {
        self.send(&auth(1, peer, &token(peer))).await;
        assert_eq!(self.frame().await, "RESPONSE 1");
    }

    /// The frames that the node sends until it has handled everything sent before, as text.
    pub(super) async fn frames_so_far(&mut self) -> Vec<String> {
        const LAST_ID: u32 = 0xfeed_beef;
        self.send(&message(LAST_ID, &[])).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await;
            if frame == format!("RESPONSE {LAST_ID}") {
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
