//! What engines get from the listener.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use crate::books::{Settlement, SettlementDirection, SettlementError, SettlementState};
use crate::link::{Framing, Outbox, SessionKind};
use crate::net::Secret;
use crate::peers::{CreditOrder, CreditRefusal};
use crate::settlement::testing::{RunningListener, ScriptedEngine};
use crate::testing::until;
use crate::web::testing::RawConnection;
use crate::wire::ilp::{ErrorCode, Fulfill, Prepare, Reject, Reply};
use crate::wire::{AddressRef, Condition, Fulfillment};

const QUANTITY: &str = r#"{"amount":"0905","scale":11}"#;
const KEY: &str = "Idempotency-Key: 0xab\r\n";
const CREDIT_PATH: &str = "/accounts/alice/settlements";

/// The status of a request, and the body of its answer.
async fn post(node: &RunningListener, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let mut client = RawConnection::open(node.address).await;
    let (head, body) = client.post(path, headers, body).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// Posts a credit, which must be booked before it is answered.
async fn post_and_book(
    node: &RunningListener,
    credits: &mut Receiver<CreditOrder>,
    body: &str,
    check: impl Fn(&CreditOrder),
) -> (u16, String) {
    let mut is_booked = false;
    let book = async {
        let order = credits.recv().await.unwrap();
        check(&order);
        order.reply.send(Ok(())).unwrap();
        is_booked = true;
        pending().await
    };
    let answer = tokio::select! {
        // A refusal comes without an order.
        answer = post(node, CREDIT_PATH, KEY, body.as_bytes()) => answer,
        answer = book => answer,
    };
    assert!(is_booked, "{answer:?}");
    answer
}

fn settled() -> Settlement {
    Settlement {
        key: "0xab".parse().unwrap(),
        account: "alice".into(),
        asset: Default::default(),
        direction: SettlementDirection::Incoming,
        quantity: crate::books::Quantity::new("7", 11).unwrap(),
        units: 0,
        leftover: Default::default(),
        state: SettlementState::Done,
        attempts: 0,
        created_at: Default::default(),
        updated_at: Default::default(),
        reference: String::new(),
        by: "engine".to_owned(),
    }
}

#[tokio::test]
async fn a_credit_is_answered_with_its_quantity_once_it_is_booked_rows_131_133() {
    let mut node = RunningListener::start(None).await;
    let mut credits = std::mem::replace(&mut node.credits, tokio::sync::mpsc::channel(1).1);
    let check = |order: &CreditOrder| {
        assert_eq!((order.account.as_str(), order.key.as_str()), ("alice", "0xab"));
        assert_eq!((order.quantity.amount(), order.quantity.scale), ("0905", 11));
    };
    // A body has at most 64 KiB.
    let spaces = " ".repeat(64 * 1024 - QUANTITY.len());
    for body in [QUANTITY.to_owned(), format!("{spaces}{QUANTITY}")] {
        let answer = post_and_book(&node, &mut credits, &body, check).await;
        assert_eq!(answer, (201, QUANTITY.to_owned()));
    }
}

#[tokio::test]
async fn refused_credits_have_strict_statuses() {
    let mut node = RunningListener::start(None).await;
    let mut credits = std::mem::replace(&mut node.credits, tokio::sync::mpsc::channel(1).1);
    let other = || SettlementError::OtherSettlement(Box::new(settled()));
    let unknown = || SettlementError::UnknownAccount("alice".to_owned());
    let no_engine = || CreditRefusal::NoEngine("alice".parse().unwrap());
    for (refusal, status) in [
        (other().into(), 409),
        (unknown().into(), 404),
        (no_engine(), 404),
        (SettlementError::NoStore.into(), 400),
    ] {
        let refuse = async {
            let order = credits.recv().await.unwrap();
            order.reply.send(Err(refusal)).unwrap();
        };
        let posted = post(&node, CREDIT_PATH, KEY, QUANTITY.as_bytes());
        let ((found, problem), ()) = tokio::join!(posted, refuse);
        assert_eq!(found, status, "{problem}");
    }
}

#[tokio::test]
async fn requests_that_no_engine_should_make_never_reach_the_books() {
    let mut node = RunningListener::start(None).await;
    let long_key = format!("Idempotency-Key: {}\r\n", "k".repeat(256));
    let long_body = vec![b'1'; 64 * 1024 + 1];
    let path = CREDIT_PATH;
    let bad: &[(&str, &str, &[u8], u16)] = &[
        (path, "", QUANTITY.as_bytes(), 400),
        (path, "Idempotency-Key: a b\r\n", QUANTITY.as_bytes(), 400),
        (path, "Idempotency-Key: \r\n", QUANTITY.as_bytes(), 400),
        (path, &long_key, QUANTITY.as_bytes(), 400),
        (path, KEY, b"", 400),
        (path, KEY, b"[]", 400),
        (path, KEY, br#"{"amount":5,"scale":2}"#, 400),
        (path, KEY, br#"{"amount":"5"}"#, 400),
        (path, KEY, br#"{"amount":"-5","scale":2}"#, 400),
        (path, KEY, br#"{"amount":"5.0","scale":2}"#, 400),
        (path, KEY, br#"{"amount":"1e9","scale":2}"#, 400),
        (path, KEY, br#"{"amount":"","scale":2}"#, 400),
        (path, KEY, br#"{"amount":"5","scale":256}"#, 400),
        (path, KEY, br#"{"amount":"5","scale":-1}"#, 400),
        (path, KEY, br#"{"amount":"5","amount":"6","scale":1}"#, 400),
        (path, KEY, &long_body, 413),
        ("/accounts/a%20b/settlements", KEY, QUANTITY.as_bytes(), 404),
        ("/accounts/alice", KEY, QUANTITY.as_bytes(), 404),
        ("/accounts/alice/messages", "", b"x", 404),
    ];
    for (path, headers, body, status) in bad {
        let (found, problem) = post(&node, path, headers, body).await;
        assert_eq!(found, *status, "{path} {headers} {problem}");
        assert!(problem.contains("\"detail\":\""), "{problem}");
    }
    let mut client = RawConnection::open(node.address).await;
    assert!(client.get(CREDIT_PATH).await.0.starts_with("HTTP/1.1 405"));
    assert!(node.credits.try_recv().is_err());
}

/// npm `ilp-settlement-core` reports the sum again under a new key after any error, but asks again with the same key if
/// there was no answer.
#[tokio::test]
async fn a_credit_of_which_nothing_is_known_gets_no_answer_at_all() {
    let mut node = RunningListener::start(None).await;
    let mut credits = std::mem::replace(&mut node.credits, tokio::sync::mpsc::channel(1).1);
    for reply in [Some(CreditRefusal::StoreFails("the disk is full".to_owned())), None] {
        let lose = async {
            let order = credits.recv().await.unwrap();
            if let Some(refusal) = reply {
                order.reply.send(Err(refusal)).unwrap();
            }
        };
        let ask = async {
            let mut client = RawConnection::open(node.address).await;
            let length = QUANTITY.len();
            client.write(format!("POST {CREDIT_PATH} HTTP/1.1\r\nHost: h\r\n{KEY}Content-Length: {length}\r\n\r\n{QUANTITY}")).await;
            client.read_to_end().await
        };
        assert_eq!(tokio::join!(ask, lose), (String::new(), ()));
    }
}

#[tokio::test]
async fn a_token_is_required_if_there_is_one_and_a_reload_changes_it() {
    let node = RunningListener::start(Some(&Secret::new("first"))).await;
    let path = "/accounts/alice/messages";
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for wrong in [String::new(), with("second"), with("")] {
        assert_eq!(post(&node, path, &wrong, b"").await.0, 401);
        assert_eq!(post(&node, CREDIT_PATH, &wrong, QUANTITY.as_bytes()).await.0, 401);
    }
    assert_eq!(post(&node, path, &with("first"), b"").await.0, 404);
    assert_eq!(node.context.engine_accounts.refused_requests(), 7);
    node.listener.set_token(Some(&Secret::new("second")));
    assert_eq!(post(&node, path, &with("first"), b"").await.0, 401);
    assert_eq!(post(&node, path, &with("second"), b"").await.0, 404);
    node.listener.set_token(None);
    assert_eq!(post(&node, path, "", b"").await.0, 404);
}

#[tokio::test]
async fn a_message_goes_to_the_peer_as_a_packet_and_its_reply_comes_back_rows_136_137() {
    let node = RunningListener::start(None).await;
    let engine = ScriptedEngine::start(&[]).await;
    node.engines.replace_all([engine.of("alice", "/", None)]);
    let path = "/accounts/alice/messages";
    let (status, problem) = post(&node, path, "", b"hello").await;
    assert_eq!(status, 503, "alice is not connected: {problem}");
    assert_eq!(post(&node, path, "", &[0; 32_768]).await.0, 413);

    let connector = &node.context.connector;
    let account = connector.account("alice").unwrap();
    let outbox = Outbox::new(Framing::None, 1 << 20);
    let frames = Arc::clone(&outbox);
    let now = node.context.clock.now();
    connector.attach_session(&account, SessionKind::Accepted, None, frames, now);
    let (zeros, refused) = (Fulfillment::ZERO, ErrorCode::F00);
    let reject = Reject { code: refused, triggered_by: None, message: b"no engine", data: b"" };
    let replies = [
        (Reply::Fulfill(Fulfill { fulfillment: zeros, data: b"\x00hi" }), 201, "\u{0}hi"),
        (Reply::Reject(reject), 502, "F00 no engine"),
        // Whoever answers this has not read RFC 38.
        (Reply::Fulfill(Fulfill { fulfillment: Fulfillment([1; 32]), data: b"" }), 502, "F05"),
    ];
    for (reply, status, said) in replies {
        let answer = async {
            let mut taken = None;
            until("a packet for alice", || {
                taken = outbox.take_packet();
                taken.is_some()
            })
            .await;
            let taken = taken.unwrap();
            let prepare = Prepare::parse(&taken.packet).unwrap();
            assert_eq!((prepare.amount.0, prepare.data), (0, &b"hello"[..]));
            assert_eq!(prepare.destination, AddressRef::PEER_SETTLE);
            assert_eq!(prepare.condition, Condition::PEER_PROTOCOL);
            let batch = connector.start_batch(node.context.clock.now());
            let packet = crate::testing::encode(&reply);
            let answer = crate::connector::PeerAnswer::Packet(&packet);
            assert!(batch.handle_answer(&account, taken.id, answer).was_pending());
        };
        let (found, ()) = tokio::join!(post(&node, path, "", b"hello"), answer);
        assert_eq!(found.0, status);
        assert!(found.1.contains(said), "{found:?}");
    }
}

#[tokio::test]
async fn many_connections_close_the_oldest_and_not_the_listener() {
    let node = RunningListener::start(None).await;
    let mut open = JoinSet::new();
    for _ in 0..50 {
        let address = node.address;
        open.spawn(async move { RawConnection::open(address).await });
    }
    let held = open.join_all().await;
    assert_eq!(post(&node, "/accounts/alice/messages", "", b"").await.0, 404);
    drop(held);
}

/// An engine that has the wrong token, or the wrong URL, is not silent: each refusal is counted, and that of a peer
/// with an engine is shown until the engine's next request is accepted.
#[tokio::test]
async fn what_is_refused_is_shown_to_the_operator() {
    let mut node = RunningListener::start(Some(&Secret::new("right"))).await;
    let engine = ScriptedEngine::start(&[]).await;
    node.engines.replace_all([engine.of("alice", "/", None)]);
    let alice = "alice".parse().unwrap();
    let shown = |node: &RunningListener| {
        let account = node.context.engine_accounts.of_peer(&alice).unwrap();
        account.last_refusal.map(|refusal| (refusal.status, refusal.reason))
    };
    assert_eq!(post(&node, CREDIT_PATH, KEY, QUANTITY.as_bytes()).await.0, 401);
    let expected = "the request needs the settlementToken of this node as a bearer token";
    assert_eq!(shown(&node), Some((401, expected.to_owned())));
    assert_eq!(post(&node, "/api/accounts/alice/settlements", KEY, b"").await.0, 404);
    assert_eq!(node.context.engine_accounts.refused_requests(), 2);
    let mut credits = std::mem::replace(&mut node.credits, tokio::sync::mpsc::channel(1).1);
    let book = async { credits.recv().await.unwrap().reply.send(Ok(())).unwrap() };
    let headers = format!("{KEY}Authorization: Bearer right\r\n");
    let credit = post(&node, CREDIT_PATH, &headers, QUANTITY.as_bytes());
    assert_eq!(tokio::join!(credit, book).0.0, 201);
    assert_eq!(shown(&node), None);
}
