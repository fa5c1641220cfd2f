//! The client against this program's server and scripted ones.

use tokio::net::TcpListener;

use super::*;
use crate::http::testing::{self_signed, serve_without_peers};
use crate::net::TlsTrust;
use crate::web::ConnectionLimits;
use crate::web::testing::RawConnection;

fn url(text: &str) -> HttpUrl {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_document_over_http_1_and_over_tls_with_http_2() {
    let client = HttpClient::new(TlsTrust::default()).unwrap();
    let node = serve_without_peers(ConnectionLimits::default(), None).await;
    let here = url(&format!("http://user:token@{}/x/y?z", node.address));
    let fetched = client.get(&here, "application/json").await.unwrap();
    assert_eq!(fetched.status, 404);
    assert_eq!(fetched.content_type.as_deref(), Some("application/problem+json"));
    assert!(fetched.body.ends_with(br#""detail":"there is nothing at /x/y"}"#), "{fetched:?}");

    let (_folder, trust, tls) = self_signed();
    let node = serve_without_peers(ConnectionLimits::default(), Some(tls)).await;
    let here = url(&format!("https://localhost:{}/x", node.address.port()));
    let refused = client.get(&here, "*/*").await.unwrap_err().to_string();
    assert!(refused.contains("TLS"), "{refused}");
    let client = HttpClient::new(trust).unwrap();
    assert_eq!(client.get(&here, "*/*").await.unwrap().status, 404);
    let plain = url(&format!("http://localhost:{}/x", node.address.port()));
    let refused = client.get(&plain, "*/*").await.unwrap_err().to_string();
    assert!(refused.starts_with("no answer"), "{refused}");
}

/// The document that this answer becomes, and the head of the request.
async fn fetch_from(answer: &str) -> (Result<Document, FetchError>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = url(&format!("http://{}/a", listener.local_addr().unwrap()));
    let serve = async {
        let mut server = RawConnection(listener.accept().await.unwrap().0);
        let request = server.read_head().await;
        server.write(answer).await;
        request
    };
    let client = HttpClient::new(TlsTrust::default()).unwrap();
    tokio::join!(client.get(&here, "application/spsp4+json"), serve)
}

#[tokio::test]
async fn answers_of_servers() {
    let (fetched, request) = fetch_from(
        "HTTP/1.1 200 OK\r\nContent-Type: Application/SPSP4+json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
    )
    .await;
    let expected = Document {
        status: 200,
        content_type: Some("application/spsp4+json".to_owned()),
        location: None,
        retry_after: None,
        body: Bytes::from_static(b"{}"),
    };
    assert_eq!(fetched.unwrap(), expected);
    assert!(request.starts_with("GET /a HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("accept: application/spsp4+json\r\n"), "{request}");

    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
    let fetched = fetch_from(elsewhere).await.0.unwrap();
    assert_eq!((fetched.status, fetched.location.as_deref()), (302, Some("/b")));

    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", "longer than"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "no answer"),
        ("HTTP/1.1 200 OK\r\n", "no answer"),
        ("220 mail.example ESMTP\r\n", "no answer"),
        ("", "no answer"),
    ] {
        let (fetched, _) = fetch_from(answer).await;
        let error = fetched.unwrap_err().to_string();
        assert!(error.contains(expected), "{answer:?}: {error}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(DOCUMENT_BYTES_MAX + 1));
    let (fetched, _) = fetch_from(&endless).await;
    assert!(matches!(fetched, Err(FetchError::TooLong(_))), "{fetched:?}");
}

#[tokio::test]
async fn bytes_are_posted_with_further_headers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = url(&format!("http://{}/a", listener.local_addr().unwrap()));
    let serve = async {
        let mut server = RawConnection(listener.accept().await.unwrap().0);
        let request = server.read_head().await;
        server.write("HTTP/1.1 204 No Content\r\n\r\n").await;
        request
    };
    let client = HttpClient::with_tls(Arc::new(ClientTls::load(TlsTrust::default()).unwrap()));
    let asked = |headers| DocumentRequest {
        url: &here,
        accept: "*/*",
        bearer: Some("secret"),
        verb: HttpVerb::PostBytes(&[0, 255]),
        headers,
        timeout: TIMEOUT,
        bytes_max: 0,
    };
    let (fetched, request) = tokio::join!(client.fetch(asked(&[("Webhook-Id", "7")])), serve);
    assert_eq!(fetched.unwrap().status, 204);
    for line in [
        "POST /a HTTP/1.1",
        "content-type: application/octet-stream",
        "content-length: 2",
        "authorization: Bearer secret",
        "webhook-id: 7",
    ] {
        assert!(request.lines().any(|found| found == line), "{line} in {request}");
    }
    let (refused, request) =
        tokio::join!(client.fetch(asked(&[("Webhook-Id", "7\r\nA: b")])), async {
            listener.accept().await.map(drop)
        });
    assert!(matches!(refused, Err(FetchError::Url(_))), "{refused:?}");
    request.unwrap();
}

#[tokio::test]
async fn no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = url(&format!("http://{}/", listener.local_addr().unwrap()));
    drop(listener);
    let client = HttpClient::new(TlsTrust::default()).unwrap();
    let error = client.get(&here, "*/*").await.unwrap_err().to_string();
    assert!(error.contains("cannot connect"), "{error}");
}
