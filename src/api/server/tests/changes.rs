//! `POST /ledger/changes`: who may, and which answer means what. Here the test makes the changes.

use tokio::sync::mpsc;

use super::*;
use crate::api::{ChangeOrder, ChangeRefusal};
use crate::books::ChangeError;
use crate::wire::Timestamp;

const BODY: &str = r#"{"id":"one","account":"bob","adjust":"-5","reason":"a fee"}"#;

async fn post(api: &RunningApi, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "POST /ledger/changes HTTP/1.1\r\nhost: hub\r\ncontent-length: {length}\r\n{headers}connection: close"
    );
    request_once(api.address, &format!("{head}\r\n\r\n{body}")).await
}

const TOKEN: &str = "authorization: Bearer s3cret\r\n";

/// Answers all changes with this refusal, or makes them.
fn answer_changes(
    mut orders: mpsc::Receiver<ChangeOrder>,
    refuse: fn() -> Option<ChangeRefusal>,
) -> JoinSet<()> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Some(ChangeOrder { request, reply }) = orders.recv().await {
            let made = request.made(Timestamp::EPOCH, "bob".into(), Default::default(), 95);
            reply.send(refuse().map_or(Ok(made), Err)).unwrap();
        }
    });
    task
}

#[tokio::test]
async fn without_a_token_nothing_is_changed() {
    let (status, api) = serve_configured(&[], None).await;
    let mut orders = status.accept_changes();
    let answer = post(&api, "", BODY).await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("set one"), "{}", answer.body);
    configure(&status, &[], Some("s3cret"));
    for headers in ["", "authorization: Bearer other\r\n"] {
        assert_eq!(post(&api, headers, BODY).await.status, 401);
    }
    assert!(orders.try_recv().is_err());
}

#[tokio::test]
async fn answers_to_changes() {
    async fn check(refuse: fn() -> Option<ChangeRefusal>, code: u16, text: &str) {
        let (status, api) = serve_configured(&[], Some("s3cret")).await;
        let _changes = answer_changes(status.accept_changes(), refuse);
        let answer = post(&api, TOKEN, BODY).await;
        assert_eq!(answer.status, code, "{}", answer.body);
        assert!(answer.body.contains(text), "{}", answer.body);
    }
    let made = r#"{"id":"one","at":"1970-01-01T00:00:00.000Z","account":"bob","asset":"USD/9","kind":"adjust","amount":"-5","balanceBefore":"100","balance":"95","reason":"a fee","by":"api"}"#;
    check(|| None, 200, made).await;
    let unknown = || Some(ChangeError::UnknownAccount("bob".to_owned()).into());
    check(unknown, 404, "there is no account bob").await;
    let above = || {
        let above = crate::account::AboveUncertain { uncertain: 7 };
        Some(ChangeError::from(above).into())
    };
    check(above, 409, "between 0 and 7").await;
    let fails = || Some(ChangeRefusal::StoreFails("disk full".to_owned()));
    check(fails, 503, "nothing has changed, because the store fails: disk full").await;
    let not_saved = || Some(ChangeRefusal::NotSaved("disk full".to_owned()));
    check(not_saved, 503, "the balance has changed, but is not saved yet").await;
}

#[tokio::test]
async fn bodies_are_bounded_and_checked_before_anything_changes() {
    let (status, api) = serve_configured(&[], Some("s3cret")).await;
    let answer = post(&api, TOKEN, BODY).await;
    assert_eq!((answer.status, answer.body.contains("no store")), (503, true), "{}", answer.body);
    let orders = status.accept_changes();
    let answer = post(&api, TOKEN, r#"{"account":"bob","ajust":"1","reason":"x"}"#).await;
    assert_eq!((answer.status, answer.body.contains("unknown field")), (400, true));
    assert_eq!(post(&api, TOKEN, &" ".repeat(20_000)).await.status, 413);
    let answer = api.send("GET /ledger/changes HTTP/1.1").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    drop(orders);
    let answer = post(&api, TOKEN, BODY).await;
    assert_eq!((answer.status, answer.body.contains("the node stops")), (503, true));
}
