//! The HTTP request that turns a byte stream into a WebSocket (RFC 6455 section 4), for both ends.
//!
//! `tungstenite` parses and forms the messages; reading and writing them is done here, so that the head is bounded, the
//! path of the request is known, and bytes that arrive behind the head are kept: a peer may send its first frame
//! without waiting. No extension is offered or accepted, and no WebSocket subprotocol: RFC 23 has none.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::{client, derive_accept_key, server};
use tokio_tungstenite::tungstenite::http::{HeaderMap, StatusCode, header};

use super::stream::Stream;
use crate::transport::BtpUrl;

/// The longest HTTP head that is read, in bytes.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Bytes that one read may take; what is behind the head belongs to the WebSocket.
const READ_BYTES: usize = 1024;

/// Answer to whatever is no WebSocket handshake, readable for the person who sent it with a browser.
const UPGRADE_REQUIRED: &[u8] =
    b"HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nUpgrade: websocket\r\n\
Sec-WebSocket-Version: 13\r\nContent-Type: text/plain\r\nContent-Length: 63\r\n\r\n\
This port speaks BTP (Interledger RFC 23) over WebSocket only.\n";

/// A stream whose HTTP part is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upgraded {
    /// The path that the client asked for; empty at the client's own end.
    pub(super) path: String,
    /// What arrived behind the head.
    pub(super) unread: Vec<u8>,
}

/// Why a stream did not become a WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The socket failed.
    #[error("the connection failed during the WebSocket handshake")]
    Io(#[from] std::io::Error),
    /// The socket was closed early.
    #[error("the connection was closed during the WebSocket handshake")]
    Closed,
    /// The head is longer than any that a WebSocket needs.
    #[error("the HTTP head is longer than {HEAD_BYTES_MAX} bytes")]
    TooLong,
    /// Not HTTP, or not a WebSocket handshake.
    #[error("not a WebSocket handshake")]
    Malformed,
    /// The server answered, but not with 101.
    #[error("the server answered HTTP {0} instead of 101 (is this the BTP port of the peer?)")]
    Status(u16),
    /// The server's 101 does not belong to our request, or grants what we did not ask for.
    #[error("the server's WebSocket handshake is invalid ({0})")]
    Answer(&'static str),
}

/// The accepting end.
pub(super) async fn accept(stream: &mut Stream) -> Result<Upgraded, UpgradeError> {
    let (head, unread) = read_head(stream).await?;
    let request = server::Request::try_parse(&head);
    let response = match &request {
        Ok(Some((_, request))) => server::create_response(request).ok(),
        _ => None,
    };
    let (Ok(Some((_, request))), Some(response)) = (request, response) else {
        // Best effort: who does not speak WebSocket may not read the answer either.
        let _ = stream.write_all(UPGRADE_REQUIRED).await;
        let _ = stream.shutdown().await;
        return Err(UpgradeError::Malformed);
    };
    let mut answer = Vec::new();
    server::write_response(&mut answer, &response).map_err(|_| UpgradeError::Malformed)?;
    stream.write_all(&answer).await?;
    stream.flush().await?;
    Ok(Upgraded { path: request.uri().path().to_owned(), unread })
}

/// The dialling end.
pub(super) async fn connect(stream: &mut Stream, url: &BtpUrl) -> Result<Upgraded, UpgradeError> {
    let key = client::generate_key();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n",
        url.path_and_query(),
        url.authority(),
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let (head, unread) = read_head(stream).await?;
    let Ok(Some((_, response))) = client::Response::try_parse(&head) else {
        return Err(UpgradeError::Malformed);
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(UpgradeError::Status(response.status().as_u16()));
    }
    check_answer(response.headers(), &derive_accept_key(key.as_bytes()))?;
    Ok(Upgraded { path: String::new(), unread })
}

/// RFC 6455 4.1, the client's duties on the server's handshake.
fn check_answer(headers: &HeaderMap, accept_key: &str) -> Result<(), UpgradeError> {
    let has_token = |name, token: &str| {
        headers.get_all(name).iter().any(|value| {
            value.to_str().is_ok_and(|value| {
                value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
            })
        })
    };
    if !has_token(header::UPGRADE, "websocket") {
        return Err(UpgradeError::Answer("no `Upgrade: websocket`"));
    }
    if !has_token(header::CONNECTION, "upgrade") {
        return Err(UpgradeError::Answer("no `Connection: Upgrade`"));
    }
    if headers.get(header::SEC_WEBSOCKET_ACCEPT).is_none_or(|value| value != accept_key) {
        return Err(UpgradeError::Answer("wrong Sec-WebSocket-Accept"));
    }
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(UpgradeError::Answer("an extension that was not offered"));
    }
    if headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return Err(UpgradeError::Answer("a subprotocol that was not offered"));
    }
    Ok(())
}

/// Reads until the empty line, and returns the head and what came behind it.
async fn read_head(stream: &mut Stream) -> Result<(Vec<u8>, Vec<u8>), UpgradeError> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::with_capacity(READ_BYTES);
    loop {
        let searched = head.len().saturating_sub(END.len() - 1);
        head.reserve(READ_BYTES);
        if (&mut *stream).take(READ_BYTES as u64).read_buf(&mut head).await? == 0 {
            return Err(UpgradeError::Closed);
        }
        let unsearched = head.get(searched..).unwrap_or_default();
        if let Some(at) = unsearched.windows(END.len()).position(|window| window == END) {
            let unread = head.split_off(searched + at + END.len());
            return Ok((head, unread));
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(UpgradeError::TooLong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe() -> (Stream, Stream) {
        let (left, right) = tokio::io::duplex(64 * 1024);
        (Stream::Memory(left), Stream::Memory(right))
    }

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn request(line: &str, headers: &str) -> String {
        format!(
            "{line}\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\n{headers}\r\n"
        )
    }

    /// Sends `sent` to an accepting end; returns what it made of it and what it answered.
    async fn accepted(sent: &[u8]) -> (Result<Upgraded, UpgradeError>, String) {
        let (mut client, mut server) = pipe();
        client.write_all(sent).await.unwrap();
        let result = accept(&mut server).await;
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
        assert_eq!(upgraded.unread, [0x82, 0x80], "frames behind the head are kept");
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
        // The example of RFC 6455 1.3.
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("extensions"), "{answer}");
    }

    #[tokio::test]
    async fn what_is_no_handshake_is_told_so() {
        for sent in [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
            request("POST / HTTP/1.1", KEY),
            request("GET / HTTP/1.1", ""),
            request("GET / HTTP/1.1", "Sec-WebSocket-Key: short\r\n"),
            "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
        ] {
            let (result, answer) = accepted(sent.as_bytes()).await;
            assert!(matches!(result, Err(UpgradeError::Malformed)), "{sent}: {result:?}");
            assert!(answer.starts_with("HTTP/1.1 426 "), "{sent}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{answer}");
        }
    }

    #[tokio::test]
    async fn the_head_is_bounded() {
        let (result, _) = accepted(&[b'x'; HEAD_BYTES_MAX + READ_BYTES]).await;
        assert!(matches!(result, Err(UpgradeError::TooLong)), "{result:?}");
        let (mut client, mut server) = pipe();
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        drop(client);
        let result = accept(&mut server).await;
        assert!(matches!(result, Err(UpgradeError::Closed)), "{result:?}");
    }

    #[tokio::test]
    async fn both_ends_meet() {
        let (mut client, mut server) = pipe();
        let url: BtpUrl = "btp+ws://user:token@host:3000/a/b?c".parse().unwrap();
        let (connected, accepted) = tokio::join!(connect(&mut client, &url), accept(&mut server));
        connected.unwrap();
        assert_eq!(accepted.unwrap().path, "/a/b");
    }

    /// What a dialling end makes of an answer to its request; `KEY` stands for the right accept key.
    async fn connected(answer: &str) -> (Result<Upgraded, UpgradeError>, String) {
        let (mut client, mut server) = pipe();
        let url: BtpUrl = "btp+ws://user:token@host:3000/x".parse().unwrap();
        let serve = async {
            let (head, _) = read_head(&mut server).await.unwrap();
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
            (format!("{}\r\n", good.replace("upgrade", "close")), "Connection: Upgrade"),
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
}
