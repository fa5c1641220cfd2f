//! The client against engines that answer from a script.

use futures_util::FutureExt;

use crate::account::AccountId;
use crate::books::{Quantity, SettlementKey};
use crate::connector::PeerMessage;
use crate::peers::{EngineAccount, EngineState};
use crate::settlement::client::EngineError;
use crate::settlement::testing::{RunningListener, ScriptedEngine};
use crate::settlement::{EngineSettings, Engines, deliver_message};
use crate::testing::Log;
use crate::wire::Timestamp;

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nRECEIVED";
const UNKNOWN: &str =
    "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwhat?";
const EXISTS: &str = "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const FAILED: &str =
    "HTTP/1.1 500 Oops\r\nContent-Length: 10\r\nConnection: close\r\n\r\n\u{1b}[2Jno gas";
const REPLY: &str = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";

/// A node whose peer alice has this engine.
async fn node_with(engine: &ScriptedEngine, token: Option<&str>) -> RunningListener {
    let node = RunningListener::start(None).await;
    let new = node.engines.replace_all([engine.of("alice", "/eth/", token)]);
    assert_eq!(new.len(), 1);
    node
}

fn settlement() -> (SettlementKey, Quantity) {
    (SettlementKey::from_random(7), Quantity::of_units(905, 9))
}

async fn settle(engines: &Engines, account: &str) -> Result<(), EngineError> {
    let (key, quantity) = settlement();
    engines.settle(&account.parse().unwrap(), &key, &quantity).await
}

#[tokio::test]
async fn requests_have_the_paths_keys_and_quantities_of_rfc_38_rows_131_133() {
    let engine = ScriptedEngine::start(&[CREATED, OK, CREATED]).await;
    let node = node_with(&engine, Some("secret")).await;
    let alice = node.engines.replace_all([engine.of("alice", "/eth", Some("secret"))]);
    node.engines.create_account(&alice[0]).await.unwrap();
    // Any 2xx is a success, whatever the body says.
    settle(&node.engines, "alice").await.unwrap();
    let expected = [
        ("POST /eth/accounts HTTP/1.1", r#"{"id":"alice"}"#, "application/json", None),
        (
            "POST /eth/accounts/alice/settlements HTTP/1.1",
            r#"{"amount":"905","scale":9}"#,
            "application/json",
            Some("idempotency-key: 00000000000000000000000000000007"),
        ),
    ];
    for (request, (line, body, content_type, key)) in engine.requests.lock().iter().zip(expected) {
        assert!(request.starts_with(&format!("{line}\r\n")), "{request}");
        assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
        assert!(request.contains(&format!("content-type: {content_type}\r\n")), "{request}");
        assert!(request.contains("authorization: Bearer secret\r\n"), "{request}");
        assert_eq!(key.is_some(), request.contains("idempotency-key"), "{request}");
        assert!(key.is_none_or(|key| request.contains(key)), "{request}");
    }
    assert_eq!(engine.requests.lock().len(), 2);
}

#[tokio::test]
async fn an_engine_that_lost_the_account_gets_it_and_the_same_key_again() {
    let engine = ScriptedEngine::start(&[UNKNOWN, CREATED, OK]).await;
    let node = node_with(&engine, None).await;
    settle(&node.engines, "alice").await.unwrap();
    let requests = engine.requests.lock();
    assert_eq!(requests[0], requests[2]);
    assert!(requests[1].starts_with("POST /eth/accounts HTTP"), "{requests:?}");
    assert!(requests[0].contains("idempotency-key: 00000000000000000000000000000007\r\n"));
}

#[tokio::test]
async fn what_an_engine_says_is_in_the_error_and_harms_no_terminal() {
    let engine = ScriptedEngine::start(&[FAILED, UNKNOWN, UNKNOWN, UNKNOWN]).await;
    let node = node_with(&engine, Some("secret")).await;
    let failed = settle(&node.engines, "alice").await.unwrap_err().to_string();
    let expected = "answers 500: \\u{1b}[2Jno gas";
    assert!(failed.ends_with(expected), "{failed}");
    let unknown = settle(&node.engines, "alice").await.unwrap_err();
    assert!(matches!(unknown, EngineError::Status { status: 404, .. }), "{unknown}");
    assert_eq!(engine.requests.lock().len(), 4, "one attempt to create the account");
    drop(engine);
    let gone = settle(&node.engines, "alice").await.unwrap_err();
    assert!(matches!(gone, EngineError::NoAnswer { .. }), "{gone}");
    assert!(!gone.to_string().contains("secret"), "{gone}");
    let none = settle(&node.engines, "bob").await.unwrap_err();
    assert_eq!(none.to_string(), "peer bob has no settlement engine");
}

#[test]
fn a_page_of_an_engine_becomes_one_short_line() {
    let check = |body: &str, expected: &str| {
        let body = body.to_owned().into_bytes().into();
        let error = EngineError::Status { url: "http://e/".to_owned(), status: 500, body };
        let expected = format!("the settlement engine at http://e/ answers 500{expected}");
        assert_eq!(error.to_string(), expected);
    };
    check("", "");
    check(" no\r\n  gas ", ": no gas");
    let page = "<!DOCTYPE html>\n<html>\n<head><title>Error</title></head>\n<body>\n<pre>TypeError: x<br> at y</pre>";
    check(page, ": Error TypeError: x at y");
    check(&format!("<p style=\"{}\">no gas</p>", "x".repeat(3_000)), ": no gas");
    let long = format!("<pre>{}</pre>", "word ".repeat(1_000));
    let shown = "word ".repeat(32);
    check(&long, &format!(": {shown}…"));
    check("<", "");
    check("a < b", ": a < b");
}

/// An engine may fail with a page of its framework.
#[tokio::test]
async fn a_long_page_is_an_answer_and_a_longer_one_is_none() {
    let answers: &[&str] = [64 * 1024, 64 * 1024 + 1]
        .map(|length| -> &str {
            let page = "x".repeat(length);
            format!(
                "HTTP/1.1 500 Oops\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            )
            .leak()
        })
        .to_vec()
        .leak();
    let engine = ScriptedEngine::start(answers).await;
    let node = node_with(&engine, None).await;
    let long = settle(&node.engines, "alice").await.unwrap_err();
    assert!(matches!(long, EngineError::Status { status: 500, .. }), "{long}");
    let longer = settle(&node.engines, "alice").await.unwrap_err();
    assert!(matches!(longer, EngineError::NoAnswer { .. }), "{longer}");
}

/// Some engines confirm an account only when they have agreed with the engine of the peer.
#[tokio::test(start_paused = true)]
async fn a_new_account_may_take_longer_than_a_settlement() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = RunningListener::start(None).await;
    let url = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
    let account: AccountId = "alice".parse().unwrap();
    let settings = EngineSettings { account: account.clone(), url, token: None };
    let alice = node.engines.replace_all([settings]).remove(0);
    let settled = settle(&node.engines, "alice").await.unwrap_err().to_string();
    assert!(settled.ends_with("no answer within 10s"), "{settled}");
    let created = node.engines.create_account(&alice).await.unwrap_err().to_string();
    assert!(created.ends_with("no answer within 30s"), "{created}");
    node.engines.note_silence(&alice, "it is still waited for".to_owned());
    let shown = node.context.engine_accounts.of_peer(&account).unwrap();
    assert_eq!(shown.last_error.as_deref(), Some("it is still waited for"));
}

#[tokio::test]
async fn only_an_account_that_the_engine_had_is_reported_as_lost() {
    let lost = |log: &Log| log.text().matches("the settlement engine has lost the account").count();
    let log = Log::of_this_thread();
    let engine = ScriptedEngine::start(&[
        UNKNOWN, CREATED, OK, UNKNOWN, CREATED, REPLY, UNKNOWN, CREATED, OK,
    ])
    .await;
    let node = node_with(&engine, None).await;
    settle(&node.engines, "alice").await.unwrap();
    assert_eq!(lost(&log), 0, "the first request of all");
    // The peer decides how many messages come.
    node.engines.deliver(&"alice".parse().unwrap(), b"hello").await.unwrap();
    assert_eq!(lost(&log), 0, "a message");
    settle(&node.engines, "alice").await.unwrap();
    assert_eq!(lost(&log), 1, "a settlement");
}

#[tokio::test]
async fn a_reload_keeps_what_is_the_same_and_names_what_is_new() {
    let engine = ScriptedEngine::start(&[]).await;
    let node = node_with(&engine, None).await;
    let alice = engine.of("alice", "/eth/", None);
    let bob = engine.of("bob", "/eth/", None);
    let accounts = &node.context.engine_accounts;
    let alices_account: AccountId = "alice".parse().unwrap();
    accounts.note_ready(&alices_account, Timestamp::from_millis(1));
    let new = node.engines.replace_all([alice.clone(), bob.clone()]);
    assert_eq!(accounts.of_peer(&alices_account).unwrap().state, EngineState::Ready);
    assert_eq!(new.iter().map(|one| one.settings.account.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert!(node.engines.is_current(&new[0]) && node.engines.has_engine("alice"));
    let bobs_account: AccountId = "bob".parse().unwrap();
    accounts.note_ready(&bobs_account, Timestamp::from_millis(1));
    let changed = node.engines.replace_all([engine.of("bob", "/xrp/", None)]);
    assert_eq!(changed.len(), 1);
    assert_eq!(
        accounts.of_peer(&bobs_account),
        Some(EngineAccount::default()),
        "of another engine"
    );
    assert!(!node.engines.is_current(&new[0]) && !node.engines.has_engine("alice"));
}

#[tokio::test]
async fn a_message_of_the_peer_goes_to_the_engine_as_bytes_row_136() {
    let engine = ScriptedEngine::start(&[REPLY]).await;
    let node = node_with(&engine, None).await;
    let reply = node.engines.deliver(&"alice".parse().unwrap(), b"\x01hello").await.unwrap();
    assert_eq!(&*reply, b"hi");
    let request = engine.requests.lock()[0].clone();
    assert!(request.starts_with("POST /eth/accounts/alice/messages HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/octet-stream\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n\u{1}hello"), "{request}");
    // A message whose time is over is not delivered; its number is unknown, so nothing is answered.
    let (account, data, deadline) = ("alice".parse().unwrap(), (*b"x").into(), Default::default());
    let late = PeerMessage { number: 9, account, data, deadline };
    deliver_message(&node.context, &node.engines, late).await;
    assert_eq!(engine.requests.lock().len(), 1);
}

#[tokio::test]
async fn the_account_at_an_engine_is_visible_and_a_conflict_means_that_it_exists() {
    let engine = ScriptedEngine::start(&[FAILED, EXISTS, CREATED, FAILED]).await;
    let node = RunningListener::start(None).await;
    let alice = node.engines.replace_all([engine.of("alice", "/", None)]).remove(0);
    let peer = "alice".parse().unwrap();
    let account = || node.context.engine_accounts.of_peer(&peer).unwrap();
    assert_eq!(account().state, EngineState::Waiting);
    node.engines.create_account(&alice).await.unwrap_err();
    assert_eq!((account().state, account().failures), (EngineState::Failing, 1));
    assert!(account().last_error.unwrap().contains("answers 500"));
    node.engines.create_account(&alice).await.unwrap();
    assert_eq!((account().state, account().last_error), (EngineState::Ready, None));
    node.engines.create_account(&alice).await.unwrap();
    // It answers: it has the account.
    settle(&node.engines, "alice").await.unwrap_err();
    assert_eq!((account().state, account().failures), (EngineState::Ready, 2));
    assert!(alice.wait_suspected().now_or_never().is_none(), "not yet");
    drop(engine);
    settle(&node.engines, "alice").await.unwrap_err();
    assert_eq!((account().state, account().failures), (EngineState::Failing, 3));
    // It may have started again: its account is created at once.
    alice.wait_suspected().await;
}
