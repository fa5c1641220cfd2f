//! The HTTP request that turns a byte stream into a WebSocket (RFC 6455 section 4), for both ends.
//!
//! Heads are bounded, the path of the request is known, and bytes that arrive behind a head are kept: a peer may send its
//! first frame without waiting. No extension is offered or accepted, and no WebSocket subprotocol: RFC 23 has none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::{client, derive_accept_key};
use tokio_tungstenite::tungstenite::http::Uri;

use super::bounds::CLOSE_LINGER;
use super::http_header::{FIELDS_MAX, HEAD_BYTES_MAX, HeaderFields, READ_BYTES, read_head};
use super::stream::Stream;
use crate::transport::BtpUrl;

/// Interim responses (1xx) that a server may send before its 101.
const INTERIM_MAX: usize = 8;
/// Bytes that are read and thrown away behind a request that was refused, so that the refusal is not lost with them.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

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
    /// The socket was closed without a byte, as load balancers do to see whether a port is open.
    #[error("the connection was closed without a byte")]
    Silent,
    /// What begins with a byte that no HTTP message begins with.
    #[error("what came is not HTTP; does one end speak TLS (wss://) and the other not (ws://)?")]
    NotHttp,
    /// The head is longer than any that a WebSocket needs.
    #[error("the HTTP head is longer than {HEAD_BYTES_MAX} bytes")]
    TooLong,
    /// Not HTTP, or not a WebSocket handshake.
    #[error("not a WebSocket handshake")]
    Malformed,
    /// The server answered, but not with 101.
    #[error("the server answered HTTP {0} instead of 101 (is this the BTP port of the peer?)")]
    Status(u16),
    /// The server sends interim responses without an end.
    #[error("the server sent more than {INTERIM_MAX} interim HTTP responses instead of 101")]
    Interim,
    /// The server's 101 does not belong to our request, or grants what we did not ask for.
    #[error("the server's WebSocket handshake is invalid ({0})")]
    Answer(&'static str),
}

/// What the accepting end answers with instead of 101, readable for the person who came with a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// RFC 9110 2.2, 7.2: what cannot be understood, or lacks what every request must have.
    BadRequest,
    /// RFC 9110 15.5.22: this port speaks another protocol.
    UpgradeRequired,
}

impl Refusal {
    /// The whole response. `with_content`: not for HEAD (RFC 9110 9.3.2).
    fn response(self, with_content: bool) -> String {
        let (status, content) = match self {
            Self::BadRequest => ("400 Bad Request", "This is not a valid HTTP/1.1 request.\n"),
            Self::UpgradeRequired => (
                "426 Upgrade Required",
                "This port speaks BTP (Interledger RFC 23) over WebSocket only.\n",
            ),
        };
        // RFC 9110 7.8: who sends Upgrade names it in Connection.
        let mut response = format!(
            "HTTP/1.1 {status}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        if with_content {
            response.push_str(content);
        }
        response
    }
}

/// A request that turns into a WebSocket.
#[derive(Debug, PartialEq, Eq)]
struct Accepted {
    path: String,
    accept_key: String,
    /// It waits for a 100 first.
    expects_continue: bool,
}

/// The accepting end.
pub(super) async fn accept(stream: &mut Stream) -> Result<Upgraded, UpgradeError> {
    let (head, unread) = match read_head(stream, Vec::new()).await {
        Err(UpgradeError::NotHttp) => {
            // A client that speaks TLS sees by it that this end does not.
            refuse(stream, Refusal::BadRequest.response(true).as_bytes()).await;
            return Err(UpgradeError::NotHttp);
        }
        read => read?,
    };
    let accepted = match read_request(&head) {
        Ok(accepted) => accepted,
        Err(refusal) => {
            let with_content = !head.starts_with(b"HEAD ");
            refuse(stream, refusal.response(with_content).as_bytes()).await;
            return Err(UpgradeError::Malformed);
        }
    };
    // RFC 9110 7.8: 100 before 101, for who expects it.
    let interim = if accepted.expects_continue { "HTTP/1.1 100 Continue\r\n\r\n" } else { "" };
    let answer = format!(
        "{interim}HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accepted.accept_key
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    Ok(Upgraded { path: accepted.path, unread })
}

/// RFC 6455 4.2.1, what the client's handshake must have, and RFC 9112 for what any request must have.
fn read_request(head: &[u8]) -> Result<Accepted, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    if !request.parse(head).is_ok_and(|status| status.is_complete()) {
        return Err(Refusal::BadRequest);
    }
    let fields = HeaderFields(request.headers);
    let is_1_1 = request.version == Some(1);
    // RFC 9112 3.2: exactly one.
    if is_1_1 && fields.only("Host").is_none() {
        return Err(Refusal::BadRequest);
    }
    // What follows is a WebSocket's, not the content of a request.
    let has_length = fields.elements("Content-Length").any(|length| length != b"0");
    if has_length || fields.lines("Transfer-Encoding").next().is_some() {
        return Err(Refusal::BadRequest);
    }
    let asks = request.method == Some("GET")
        // RFC 9110 7.8: Upgrade means nothing in HTTP/1.0.
        && is_1_1
        && fields.has("Connection", "upgrade")
        && fields.has("Upgrade", "websocket")
        && fields.has("Sec-WebSocket-Version", "13");
    let key = fields.only("Sec-WebSocket-Key").filter(|key| is_key(key));
    let (true, Some(key)) = (asks, key) else { return Err(Refusal::UpgradeRequired) };
    // A path, or a whole URL (RFC 9112 3.2.2).
    let target: Uri =
        request.path.and_then(|target| target.parse().ok()).ok_or(Refusal::BadRequest)?;
    Ok(Accepted {
        path: target.path().to_owned(),
        accept_key: derive_accept_key(key),
        expects_continue: fields.has("Expect", "100-continue"),
    })
}

/// RFC 6455 4.2.1: 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|key| key.len() == 16)
}

/// Best effort: who does not speak WebSocket may not read the answer either. Closing a socket with unread bytes would
/// destroy what was sent last, so what is still coming is read for a moment.
async fn refuse(stream: &mut Stream, response: &[u8]) {
    let said = async {
        stream.write_all(response).await?;
        stream.shutdown().await?;
        let mut bytes = [0; READ_BYTES];
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES_MAX {
            match stream.read(&mut bytes).await? {
                0 => break,
                count => discarded += count,
            }
        }
        Ok::<(), std::io::Error>(())
    };
    let _ = tokio::time::timeout(CLOSE_LINGER, said).await;
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
    let mut unread = Vec::new();
    // RFC 9110 15.2: a client reads interim responses before the final one, expected or not.
    for _ in 0..=INTERIM_MAX {
        let (head, rest) = read_head(stream, unread).await?;
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let is_whole = response.parse(&head).is_ok_and(|status| status.is_complete());
        match response.code.filter(|_| is_whole) {
            None => return Err(UpgradeError::Malformed),
            Some(101) => {
                check_answer(HeaderFields(response.headers), &derive_accept_key(key.as_bytes()))?;
                return Ok(Upgraded { path: String::new(), unread: rest });
            }
            Some(100..=199) => unread = rest,
            Some(status) => return Err(UpgradeError::Status(status)),
        }
    }
    Err(UpgradeError::Interim)
}

/// RFC 6455 4.1, the client's duties on the server's handshake.
fn check_answer(fields: HeaderFields<'_>, accept_key: &str) -> Result<(), UpgradeError> {
    if !fields.has("Upgrade", "websocket") {
        return Err(UpgradeError::Answer("no `Upgrade: websocket`"));
    }
    if !fields.has("Connection", "upgrade") {
        return Err(UpgradeError::Answer("no `BtpConnection: Upgrade`"));
    }
    if fields.only("Sec-WebSocket-Accept") != Some(accept_key.as_bytes()) {
        return Err(UpgradeError::Answer("wrong Sec-WebSocket-Accept"));
    }
    if fields.elements("Sec-WebSocket-Extensions").next().is_some() {
        return Err(UpgradeError::Answer("an extension that was not offered"));
    }
    if fields.elements("Sec-WebSocket-Protocol").next().is_some() {
        return Err(UpgradeError::Answer("a subprotocol that was not offered"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
