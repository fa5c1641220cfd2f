//! Queries over a socket: shapes, headers and errors.

use super::*;
use crate::account::AccountSettings;
use crate::connector::ConnectorSettings;
use crate::http::testing::{RunningServer, serve_without_peers};
use crate::stream::{Receiver, SharedSecret};
use crate::web::ConnectionLimits;
use crate::web::testing::{Answer, request_once};

fn receiver(id: &str) -> AccountSettings {
    AccountSettings::receiver(id.parse().unwrap(), Receiver::new(&[1; 32], id))
}

/// A node with these receivers, at `address`.
async fn node(receivers: &[&str], address: Option<&str>) -> RunningServer {
    let node = serve_without_peers(ConnectionLimits::default(), None).await;
    let settings = ConnectorSettings {
        accounts: receivers.iter().map(|id| receiver(id)).collect(),
        address: address.map(|address| address.parse().unwrap()),
        ..crate::testing::connector_settings("node", &[])
    };
    node.context.connector.apply_settings(settings).unwrap();
    node
}

/// Status, headers in lower case, and body.
async fn query(node: &RunningServer, method: &str, path: &str) -> (u16, String, String) {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: node\r\naccept: application/spsp4+json");
    let Answer { status, head, body } = request_once(node.address, &head).await;
    (status, head.to_ascii_lowercase(), body)
}

fn credentials(body: &str) -> (String, SharedSecret) {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert_eq!(body["asset_info"], json!({ "code": "USD", "scale": 9 }));
    assert_eq!(body["receipts_enabled"], false);
    let secret = STANDARD.decode(body["shared_secret"].as_str().unwrap()).unwrap();
    let destination = body["destination_account"].as_str().unwrap().to_owned();
    (destination, SharedSecret(secret.try_into().unwrap()))
}

const COMMON: [&str; 3] = [
    "access-control-allow-origin: *",
    "access-control-allow-headers: web-monetization-id",
    "cache-control: no-cache",
];

fn check_headers(head: &str, more: &[&str]) {
    for line in COMMON.iter().chain(more) {
        assert!(head.lines().any(|header| header == *line), "no {line} in {head}");
    }
}

#[tokio::test]
async fn every_query_gets_new_credentials_row_126() {
    let node = node(&["shop", "wallet"], Some("test.node")).await;
    let mut destinations = Vec::new();
    for (path, id) in [("/wallet", "wallet"), ("/wallet", "wallet"), ("/.well-known/pay", "shop")] {
        let (status, head, body) = query(&node, "GET", path).await;
        assert_eq!(status, 200, "{body}");
        check_headers(&head, &["content-type: application/spsp4+json"]);
        let (destination, secret) = credentials(&body);
        let token = destination.strip_prefix(&format!("test.node.{id}.")).unwrap();
        assert_eq!(token.len(), 24);
        assert_eq!(secret, Receiver::new(&[1; 32], id).secret(token));
        assert!(!destinations.contains(&destination));
        destinations.push(destination);
    }
}

#[tokio::test]
async fn paths_of_other_implementations_mean_the_same_receiver() {
    let node = node(&["shop", "wallet"], Some("test.node")).await;
    for (path, id) in [
        ("/wallet/", "wallet"),
        ("/spsp/wallet", "wallet"),
        ("/spsp/wallet/", "wallet"),
        ("/accounts/wallet/spsp", "wallet"),
        ("/accounts/wallet/spsp/", "wallet"),
        ("/.well-known/pay/", "shop"),
    ] {
        let (status, _, body) = query(&node, "GET", path).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(credentials(&body).0.starts_with(&format!("test.node.{id}.")), "{path}: {body}");
        assert_eq!(query(&node, "OPTIONS", path).await.0, 204, "{path}");
    }
    for path in ["/spsp/unknown", "/accounts/unknown/spsp", "/spsp/", "/accounts/"] {
        let (status, _, body) = query(&node, "GET", path).await;
        assert_eq!(status, 404, "{path}");
        assert!(body.contains("InvalidReceiverError"), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_verifier_gets_a_connection_with_receipts_and_mistakes_are_named() {
    let node = node(&["wallet"], Some("test.node")).await;
    let ask = async |headers: String| {
        let head = format!("GET /wallet HTTP/1.1\r\nhost: node{headers}");
        let answer = request_once(node.address, &head).await;
        (answer.status, answer.body)
    };
    let nonce = "\r\nReceipt-Nonce: ABEiM0RVZneImaq7zN3u/w==";
    let secret = |length| format!("\r\nReceipt-Secret: {}", STANDARD.encode(vec![0xfe; length]));
    let (status, body) = ask(format!("{nonce}{}", secret(32))).await;
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["receipts_enabled"], true);
    let destination = body["destination_account"].as_str().unwrap();
    let id = destination.strip_prefix("test.node.wallet.").unwrap();
    assert_eq!(id.len(), 102);
    let shared = STANDARD.decode(body["shared_secret"].as_str().unwrap()).unwrap();
    assert_eq!(shared, Receiver::new(&[1; 32], "wallet").secret(id).0);
    let url_safe = "\r\nReceipt-Nonce: ABEiM0RVZneImaq7zN3u_w";
    assert_eq!(ask(format!("{url_safe}{}", secret(32))).await.0, 200);
    for (headers, mistake) in [
        (nonce.to_owned(), "receipt-nonce needs receipt-secret beside it"),
        (secret(32), "receipt-secret needs receipt-nonce beside it"),
        (format!("{nonce}{}", secret(31)), "receipt-secret must be 32 bytes in base64"),
        (format!("\r\nReceipt-Nonce: ?{}", secret(32)), "receipt-nonce must be 16 bytes in base64"),
    ] {
        let (status, body) = ask(headers).await;
        assert_eq!(status, 400, "{body}");
        assert!(body.contains(mistake), "{body}");
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let node = node(&["wallet"], Some("test.node")).await;
    let (status, head, body) = query(&node, "HEAD", "/wallet").await;
    assert_eq!((status, body.as_str()), (200, ""));
    check_headers(&head, &["content-type: application/spsp4+json"]);
    assert_eq!(query(&node, "HEAD", "/unknown").await.0, 404);
}

#[tokio::test]
async fn unknown_receivers_are_not_found_row_126() {
    let node = node(&["wallet"], Some("test.node")).await;
    for path in ["/unknown", "/Wallet", "/wallet%2fx", "/%77allets", "/%ff"] {
        let (status, head, body) = query(&node, "GET", path).await;
        assert_eq!(status, 404, "{path}");
        check_headers(&head, &["content-type: application/spsp4+json"]);
        assert_eq!(body, r#"{"id":"InvalidReceiverError","message":"Invalid receiver ID"}"#);
    }
    // No SPSP endpoint.
    for path in ["/", "/wallet/x", "/spsp/wallet/x", "/accounts/wallet", "/.well-known/other"] {
        let (status, head, _) = query(&node, "GET", path).await;
        assert_eq!(status, 404, "{path}");
        assert!(head.contains("content-type: application/problem+json"), "{path}: {head}");
    }
    let empty = self::node(&[], Some("test.node")).await;
    assert_eq!(query(&empty, "GET", "/.well-known/pay").await.0, 404);
}

#[tokio::test]
async fn pages_of_all_origins_may_query_row_126() {
    let node = node(&["wallet"], Some("test.node")).await;
    for path in ["/wallet", "/.well-known/pay", "/unknown"] {
        let (status, head, body) = query(&node, "OPTIONS", path).await;
        assert_eq!((status, body.as_str()), (204, ""), "{path}");
        let methods = "access-control-allow-methods: get, head, options";
        check_headers(&head, &["allow: get, head, options", methods]);
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let node = node(&["wallet"], Some("test.node")).await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/wallet", "/.well-known/pay"] {
            let (status, head, body) = query(&node, method, path).await;
            assert_eq!(status, 405, "{method} {path}: {body}");
            check_headers(&head, &["content-type: application/problem+json"]);
            let allow: Vec<_> = head.lines().filter(|line| line.starts_with("allow:")).collect();
            assert_eq!(allow, ["allow: get, head, options"], "{method} {path}");
        }
    }
}

#[tokio::test]
async fn only_what_exists_refuses_a_method() {
    let node = node(&["wallet"], Some("test.node")).await;
    for method in ["POST", "PUT", "DELETE"] {
        for path in ["/nothing", "/ilp/", "/spsp/nobody", "/accounts/nobody/spsp", "/%ff"] {
            let (status, head, body) = query(&node, method, path).await;
            assert_eq!(status, 404, "{method} {path}: {body}");
            check_headers(&head, &["content-type: application/problem+json"]);
            assert!(body.contains("there is nothing at this path"), "{method} {path}: {body}");
        }
    }
}

#[tokio::test]
async fn without_an_address_no_receiver_can_be_paid() {
    let node = node(&["wallet"], None).await;
    for path in ["/wallet", "/.well-known/pay"] {
        let (status, head, body) = query(&node, "GET", path).await;
        assert_eq!(status, 503, "{path}");
        check_headers(&head, &["retry-after: 5"]);
        assert!(body.contains("this node has no address of its own yet"), "{body}");
    }
    assert_eq!(query(&node, "GET", "/unknown").await.0, 404);
    node.context.connector.set_address("test.parent.node".parse().unwrap()).unwrap();
    let (status, _, body) = query(&node, "GET", "/wallet").await;
    assert_eq!(status, 200);
    assert!(credentials(&body).0.starts_with("test.parent.node.wallet."));
}
