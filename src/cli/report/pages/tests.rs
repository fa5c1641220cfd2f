//! What programs that are no node, or hostile ones, get and give.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use crate::net::Secret;
use crate::testing::TEST_TIMEOUT;
use crate::web::testing::RawConnection;

const TOKEN: &str = "an-operators-token";

/// What a program answers.
enum Answer {
    /// With this status and body.
    Body(&'static str, String),
    /// With no byte.
    Nothing,
    /// With bytes that do not end.
    Endless,
}

/// The requests that arrived, without those for the id of the node before each token.
fn without_id_checks(heads: &[String]) -> Vec<&str> {
    let is_health = |head: &str| head.starts_with("GET /health ");
    let checks = heads.iter().skip(1).filter(|head| is_health(head)).count();
    let with_token = heads.iter().filter(|head| head.contains(TOKEN)).count();
    assert_eq!(checks, with_token, "each token follows the id: {heads:?}");
    let mut kept = vec![heads[0].as_str()];
    kept.extend(heads[1..].iter().map(String::as_str).filter(|head| !is_health(head)));
    kept
}

/// The manifest, README and files as text, and the heads of the requests that arrived.
async fn report(id: Option<&str>, answer: impl Fn(&str) -> Answer) -> (String, Vec<String>) {
    report_within(TEST_TIMEOUT, id, answer).await
}

/// The same with this time for an answer.
async fn report_within(
    time_max: Duration,
    id: Option<&str>,
    answer: impl Fn(&str) -> Answer,
) -> (String, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = AskedNode {
        id: id.map(str::to_owned),
        url: format!("http://{}", listener.local_addr().unwrap()).parse().unwrap(),
        token: Some(Secret::new(TOKEN)),
        hint: "is it running?".to_owned(),
    };
    let client = PageClient::new(time_max).unwrap().with_page_bytes(PAGE_BYTES_MAX);
    let mut archive = Archive::new(String::new());
    let mut heads = Vec::new();
    let serve = async {
        let mut silent = Vec::new();
        loop {
            let mut connection = RawConnection::accept(&listener).await;
            while let Some(head) = connection.next_head().await {
                let path = head.split(' ').nth(1).unwrap().to_owned();
                heads.push(head);
                match answer(&path) {
                    Answer::Body(status, body) => connection.answer(status, body.as_bytes()).await,
                    Answer::Nothing => {
                        silent.push(connection);
                        break;
                    }
                    Answer::Endless => {
                        connection.write("HTTP/1.1 200 OK\r\n\r\n").await;
                        // Until the client closes the connection.
                        while connection.0.write_all(&[b'x'; 65_536]).await.is_ok() {}
                    }
                }
            }
        }
    };
    let nodes = [node];
    tokio::select! {
        () = serve => unreachable!("it serves for ever"),
        () = add_all(&mut archive, &client, &nodes, time_max) => {}
    }
    (format!("{archive:?}"), heads)
}

fn has_token(heads: &[impl AsRef<str>]) -> bool {
    let has = |head: &str| head.to_lowercase().contains("authorization") || head.contains(TOKEN);
    heads.iter().any(|head| has(head.as_ref()))
}

fn body(status: &'static str, body: &str) -> Answer {
    Answer::Body(status, body.to_owned())
}

/// A node that has the token.
fn answer_as_node(path: &str) -> Answer {
    match path {
        "/health" => body("200 OK", r#"{"status":"healthy","nodeId":"n"}"#),
        "/api/v1" => body("200 OK", r#"{"boot":"00000001","nodes":["n"],"scopes":[]}"#),
        _ => body("200 OK", "{}"),
    }
}

#[tokio::test]
async fn the_token_goes_to_no_program_that_is_no_node() {
    for (status, text) in [
        ("404 Not Found", ""),
        ("404 Not Found", r#"{"detail":"there is nothing at /health"}"#),
        ("200 OK", "{}"),
        ("200 OK", "[]"),
        ("200 OK", "null"),
        ("200 OK", "<html>"),
        ("200 OK", r#"{"nodeId":7}"#),
        ("503 Service Unavailable", r#"{"status":"unhealthy"}"#),
        ("500 Internal Server Error", "{}"),
    ] {
        for id in [Some("n"), None] {
            let (archive, heads) = report(id, |_| body(status, text)).await;
            assert!(!has_token(&heads), "{id:?} {text}: {heads:?}");
            assert!(archive.contains("files: []"), "{id:?} {text}: {archive}");
            assert_eq!(archive.matches("Missing {").count(), 1, "{archive}");
            let asked = if id.is_some() { 1 } else { 2 };
            assert_eq!(heads.len(), asked, "{id:?} {text}: {heads:?}");
        }
    }
    let (archive, heads) = report(Some("m"), answer_as_node).await;
    assert!(!has_token(&heads) && archive.contains("the node n answers at"), "{archive}");
}

#[tokio::test]
async fn a_node_and_the_page_of_many_get_the_token() {
    for id in [Some("n"), None] {
        let (archive, heads) = report(id, answer_as_node).await;
        let heads = match id {
            Some(_) => without_id_checks(&heads),
            None => heads.iter().map(String::as_str).collect(),
        };
        assert!(!has_token(&heads[..1]) && heads[1..].iter().all(|head| head.contains(TOKEN)));
        assert_eq!(heads.len(), 1 + PAGES.len() + NODE_PAGES.len());
        assert!(archive.contains("nodes/n/log.txt"), "{archive}");
    }
    // Those of `up` and of `watch`; a page with a token of its own refuses the request without one.
    let not_found = r#"{"detail":"there is nothing at /health"}"#;
    for health in [("404 Not Found", not_found), ("200 OK", r#"{"status":"healthy"}"#)] {
        for is_open in [true, false] {
            let asked = std::cell::Cell::new(0);
            let (archive, heads) = report(None, |path| match path {
                "/health" => body(health.0, health.1),
                "/api/v1" if !is_open && asked.replace(1) == 0 => {
                    body("401 Unauthorized", r#"{"detail":"a token is needed"}"#)
                }
                path => answer_as_node(path),
            })
            .await;
            assert!(!has_token(&heads[..2]) && has_token(&heads[2..]), "{heads:?}");
            assert!(archive.contains("/log.txt"), "{archive}");
        }
    }
}

#[tokio::test]
async fn a_place_that_hangs_is_asked_for_nothing_more() {
    const SHORT: Duration = Duration::from_millis(500);
    let (archive, heads) = report_within(SHORT, Some("n"), |_| Answer::Nothing).await;
    assert_eq!((heads.len(), archive.matches("Missing {").count()), (1, 1), "{archive}");
    let (archive, heads) = report_within(SHORT, Some("n"), |path| match path {
        "/api/v1/links" => Answer::Nothing,
        path => answer_as_node(path),
    })
    .await;
    let heads = without_id_checks(&heads);
    // After health, api.json, peers.json and nodes.json.
    assert_eq!((heads.len(), archive.matches("Missing {").count()), (5, 1), "{archive}");
    assert!(archive.contains("links.json and what follows of n"), "{archive}");
    assert!(archive.contains("nodes/n/peers.json"), "what it said before stays: {archive}");
}

#[tokio::test]
async fn endless_and_long_answers_are_bounded() {
    let (archive, heads) = report(Some("n"), |_| Answer::Endless).await;
    assert_eq!((heads.len(), archive.matches("Missing {").count()), (1, 1), "{archive}");
    assert!(archive.contains("longer than 4194304 bytes"), "{archive}");
    let (archive, _) = report(Some("n"), |path| match path {
        "/peers" => Answer::Endless,
        path => answer_as_node(path),
    })
    .await;
    assert!(archive.contains("peers.json of n"), "{archive}");
    assert!(archive.contains("nodes/n/log.txt"), "one long page is no reason to stop: {archive}");
    // Many nodes with long pages and ids.
    let mut ids: Vec<String> = (0..NODES_MAX + 3).map(|number| format!("n{number}")).collect();
    ids.push("x".repeat(100_000));
    let api = serde_json::json!({ "boot": "00000001", "nodes": ids }).to_string();
    let (archive, heads) = report(Some("n"), |path| match path {
        "/api/v1" => body("200 OK", &api),
        path if path.starts_with("/api/v1/nodes/") => body("200 OK", &"x ".repeat(1_500_000)),
        path => answer_as_node(path),
    })
    .await;
    assert!(archive.len() < PLACE_BYTES_MAX + 100_000, "{}", archive.len());
    assert!(archive.contains("its files would have more than"));
    assert_eq!(archive.matches("Missing {").count(), 1);
    let heads = without_id_checks(&heads);
    assert_eq!(heads.len(), 1 + PAGES.len() + 8, "seven files of 1 MiB, and one too many");
    let (archive, heads) = report(Some("n"), |path| match path {
        "/api/v1" => body("200 OK", &api),
        path => answer_as_node(path),
    })
    .await;
    let heads = without_id_checks(&heads);
    assert_eq!(heads.len(), 1 + PAGES.len() + NODES_MAX * NODE_PAGES.len());
    assert!(archive.contains("3 of 53 were not asked"), "{archive}");
}

#[tokio::test]
async fn words_of_strangers_are_masked() {
    let random = "Qz7xKv2RtW9LmB4nYd8HsJ6gVcF3pU1o";
    let (archive, _) = report(Some("n"), |path| match path {
        "/api/v1" => answer_as_node(path),
        "/health" => body(
            "200 OK",
            &format!(r#"{{"nodeId":"n","peers":[{{"id":"b","lastError":"F00: {random}"}}]}}"#),
        ),
        _ => body("200 OK", &format!(r#"{{"lines":["x {random}"],"text":"no {random}"}}"#)),
    })
    .await;
    let shown = |file: &str| {
        let text = archive.split("ReportFile {").find(|text| text.contains(file)).unwrap();
        text.contains(random)
    };
    for file in ["health", "peers", "nodes", "links", "events", "reasons", "rejects", "webhooks"] {
        assert!(!shown(&format!("nodes/n/{file}.json")), "{file}: {archive}");
    }
    assert!(!shown("nodes/n/log.txt"), "{archive}");
    assert!(shown("nodes/n/routes.json"), "prefixes of a table stay: {archive}");
}

#[tokio::test]
async fn the_time_for_a_place_is_bounded() {
    let url = "http://127.0.0.1:1".parse().unwrap();
    let node = AskedNode { id: None, url, token: None, hint: String::new() };
    let name = node.name();
    let answers = Answers { name, files: Vec::new(), missing: Vec::new(), bytes: 0 };
    let client = PageClient::new(Duration::from_secs(5)).unwrap();
    let until = Instant::now() + Duration::from_millis(50);
    let place = Place { client: &client, node: &node, until, answers };
    assert_eq!(place.in_time(std::future::ready(1)).await, Ok(1));
    let late = place.in_time(std::future::pending::<()>()).await.unwrap_err();
    assert!(late.contains("no time left"), "{late}");
    assert!(Instant::now() >= until);
}
