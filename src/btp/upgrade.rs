//! The opening handshake of a WebSocket (RFC 6455 section 4), for both ends: the HTTP request that upgrades a stream.
//!
//! Headers are bounded. Bytes after a header are kept, because a peer may send its first frame without waiting. No
//! extension is offered or accepted. RFC 23 names no WebSocket subprotocol, so none is offered; but a client that
//! offers `btp` gets it, because browsers and some libraries fail without the answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::{client, derive_accept_key};
use tokio_tungstenite::tungstenite::http::Uri;

use super::byte_stream::ByteStream;
use super::http_header::{FIELDS_MAX, HEADER_BYTES_MAX, HeaderFields, read_header};
use super::socket::{CLOSE_TIMEOUT, READ_BYTES_BEFORE_LOGIN};
use crate::net::{BtpUrl, RequestOrigin, begins_as_proxy_header};

/// The WebSocket subprotocol that a client may offer. Other names are not chosen; the client may go on without one.
const SUBPROTOCOL: &str = "btp";
/// Interim responses (1xx) that a server may send before its 101.
const INTERIM_MAX: usize = 8;
/// Bytes after a refused request that are read and discarded, so that closing the socket does not discard the refusal.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// A stream whose HTTP part is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upgraded {
    /// The path of the request; empty at the client's own end.
    pub(super) path: String,
    /// Bytes that arrived after the header.
    pub(super) unread: Vec<u8>,
    /// Where the request came from, as a named proxy says.
    pub(super) origin: RequestOrigin,
}

/// Why a stream did not become a WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    #[error("the connection failed during the WebSocket handshake")]
    Io(#[from] std::io::Error),
    #[error("the connection was closed during the WebSocket handshake")]
    Closed,
    /// The socket was closed without a byte, as load balancers do to probe a port.
    #[error("the connection was closed without a byte")]
    Silent,
    #[error(
        "the received bytes are not HTTP; does one end use TLS (wss://) and the other not (ws://)?"
    )]
    NotHttp,
    /// A browser says which page a connection is from. Other programs do not.
    #[error("a web page may not use this port")]
    WebPage,
    #[error("the HTTP header is longer than {HEADER_BYTES_MAX} bytes")]
    TooLong,
    #[error("not a WebSocket handshake")]
    Malformed,
    #[error(
        "it begins with a header of the PROXY protocol, but proxies has no item for its address with sends: \
         proxyProtocol"
    )]
    UnnamedProxy,
    #[error("the server answered HTTP {0} instead of 101 (is this the BTP port of the peer?)")]
    Status(u16),
    #[error("the server sent more than {INTERIM_MAX} interim HTTP responses instead of 101")]
    Interim,
    /// The server's 101 does not belong to our request, or grants something that we did not request.
    #[error("the server's WebSocket handshake is invalid ({0})")]
    Answer(&'static str),
}

/// The response of the accepting end if the request does not open a WebSocket. A person with a browser can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpgradeRefusal {
    /// The request cannot be parsed, or lacks a mandatory field (RFC 9112 3.2).
    BadRequest,
    /// RFC 9110 15.5.22: this port serves another protocol.
    UpgradeRequired,
    /// RFC 6455 4.2.2: the origin of the request is not accepted.
    WebPage,
}

/// Which clients a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clients {
    /// All: each must know a token.
    All,
    /// All but web pages. RFC 6455 10.2: a page of any site can make its visitor's browser open a WebSocket to this
    /// machine, and then the request has an `Origin`.
    NoWebPages,
}

impl UpgradeRefusal {
    /// The whole response. RFC 9110 9.3.2: a response to HEAD has no content.
    fn response(self, with_content: bool) -> String {
        let (status, content) = match self {
            Self::BadRequest => ("400 Bad Request", "This is not a valid HTTP/1.1 request.\n"),
            Self::UpgradeRequired => (
                "426 Upgrade Required",
                "This port speaks BTP (Interledger RFC 23) over WebSocket only.\n",
            ),
            Self::WebPage => ("403 Forbidden", "Web pages may not use this port.\n"),
        };
        // RFC 9110 7.8: a sender of Upgrade lists it in Connection.
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

/// A client's valid request for a WebSocket.
#[derive(Debug, PartialEq, Eq)]
struct Accepted {
    path: String,
    accept_key: String,
    expects_continue: bool,
    offers_subprotocol: bool,
    origin: RequestOrigin,
}

/// Accepts a WebSocket, or refuses the request. `origin_of` reads the headers of proxies.
pub(super) async fn accept(
    stream: &mut ByteStream,
    clients: Clients,
    origin_of: impl FnOnce(HeaderFields<'_>) -> RequestOrigin,
) -> Result<Upgraded, UpgradeError> {
    let (header, unread) = match read_header(stream, Vec::new()).await {
        Err(UpgradeError::NotHttp) => {
            // Shows a TLS client that this port has no TLS.
            refuse(stream, UpgradeRefusal::BadRequest.response(true).as_bytes()).await;
            return Err(UpgradeError::NotHttp);
        }
        read => read?,
    };
    let accepted = match read_request(&header, clients, origin_of) {
        Ok(accepted) => accepted,
        Err(refusal) => {
            // A header of version 2 begins with an empty line, which ends the header of HTTP.
            let begins_as_proxy = begins_as_proxy_header(&[&header[..], &unread].concat());
            let with_content = !header.starts_with(b"HEAD ");
            refuse(stream, refusal.response(with_content).as_bytes()).await;
            return Err(match refusal {
                _ if begins_as_proxy => UpgradeError::UnnamedProxy,
                UpgradeRefusal::WebPage => UpgradeError::WebPage,
                UpgradeRefusal::BadRequest | UpgradeRefusal::UpgradeRequired => {
                    UpgradeError::Malformed
                }
            });
        }
    };
    // RFC 9110 7.8: a client that expects 100 gets it before 101.
    let interim = if accepted.expects_continue { "HTTP/1.1 100 Continue\r\n\r\n" } else { "" };
    // RFC 6455 4.2.2: the server answers with one of the offered subprotocols, or with none.
    let subprotocol = match accepted.offers_subprotocol {
        true => format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"),
        false => String::new(),
    };
    let answer = format!(
        "{interim}HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n{subprotocol}\r\n",
        accepted.accept_key
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    Ok(Upgraded { path: accepted.path, unread, origin: accepted.origin })
}

/// Checks the client's request by RFC 6455 4.2.1, and by RFC 9112 as any request.
fn read_request(
    header: &[u8],
    clients: Clients,
    origin_of: impl FnOnce(HeaderFields<'_>) -> RequestOrigin,
) -> Result<Accepted, UpgradeRefusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    if !request.parse(header).is_ok_and(|status| status.is_complete()) {
        return Err(UpgradeRefusal::BadRequest);
    }
    let fields = HeaderFields(request.headers);
    let is_1_1 = request.version == Some(1);
    // RFC 9112 3.2: exactly one Host.
    if is_1_1 && fields.single_line("Host").is_none() {
        return Err(UpgradeRefusal::BadRequest);
    }
    // The bytes after the header belong to the WebSocket: the request has no content.
    let has_length = fields.elements("Content-Length").any(|length| length != b"0");
    if has_length || fields.lines("Transfer-Encoding").next().is_some() {
        return Err(UpgradeRefusal::BadRequest);
    }
    let is_upgrade = request.method == Some("GET")
        // RFC 9110 7.8: Upgrade means nothing in HTTP/1.0.
        && is_1_1
        && fields.has_element("Connection", "upgrade")
        && fields.has_element("Upgrade", "websocket")
        && fields.has_element("Sec-WebSocket-Version", "13");
    let key = fields.single_line("Sec-WebSocket-Key").filter(|key| is_key(key));
    let (true, Some(key)) = (is_upgrade, key) else {
        return Err(UpgradeRefusal::UpgradeRequired);
    };
    if clients == Clients::NoWebPages && fields.lines("Origin").next().is_some() {
        return Err(UpgradeRefusal::WebPage);
    }
    // RFC 9112 3.2: the target is a path or a whole URL.
    let target: Uri =
        request.path.and_then(|target| target.parse().ok()).ok_or(UpgradeRefusal::BadRequest)?;
    Ok(Accepted {
        path: target.path().to_owned(),
        accept_key: derive_accept_key(key),
        expects_continue: fields.has_element("Expect", "100-continue"),
        offers_subprotocol: fields
            .elements("Sec-WebSocket-Protocol")
            .any(|offered| offered == SUBPROTOCOL.as_bytes()),
        origin: origin_of(fields),
    })
}

/// RFC 6455 4.2.1: a key is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|key| key.len() == 16)
}

/// Sends a refusal, as far as the client takes it. Then it reads for a moment, because to close a socket with unread
/// bytes would discard the response.
async fn refuse(stream: &mut ByteStream, response: &[u8]) {
    let refusal = async {
        stream.write_all(response).await?;
        stream.shutdown().await?;
        let mut bytes = [0; READ_BYTES_BEFORE_LOGIN];
        let mut discarded = 0;
        while discarded < DISCARDED_BYTES_MAX {
            match stream.read(&mut bytes).await? {
                0 => break,
                count => discarded += count,
            }
        }
        Ok::<(), std::io::Error>(())
    };
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, refusal).await;
}

/// Requests a WebSocket from the server at the other end of the stream.
pub(super) async fn connect(
    stream: &mut ByteStream,
    url: &BtpUrl,
) -> Result<Upgraded, UpgradeError> {
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
    // RFC 9110 15.2: a client accepts interim responses before the final one, expected or not.
    for _ in 0..=INTERIM_MAX {
        let (header, rest) = read_header(stream, unread).await?;
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let is_whole = response.parse(&header).is_ok_and(|status| status.is_complete());
        match response.code.filter(|_| is_whole) {
            None => return Err(UpgradeError::Malformed),
            Some(101) => {
                check_answer(HeaderFields(response.headers), &derive_accept_key(key.as_bytes()))?;
                let origin = RequestOrigin::Connection;
                return Ok(Upgraded { path: String::new(), unread: rest, origin });
            }
            Some(100..=199) => unread = rest,
            Some(status) => return Err(UpgradeError::Status(status)),
        }
    }
    Err(UpgradeError::Interim)
}

/// Checks the server's response by RFC 6455 4.1.
fn check_answer(fields: HeaderFields<'_>, accept_key: &str) -> Result<(), UpgradeError> {
    let has_key = fields.single_line("Sec-WebSocket-Accept") == Some(accept_key.as_bytes());
    let has_any = |name| fields.elements(name).next().is_some();
    let mistakes = [
        (!fields.has_element("Upgrade", "websocket"), "no `Upgrade: websocket`"),
        (!fields.has_element("Connection", "upgrade"), "no `Connection: Upgrade`"),
        (!has_key, "wrong Sec-WebSocket-Accept"),
        (has_any("Sec-WebSocket-Extensions"), "an extension that was not offered"),
        (has_any("Sec-WebSocket-Protocol"), "a subprotocol that was not offered"),
    ];
    let first = mistakes.into_iter().find(|(is_made, _)| *is_made);
    first.map_or(Ok(()), |(_, mistake)| Err(UpgradeError::Answer(mistake)))
}

#[cfg(test)]
mod tests;
