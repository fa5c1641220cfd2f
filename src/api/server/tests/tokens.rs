//! Requests with tokens, and guesses.

use super::*;
use crate::wire::Timestamp;

#[tokio::test]
async fn a_token_guards_all_but_health() {
    let (_, api) = serve_configured(&[], Some("s3cret")).await;
    for (page, guarded) in [
        ("/health", false),
        ("/health/live", false),
        ("/health/ready", false),
        ("/nowhere", false),
        ("/metrics", true),
        ("/peers", true),
        ("/routes", true),
        ("/routes?limit=none", true),
    ] {
        let right = "\r\nauthorization: Bearer s3cret";
        for (header, passes) in
            [("", !guarded), ("\r\nauthorization: Bearer other", !guarded), (right, true)]
        {
            for method in ["GET", "HEAD"] {
                let answer = api.send(&format!("{method} {page} HTTP/1.1{header}")).await;
                assert_eq!(answer.status == 401, !passes, "{method} {page} {header}");
                let challenge = (!passes).then_some("Bearer realm=\"ilp-connector\"");
                assert_eq!(answer.header("www-authenticate"), challenge, "{page}");
                assert!(!answer.body.contains("s3cret"));
            }
        }
    }
}

#[tokio::test]
async fn each_token_does_what_its_scopes_allow() {
    let (status, api) = serve_configured(&[], None).await;
    status.set_listening(NodeAddresses { btp: api.address, api: api.address });
    let _orders = status.accept_changes();
    let [reader, operator, peers, old] = [
        ("reader", Scope::Read),
        ("operator", Scope::Operate),
        ("bob", Scope::Read),
        ("old", Scope::Read),
    ]
    .map(|(id, scope)| api_token_of(id, id, &[scope]));
    let peers = ApiToken { peer: Some("bob".parse().unwrap()), ..peers };
    let old = ApiToken { expires: Some(Timestamp::from_millis(1)), ..old };
    configure_with(&status, Vec::new(), vec![reader, operator, peers, old]);
    let (get, change) = ("GET /peers HTTP/1.1", "POST /ledger/changes HTTP/1.1");
    for (token, request, code, says) in [
        ("reader", get, 200, ""),
        ("reader", "GET /metrics HTTP/1.1", 200, ""),
        ("reader", change, 403, "needs the scope operate, which the token reader does not have"),
        ("operator", get, 403, "needs the scope read, which the token operator does not have"),
        // The body is missing.
        ("operator", change, 400, ""),
        ("bob", get, 403, "not for the token of a peer"),
        ("bob", "GET /routes HTTP/1.1", 403, "not for the token of a peer"),
        ("bob", "GET /metrics HTTP/1.1", 403, "not for the token of a peer"),
        ("old", get, 401, "this token has expired"),
        ("old", "GET /api/v1 HTTP/1.1", 401, "this token has expired"),
        ("other", get, 401, "needs the header"),
    ] {
        let answer = api.send(&format!("{request}\r\nauthorization: Bearer {token}")).await;
        assert_eq!(answer.status, code, "{token} {request} {}", answer.body);
        assert!(answer.body.contains(says), "{token} {request} {}", answer.body);
    }
}

#[tokio::test]
async fn guesses_above_a_rate_are_not_checked() {
    let (_, api) = serve_configured(&[], Some("s3cret")).await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let guess = "GET /peers HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer guess\r\n";
    let mut guesses = format!("{guess}\r\n").repeat(1_000);
    guesses += &format!("{guess}connection: close\r\n\r\n");
    let (mut reading, mut writing) = stream.split();
    let mut answers = String::new();
    let (written, read) =
        tokio::join!(writing.write_all(guesses.as_bytes()), reading.read_to_string(&mut answers));
    written.and(read).unwrap();
    let count = |status: &str| answers.matches(status).count();
    let (refused, later) = (count("HTTP/1.1 401"), count("HTTP/1.1 429"));
    assert_eq!(refused + later, 1_001);
    assert!(refused >= 100 && later > 0, "{refused} {later}");
    assert_eq!(count("retry-after: 1"), later);
}
