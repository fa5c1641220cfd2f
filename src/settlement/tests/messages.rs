//! Messages between the engines of two neighbours, on a link whose other end is the test.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;

use crate::account::AccountId;
use crate::connector::Account;
use crate::link::{Framing, Outbox, SessionId, SessionKind};
use crate::settlement::deliver_message;
use crate::settlement::messages::send_message;
use crate::settlement::testing::{RunningListener, ScriptedEngine};
use crate::testing::until;
use crate::time::Now;
use crate::wire::AddressRef;
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Packet, Prepare};

/// Alice's end of a link.
struct Link {
    account: Arc<Account>,
    session: SessionId,
    outbox: Arc<Outbox>,
}

impl Link {
    fn to_alice(node: &RunningListener) -> Self {
        let connector = &node.context.connector;
        let account = connector.account("alice").unwrap();
        let outbox = Outbox::new(Framing::None, 1 << 20);
        let (frames, now) = (Arc::clone(&outbox), node.context.clock.now());
        let session = connector.attach_session(&account, SessionKind::Accepted, None, frames, now);
        Self { account, session, outbox }
    }

    /// The message of alice's engine that this packet has is handed to ours. Returns the node's answer to alice.
    async fn deliver(&self, node: &RunningListener) -> Vec<u8> {
        let now = node.context.clock.now();
        let expires_at = now.wall.saturating_add(Duration::from_secs(9));
        let mut packet = Vec::new();
        Prepare::peer_request(AddressRef::PEER_SETTLE, b"hello", expires_at).encode(&mut packet);
        let connector = &node.context.connector;
        let batch = connector.start_batch(now);
        batch.handle_prepare(&self.account, self.session, RequestId(7), &packet);
        drop(batch);
        let message = poll_fn(|cx| connector.poll_message(cx)).await;
        deliver_message(&node.context, &node.engines, message).await;
        self.outbox.take_packet().expect("each message is answered").packet.to_vec()
    }
}

#[tokio::test]
async fn each_message_of_a_peer_is_answered_with_what_its_engine_says_row_136() {
    const REPLY: &str = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    const REFUSED: &str = "HTTP/1.1 400 Bad\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    const FAILED: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops";
    let engine = ScriptedEngine::start(&[REPLY, REFUSED, FAILED]).await;
    let node = RunningListener::start(None).await;
    node.engines.replace_all([engine.of("alice", "/", None)]);
    let link = Link::to_alice(&node);
    let answer = link.deliver(&node).await;
    let Packet::Fulfill(fulfill) = Packet::parse(&answer).unwrap() else { panic!("{answer:?}") };
    assert_eq!(fulfill.data, b"hi");
    // The last request is to an engine that has ended.
    for (code, said) in [("F00", &b"no"[..]), ("T00", b"oops"), ("T00", b"")] {
        let answer = link.deliver(&node).await;
        let Packet::Reject(reject) = Packet::parse(&answer).unwrap() else { panic!("{answer:?}") };
        assert_eq!((reject.code.to_string().as_str(), reject.data), (code, said));
    }
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_a_timeout_for_our_engine() {
    let node = RunningListener::start(None).await;
    let alice: AccountId = "alice".parse().unwrap();
    let link = Link::to_alice(&node);
    let silence = async {
        until("a packet for alice", || link.outbox.take_packet().is_some()).await;
        let Now { mono, wall } = node.context.clock.now();
        let later = Duration::from_secs(10);
        let now = Now { mono: mono.after(later), wall: wall.saturating_add(later) };
        node.context.connector.sweep_deadlines(now);
    };
    let (sent, ()) = tokio::join!(send_message(&node.context, &alice, b"hello"), silence);
    assert_eq!(sent.unwrap_err().status, StatusCode::GATEWAY_TIMEOUT);
}
