//! Verbs of operators that the node cannot take now.

use super::*;
use crate::api::{VerbDone, VerbOrder};

/// Suspends bob; returns the status and the body.
async fn suspend(api: &RunningApi) -> (u16, String) {
    let body = r#"{"ttlSeconds":60,"reason":"x"}"#;
    let head = format!(
        "POST /api/v1/nodes/hub/peers/bob/suspend HTTP/1.1\r\nhost: hub\r\n\
         authorization: Bearer s3cret\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close",
        body.len()
    );
    let answer = request_once(api.address, &format!("{head}\r\n\r\n{body}")).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_node_that_is_not_there_yet_full_or_on_standby_takes_no_verb() {
    let (status, api) = serve_configured(&[("bob", false)], Some("s3cret")).await;
    status.set_listening(NodeAddresses { btp: api.address, api: api.address });
    let check = async |text: &str| {
        let (code, body) = suspend(&api).await;
        assert!(code == 503 && body.contains(text), "{code} {body}");
    };
    check("the node starts or stops").await;
    let mut orders = status.accept_verbs();
    // It stops with the order.
    let node = async {
        let VerbOrder { by, reason, .. } = orders.recv().await.unwrap();
        (by, reason)
    };
    let ((code, body), order) = tokio::join!(suspend(&api), node);
    assert_eq!(order, ("apiToken".to_owned(), "x".to_owned()));
    assert!(code == 503 && body.contains("the node stops"), "{code} {body}");
    let full: Vec<_> = std::iter::from_fn(|| {
        let orders = status.verbs.get().unwrap();
        orders.clone().try_reserve_owned().ok()
    })
    .collect();
    assert_eq!(full.len(), crate::api::verbs::VERB_ORDERS_MAX);
    check("too many changes wait").await;
    drop(full);
    status.set_standby("b has the books".to_owned());
    check("this process is a standby").await;
    assert!(orders.try_recv().is_err(), "nothing reached the node");
}

#[tokio::test]
async fn a_verb_is_answered_by_the_node() {
    let (status, api) = serve_configured(&[("bob", false)], Some("s3cret")).await;
    status.set_listening(NodeAddresses { btp: api.address, api: api.address });
    let mut orders = status.accept_verbs();
    let node = async {
        let VerbOrder { reply, ticket, .. } = orders.recv().await.unwrap();
        ticket.done();
        let (node, peer) = ("hub".to_owned(), "bob".to_owned());
        let done = crate::observe::ReconnectBody { node, peer, closed_sessions: 3, dials: true };
        reply.send(Ok(VerbDone::Reconnected(done))).unwrap();
    };
    let ((code, body), ()) = tokio::join!(suspend(&api), node);
    assert!(code == 200 && body.contains("\"closedSessions\":3"), "{code} {body}");
}
