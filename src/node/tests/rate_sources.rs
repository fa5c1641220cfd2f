//! A node with sources of exchange rates: a real file, and a real server.

use std::path::Path;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::connector::RateReport;

const PEERS: &str = "peers:\n  - {id: u, authToken: uu, assetCode: USD}\n  - {id: e, authToken: ee, assetCode: EUR}\n\
    routes: [{prefix: test.e, nextHop: e}, {prefix: test.u, nextHop: u}]\n";

fn rest(sources: &str) -> String {
    format!("{PEERS}rateSources: [{sources}]\n")
}

/// The rate from USD to EUR and its source.
fn rate(node: &Node) -> String {
    let reports = node.handle().context.connector.rate_reports();
    let is_it = |report: &&RateReport| &*report.from == "USD";
    match &reports.iter().find(is_it).unwrap().rate {
        Ok(Some(found)) => found.rate.to_string(),
        Ok(None) => "none".to_owned(),
        Err(gap) => format!("{gap:?}").split_whitespace().next().unwrap().to_owned(),
    }
}

fn write(path: &Path, text: &str) {
    // Another program replaces the file at once.
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(&next, path).unwrap();
}

#[tokio::test]
async fn a_file_is_followed_and_becomes_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rates.json");
    write(&file, r#"{"base": "USD", "rates": {"EUR": 0.8}}"#);
    let source =
        |rest: &str| self::rest(&format!("{{file: {}, refreshMs: 1000{rest}}}", file.display()));
    let node = start("n", &source("")).await;
    until("the first rate", || rate(&node) == "0.8").await;
    write(&file, r#"{"base": "USD", "rates": {"EUR": 0.9}}"#);
    until("the next rate", || rate(&node) == "0.9").await;
    write(&file, r#"{"base": "USD", "rates": {"EUR": 9}}"#);
    until("the jump", || rate(&node) == "Jumped").await;
    reload(&node, &source(", maxStep: 0.95")).await;
    // 9 is more than 95 % above 0.9, and 1.5 is not.
    write(&file, r#"{"base": "USD", "rates": {"EUR": 1.5}}"#);
    until("the end of the jump", || rate(&node) == "1.5").await;
    let hour_ago = SystemTime::now() - Duration::from_secs(3_600);
    std::fs::File::open(&file).unwrap().set_modified(hour_ago).unwrap();
    until("the age of the file", || rate(&node) == "Stale").await;
    let states = {
        let context = &node.handle().context;
        context.rate_book.lock().states(context.clock.now())
    };
    assert!(states[0].age.unwrap() >= Duration::from_secs(3_600), "{states:?}");
    let written = "rates: [{from: USD, to: EUR, rate: 2}, {from: EUR, to: USD, rate: 0.5}]";
    reload(&node, &format!("{PEERS}{written}\n")).await;
    until("the written rate", || rate(&node) == "2").await;
    stop(node).await;
}

/// Answers one request after the other, each with the next of these statuses and bodies, and the last one for ever.
async fn serve(answers: Vec<(u16, &'static str)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    super::super::task::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        let mut last = (500, "");
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            last = answers.next().unwrap_or(last);
            let _ = stream.read(&mut [0; 4096]).await;
            let (status, body) = last;
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_server_that_fails_is_replaced_by_the_next_source() {
    const XML: &str = "<Envelope><Cube><Cube time='2999-01-01'><Cube currency='USD' rate='1'/></Cube></Cube></Envelope>";
    let first = serve(vec![
        (503, "later"),
        (200, "<html>"),
        (200, r#"{"base": "EUR", "rates": {"USD": 1.25}}"#),
        (200, r#"{"base": "EUR", "rates": {"USD": 1.0}}"#),
    ])
    .await;
    let ahead = serve(vec![(200, XML)]).await;
    // It takes connections, and answers none.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = start(
        "n",
        &rest(&format!(
            "{{url: \"http://{}/\", refreshMs: 1000}}, {{url: \"http://{ahead}/x.xml\", format: ecb}}, \
             {{url: \"http://{first}/rates\", refreshMs: 1000}}",
            silent.local_addr().unwrap()
        )),
    )
    .await;
    until("a rate from the third source", || rate(&node) == "0.8").await;
    until("its next rate", || rate(&node) == "1").await;
    let states = {
        let context = &node.handle().context;
        context.rate_book.lock().states(context.clock.now())
    };
    let error = states[1].error.as_ref().unwrap();
    assert!(error.contains("ahead of our clock"), "{error}");
    assert!(states[0].error.is_none() && states[0].age.is_none(), "{states:?}");
    stop(node).await;
}
