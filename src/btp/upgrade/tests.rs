//! Both ends of the WebSocket handshake, against requests and answers good and bad.

use super::*;

fn pipe() -> (ByteStream, ByteStream) {
    let (left, right) = tokio::io::duplex(64 * 1024);
    (ByteStream::Memory(left), ByteStream::Memory(right))
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn request(line: &str, headers: &str) -> String {
    format!(
        "{line}\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
}

/// Sends `sent` to an accepting end; returns its result and its answer.
async fn accepted(sent: &[u8]) -> (Result<Upgraded, UpgradeError>, String) {
    accepted_from(Clients::All, sent).await
}

async fn accepted_from(clients: Clients, sent: &[u8]) -> (Result<Upgraded, UpgradeError>, String) {
    let (mut client, mut server) = pipe();
    client.write_all(sent).await.unwrap();
    // It sends no more, but still reads.
    client.shutdown().await.unwrap();
    let result = accept(&mut server, clients, |_| RequestOrigin::Connection).await;
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    (result, answer)
}

#[tokio::test]
async fn the_accepting_end_answers_as_rfc_6455_has_it() {
    let mut sent = request("GET /accounts/bob/ilp/btp?x=1 HTTP/1.1", KEY).into_bytes();
    sent.extend([0x82, 0x80]);
    let (result, answer) = accepted(&sent).await;
    let upgraded = result.unwrap();
    assert_eq!(upgraded.path, "/accounts/bob/ilp/btp");
    assert_eq!(upgraded.unread, [0x82, 0x80], "frames after the header are kept");
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    // The example of RFC 6455 1.3.
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("extensions"), "{answer}");
}

/// Browsers fail without an answer to what they offered.
#[tokio::test]
async fn the_subprotocol_btp_is_chosen_if_it_is_offered() {
    for (offered, chosen) in [
        ("", false),
        ("Sec-WebSocket-Protocol: btp\r\n", true),
        ("Sec-WebSocket-Protocol: x, btp\r\n", true),
        ("sec-websocket-protocol: x\r\nSec-WebSocket-Protocol:btp , y\r\n", true),
        ("Sec-WebSocket-Protocol: BTP\r\n", false),
        ("Sec-WebSocket-Protocol: btpx\r\n", false),
        ("Sec-WebSocket-Protocol:\r\n", false),
    ] {
        let sent = request("GET / HTTP/1.1", &format!("{offered}{KEY}"));
        let (result, answer) = accepted(sent.as_bytes()).await;
        result.unwrap();
        let answered = answer.to_ascii_lowercase().matches("sec-websocket-protocol").count();
        assert_eq!(answered, usize::from(chosen), "{offered}: {answer}");
        assert_eq!(answer.contains("\r\nSec-WebSocket-Protocol: btp\r\n"), chosen, "{answer}");
    }
}

/// A proxy that the configuration does not name is found by its header.
#[tokio::test]
async fn a_header_of_the_proxy_protocol_that_nobody_expects_is_refused_with_its_name() {
    let after = request("GET / HTTP/1.1", KEY);
    for header in [
        &b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x05\0\x06",
    ] {
        let (result, answer) = accepted(&[header, after.as_bytes()].concat()).await;
        let error = result.unwrap_err();
        assert!(matches!(error, UpgradeError::UnnamedProxy), "{error}");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

/// Field lines of one name are one list, in any case and with any white space.
#[tokio::test]
async fn fields_are_lists() {
    for (line, instead) in [
        ("Connection: keep-alive, Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        ("Connection: keep-alive, Upgrade", "Connection: Upgrade\r\nconnection: keep-alive"),
        ("Connection: keep-alive, Upgrade", "CONNECTION:\t,, close ,\tUPGRADE  "),
        ("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c,websocket"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8, 13"),
        ("Host: h", "Host: h\r\nContent-Length: 0"),
        ("Host: h", "Host:"),
    ] {
        let sent = request("GET /p HTTP/1.1", KEY).replace(line, instead);
        let (result, answer) = accepted(sent.as_bytes()).await;
        assert_eq!(result.unwrap().path, "/p", "{instead}");
        assert!(answer.starts_with("HTTP/1.1 101 "), "{instead}: {answer}");
    }
}

#[tokio::test]
async fn a_target_may_be_a_whole_url_and_an_expected_100_comes_first() {
    let sent = request("GET http://h:1/accounts/bob/ilp/btp?x HTTP/1.1", KEY);
    assert_eq!(accepted(sent.as_bytes()).await.0.unwrap().path, "/accounts/bob/ilp/btp");
    let sent = request("GET / HTTP/1.1", &format!("Expect: 100-Continue\r\n{KEY}"));
    let (result, answer) = accepted(sent.as_bytes()).await;
    result.unwrap();
    let both = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n";
    assert!(answer.starts_with(both), "{answer}");
}

/// A browser sends an `Origin` whatever the page says.
#[tokio::test]
async fn a_web_page_is_refused_where_no_token_keeps_it_out() {
    for origin in ["Origin: https://example.com\r\n", "ORIGIN: null\r\n", "Origin:\r\n"] {
        let sent = request("GET / HTTP/1.1", &format!("{origin}{KEY}"));
        let (result, answer) = accepted_from(Clients::NoWebPages, sent.as_bytes()).await;
        assert!(matches!(result, Err(UpgradeError::WebPage)), "{origin}: {result:?}");
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{origin}: {answer}");
        assert!(accepted(sent.as_bytes()).await.0.is_ok(), "{origin}");
    }
    let sent = request("GET / HTTP/1.1", KEY);
    assert!(accepted_from(Clients::NoWebPages, sent.as_bytes()).await.0.is_ok());
}

/// The client receives the answer to a request with content before the connection closes.
#[tokio::test]
async fn a_refusal_reads_the_rest_of_the_request() {
    let (mut client, mut server) = pipe();
    client.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n").await.unwrap();
    let refused = async {
        accept(&mut server, Clients::All, |_| RequestOrigin::Connection).await.unwrap_err()
    };
    let rest = async {
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400");
        client.write_all(b"more bytes").await.unwrap();
        drop(client);
    };
    tokio::join!(refused, rest);
    let mut left = Vec::new();
    server.read_to_end(&mut left).await.unwrap();
    assert_eq!(left, b"", "all was read");
}

/// If only one end uses TLS, the other does not wait for the end of a header.
#[tokio::test]
async fn bytes_that_are_not_http_are_refused_at_once() {
    let (mut client, mut server) = pipe();
    client.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    let refused = async {
        accept(&mut server, Clients::All, |_| RequestOrigin::Connection).await.unwrap_err()
    };
    let answered = async {
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400");
        client
    };
    let (refused, _client) = tokio::join!(refused, answered);
    assert!(matches!(refused, UpgradeError::NotHttp), "{refused}");

    let (mut client, mut server) = pipe();
    server.write_all(b"\x15\x03\x03\x00\x02\x02\x32").await.unwrap();
    let url = "ws://h:1/".parse().unwrap();
    let refused = connect(&mut client, &url).await.unwrap_err();
    assert!(matches!(refused, UpgradeError::NotHttp), "{refused}");
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_refused_with_a_status() {
    let without = |line: &str| request("GET / HTTP/1.1", KEY).replace(line, "");
    for (status, sent) in [
        (426, "GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        (426, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        (426, "GET / HTTP/1.0\r\n\r\n".to_owned()),
        (426, request("POST / HTTP/1.1", KEY)),
        (426, request("HEAD / HTTP/1.1", KEY)),
        (426, request("GET / HTTP/1.0", KEY)),
        (426, request("GET / HTTP/1.1", "")),
        (426, request("GET / HTTP/1.1", "Sec-WebSocket-Key: short\r\n")),
        (426, request("GET / HTTP/1.1", &KEY.repeat(2))),
        (426, without("Connection: keep-alive, Upgrade\r\n")),
        (426, without("Upgrade: websocket\r\n")),
        (426, without("Sec-WebSocket-Version: 13\r\n")),
        (426, request("GET / HTTP/1.1", KEY).replace("Version: 13", "Version: 8")),
        (400, without("Host: h\r\n")),
        (400, request("GET / HTTP/1.1", &format!("Host: i\r\n{KEY}"))),
        (400, request("GET / HTTP/1.1", &format!("Content-Length: 5\r\n{KEY}"))),
        (400, request("GET / HTTP/1.1", &format!("Transfer-Encoding: chunked\r\n{KEY}"))),
        (400, request("GET / HTTP/1.1", KEY).replace("Host:", "Host :")),
        (400, "\u{0}\u{1}\u{2}\r\n\r\n".to_owned()),
    ] {
        let (result, answer) = accepted(sent.as_bytes()).await;
        assert!(matches!(result, Err(UpgradeError::Malformed)), "{sent}: {result:?}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{sent}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let length = if sent.starts_with("HEAD") { 63 } else { body.len() };
        assert!(head.contains(&format!("Content-Length: {length}")), "{answer}");
        assert_eq!(body.is_empty(), sent.starts_with("HEAD"), "{answer}");
        assert!(head.contains("\r\nConnection: Upgrade, close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn the_header_is_bounded() {
    let (result, _) = accepted(&[b'x'; HEADER_BYTES_MAX + READ_BYTES_BEFORE_LOGIN]).await;
    assert!(matches!(result, Err(UpgradeError::TooLong)), "{result:?}");
    let (mut client, mut server) = pipe();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    drop(client);
    let result = accept(&mut server, Clients::All, |_| RequestOrigin::Connection).await;
    assert!(matches!(result, Err(UpgradeError::Closed)), "{result:?}");
}

#[tokio::test]
async fn both_ends_meet() {
    let (mut client, mut server) = pipe();
    let url: BtpUrl = "btp+ws://user:token@host:3000/a/b?c".parse().unwrap();
    let (connected, accepted) = tokio::join!(
        connect(&mut client, &url),
        accept(&mut server, Clients::All, |_| RequestOrigin::Connection)
    );
    connected.unwrap();
    assert_eq!(accepted.unwrap().path, "/a/b");
}

/// The result of a dialling end that receives `answer`, and its request. `KEY` stands for the right accept key.
async fn connected(answer: &str) -> (Result<Upgraded, UpgradeError>, String) {
    let (mut client, mut server) = pipe();
    let url: BtpUrl = "btp+ws://user:token@host:3000/x".parse().unwrap();
    let serve = async {
        let (head, _) = read_header(&mut server, Vec::new()).await.unwrap();
        let head = String::from_utf8(head).unwrap();
        let key = head.split("Sec-WebSocket-Key: ").nth(1).unwrap().split('\r').next().unwrap();
        let answer = answer.replace("KEY", &derive_accept_key(key.as_bytes()));
        server.write_all(answer.as_bytes()).await.unwrap();
        drop(server);
        head
    };
    tokio::join!(connect(&mut client, &url), serve)
}

#[tokio::test]
async fn the_dialling_end_checks_the_answer() {
    let good = "HTTP/1.1 101 OK\r\nUpgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
                Sec-WebSocket-Accept: KEY\r\n";
    let (result, head) = connected(&format!("{good}\r\n\u{7f}")).await;
    assert_eq!(result.unwrap().unread, b"\x7f");
    assert!(head.starts_with("GET /x HTTP/1.1\r\nHost: host:3000\r\n"), "{head}");
    assert!(!head.contains("token"), "credentials are for BTP, not for HTTP: {head}");

    for (answer, expected) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n".to_owned(), "HTTP 404"),
        (format!("{}\r\n", good.replace("KEY", "x")), "wrong Sec-WebSocket-Accept"),
        (format!("{}\r\n", good.replace("Upgrade: WebSocket", "A: b")), "Upgrade: websocket"),
        (format!("{}\r\n", good.replace("upgrade", "close")), "no `Connection: Upgrade`"),
        (format!("{good}Sec-WebSocket-Protocol: x\r\n\r\n"), "subprotocol"),
        (format!("{good}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), "extension"),
        ("\u{1}\r\n\r\n".to_owned(), "not a WebSocket handshake"),
        ("HTTP/1.1 101".to_owned(), "closed"),
    ] {
        let (result, _) = connected(&answer).await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{answer}: {error}");
    }
}

#[tokio::test]
async fn the_dialling_end_skips_interim_responses_within_a_bound() {
    let good = "HTTP/1.1 101 OK\r\nUpgrade: a, WebSocket\r\nConnection: close\r\n\
                Connection: upgrade\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol:\r\n\r\n\u{7f}";
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for count in [1, 2, INTERIM_MAX] {
        let (result, _) = connected(&format!("{}{good}", interim.repeat(count))).await;
        assert_eq!(result.unwrap().unread, b"\x7f", "{count}");
    }
    let (result, _) = connected(&format!("{}{good}", interim.repeat(INTERIM_MAX + 1))).await;
    assert!(matches!(result, Err(UpgradeError::Interim)), "{result:?}");
    let (result, _) = connected(&format!("{interim}HTTP/1.1 403 No\r\n\r\n")).await;
    assert!(matches!(result, Err(UpgradeError::Status(403))), "{result:?}");
    // Each of them is bounded too.
    let endless =
        format!("{interim}HTTP/1.1 100 {}", "x".repeat(HEADER_BYTES_MAX + READ_BYTES_BEFORE_LOGIN));
    let (result, _) = connected(&endless).await;
    assert!(matches!(result, Err(UpgradeError::TooLong)), "{result:?}");
}

#[tokio::test]
async fn a_client_that_closes_without_a_byte_is_silent() {
    let (result, _) = accepted(b"").await;
    assert!(matches!(result, Err(UpgradeError::Silent)), "{result:?}");
    let (result, _) = accepted(b"G").await;
    assert!(matches!(result, Err(UpgradeError::Closed)), "{result:?}");
}
