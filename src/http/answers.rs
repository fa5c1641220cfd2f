//! What a peer's server answers to a Prepare: what it means to the packet, to the link, and to the operator. Pure.
//!
//! A peer that answers with web pages or redirections is configured wrongly on one of the two sides. Its packets get codes
//! that say little, and their senders are elsewhere; so each such answer has a text for the operator of this node.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, LOCATION};

use super::ilp::is_packet_type;
use super::reply::OCTETS;
use crate::connector::PeerAnswer;
use crate::net::sanitize_bytes;
use crate::wire::ilp::Packet;

/// One answer, understood.
#[derive(Debug)]
pub(super) struct AnswerMeaning<'b> {
    /// What the packet gets; `None`: its answer comes in a request of the peer's own.
    pub(super) answer: Option<PeerAnswer<'b>>,
    /// The server does not accept our token.
    pub(super) refused: bool,
    /// What is wrong with the answer, and what to do about it. `None`: nothing is.
    pub(super) wrong: Option<String>,
}

/// Reads an answer. `is_async`: the peer answers asynchronously, by agreement.
pub(super) fn read<'b>(
    status: StatusCode,
    headers: &HeaderMap,
    body: &'b [u8],
    is_async: bool,
) -> AnswerMeaning<'b> {
    let reading = |answer, wrong| AnswerMeaning { answer: Some(answer), refused: false, wrong };
    match status {
        StatusCode::OK => reading(PeerAnswer::Packet(body), not_a_packet(headers, body)),
        StatusCode::ACCEPTED if is_async => {
            AnswerMeaning { answer: None, refused: false, wrong: None }
        }
        StatusCode::ACCEPTED => {
            let wrong = "it answers 202 Accepted, so it means to answer asynchronously; set httpMode: async";
            reading(PeerAnswer::Error, Some(wrong.to_owned()))
        }
        StatusCode::TOO_MANY_REQUESTS => reading(PeerAnswer::Busy, None),
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => {
            reading(PeerAnswer::NotTaken, Some(format!("it does not take a packet: {status}")))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => AnswerMeaning {
            answer: Some(PeerAnswer::Unreachable),
            refused: true,
            wrong: Some(format!("authentication failed: the peer answered {status}")),
        },
        // The link leads to where no packets are taken: another way may be better.
        status if status.is_client_error() => {
            let wrong = format!("it answers {status}; is the path of its url right?");
            reading(PeerAnswer::Unreachable, Some(wrong))
        }
        status if status.is_redirection() => {
            reading(PeerAnswer::Error, Some(redirected(status, headers)))
        }
        // RFC 35: 5xx becomes T00. A success that is none is no answer either.
        _ => reading(PeerAnswer::Error, Some(format!("it answers {status}"))),
    }
}

/// What is wrong with an answer of 200.
fn not_a_packet(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let given = headers.get(CONTENT_TYPE).map(|value| sanitize_bytes(value.as_bytes()));
    let is_answer = matches!(Packet::parse(body), Ok(Packet::Fulfill(_) | Packet::Reject(_)));
    match given {
        _ if body.is_empty() => {
            Some("it answers 200 OK with an empty body instead of an ILP packet".to_owned())
        }
        Some(given) if !is_answer && !is_packet_type(headers) => Some(format!(
            "it answers 200 OK with a body of type {given} instead of an ILP packet; is the path of its url right?"
        )),
        _ if !is_answer => {
            Some("it answers 200 OK with a body that is no Fulfill and no Reject".to_owned())
        }
        Some(given) if !is_packet_type(headers) => {
            Some(format!("it answers packets with Content-Type {given} instead of {OCTETS}"))
        }
        _ => None,
    }
}

/// We do not follow: a packet that was sent twice is paid twice, and the token is for the configured server.
fn redirected(status: StatusCode, headers: &HeaderMap) -> String {
    match headers.get(LOCATION) {
        Some(location) => format!(
            "it redirects ({status}) to {}; set url to where packets are taken",
            sanitize_bytes(location.as_bytes())
        ),
        None => format!("it redirects ({status}); set url to where packets are taken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::fulfill;

    fn check(status: u16, headers: &[(&'static str, &str)], body: &[u8], expected: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let reading = read(status.try_into().unwrap(), &map, body, false);
        let wrong = reading.wrong.unwrap_or_default();
        match expected {
            "" => assert_eq!(wrong, "", "{status} {headers:?}"),
            _ => assert!(wrong.contains(expected), "{status} {headers:?}: {wrong:?}"),
        }
    }

    #[test]
    fn what_is_no_answer_of_a_connector_is_told() {
        let octets = ("content-type", "application/octet-stream");
        let html = ("content-type", "text/html; charset=utf-8");
        check(200, &[octets], &fulfill(), "");
        check(200, &[], &fulfill(), "");
        check(200, &[("content-type", "Application/ILP+octet-stream; x=y")], &fulfill(), "");
        check(200, &[html], &fulfill(), "Content-Type text/html");
        check(200, &[html], b"<html>", "a body of type text/html");
        check(200, &[octets], b"", "empty body");
        check(200, &[octets], b"<html>", "no Fulfill and no Reject");
        check(200, &[octets], &crate::http::testing::prepare("test.a"), "no Fulfill");
        check(202, &[], b"", "httpMode: async");
        check(204, &[], b"", "204 No Content");
        for status in [301, 302, 303, 307, 308] {
            let location = ("location", "https://other.example/ilp");
            check(status, &[location], b"", "to https://other.example/ilp; set url");
        }
        check(304, &[], b"", "it redirects (304 Not Modified); set url");
        check(400, &[], b"", "does not take a packet: 400");
        check(401, &[], b"", "authentication failed");
        check(403, &[], b"", "authentication failed");
        check(404, &[html], b"<html>", "404 Not Found; is the path");
        check(405, &[], b"", "405 Method Not Allowed");
        check(429, &[], b"", "");
        check(503, &[], b"", "503 Service Unavailable");
    }

    #[test]
    fn an_asynchronous_peer_takes_packets_with_202() {
        let reading = read(StatusCode::ACCEPTED, &HeaderMap::new(), b"", true);
        assert!(reading.answer.is_none() && reading.wrong.is_none());
    }
}
