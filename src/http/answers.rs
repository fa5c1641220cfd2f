//! The meaning of a response to a Prepare for the packet, the link and the operator. Pure.
//!
//! If a peer answers with web pages or redirections, one of the two sides is misconfigured. The code of a Reject says
//! little about that, and only the packet's sender gets it, so each such response has a text for the operator of this
//! node.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, LOCATION};

use super::ilp::has_packet_type;
use super::reply::OCTET_STREAM;
use crate::connector::PeerAnswer;
use crate::net::sanitize_bytes;
use crate::wire::ilp::Packet;

#[derive(Debug)]
pub(super) struct AnswerMeaning<'b> {
    /// The answer to the packet; `None`: the peer will post it.
    pub(super) answer: Option<PeerAnswer<'b>>,
    /// The server refuses the token.
    pub(super) is_refused: bool,
    /// What is wrong with the response, and what to do about it.
    pub(super) mistake: Option<String>,
}

/// `is_async`: the peer is configured to answer asynchronously.
pub(super) fn interpret_response<'b>(
    status: StatusCode,
    headers: &HeaderMap,
    body: &'b [u8],
    is_async: bool,
) -> AnswerMeaning<'b> {
    let answered =
        |answer, mistake| AnswerMeaning { answer: Some(answer), is_refused: false, mistake };
    match status {
        // A synchronous peer answers 200 with a Fulfill or Reject as the body. [row 128]
        StatusCode::OK => answered(PeerAnswer::Packet(body), mistake_of_ok(headers, body)),
        StatusCode::ACCEPTED if is_async => {
            AnswerMeaning { answer: None, is_refused: false, mistake: None }
        }
        StatusCode::ACCEPTED => {
            let mistake = "it answers 202 Accepted, so it means to answer asynchronously; set httpMode: async";
            answered(PeerAnswer::Error, Some(mistake.to_owned()))
        }
        StatusCode::TOO_MANY_REQUESTS => answered(PeerAnswer::Busy, None),
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => {
            answered(PeerAnswer::Declined, Some(format!("it does not accept a packet: {status}")))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => AnswerMeaning {
            answer: Some(PeerAnswer::Unreachable),
            is_refused: true,
            mistake: Some(format!("authentication failed: the peer answered {status}")),
        },
        // The URL does not accept packets, so another next hop may be better.
        status if status.is_client_error() => {
            let mistake = format!("it answers {status}; is the path of its url right?");
            answered(PeerAnswer::Unreachable, Some(mistake))
        }
        status if status.is_redirection() => {
            answered(PeerAnswer::Error, Some(mistake_of_redirect(status, headers)))
        }
        // RFC 35 "Error Handling": a status of 5xx should become a Reject with T00.
        _ => answered(PeerAnswer::Error, Some(format!("it answers {status}"))),
    }
}

fn mistake_of_ok(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let content_type = headers.get(CONTENT_TYPE).map(|value| sanitize_bytes(value.as_bytes()));
    let is_answer = matches!(Packet::parse(body), Ok(Packet::Fulfill(_) | Packet::Reject(_)));
    match content_type {
        _ if body.is_empty() => {
            Some("it answers 200 OK with an empty body instead of an ILP packet".to_owned())
        }
        Some(given) if !is_answer && !has_packet_type(headers) => Some(format!(
            "it answers 200 OK with a body of type {given} instead of an ILP packet; is the path of its url right?"
        )),
        _ if !is_answer => {
            Some("it answers 200 OK with a body that is neither a Fulfill nor a Reject".to_owned())
        }
        Some(given) if !has_packet_type(headers) => {
            Some(format!("it answers packets with Content-Type {given} instead of {OCTET_STREAM}"))
        }
        _ => None,
    }
}

/// Redirects are not followed: the packet could be paid twice, and the token is for the configured server.
fn mistake_of_redirect(status: StatusCode, headers: &HeaderMap) -> String {
    match headers.get(LOCATION) {
        Some(location) => format!(
            "it redirects ({status}) to {}; set url to the path that accepts packets",
            sanitize_bytes(location.as_bytes())
        ),
        None => format!("it redirects ({status}); set url to the path that accepts packets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fulfillment, payment};

    fn check(status: u16, headers: &[(&'static str, &str)], body: &[u8], expected: &str) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let meaning = interpret_response(status.try_into().unwrap(), &map, body, false);
        let mistake = meaning.mistake.unwrap_or_default();
        match expected {
            "" => assert_eq!(mistake, "", "{status} {headers:?}"),
            _ => assert!(mistake.contains(expected), "{status} {headers:?}: {mistake:?}"),
        }
    }

    #[test]
    fn every_wrong_response_has_a_text_for_the_operator() {
        let octets = ("content-type", "application/octet-stream");
        let html = ("content-type", "text/html; charset=utf-8");
        check(200, &[octets], &fulfillment(), "");
        check(200, &[], &fulfillment(), "");
        check(200, &[("content-type", "Application/ILP+octet-stream; x=y")], &fulfillment(), "");
        check(200, &[html], &fulfillment(), "Content-Type text/html");
        check(200, &[html], b"<html>", "a body of type text/html");
        check(200, &[octets], b"", "empty body");
        check(200, &[octets], b"<html>", "neither a Fulfill nor");
        check(200, &[octets], &payment("test.a"), "neither a Fulfill");
        check(202, &[], b"", "httpMode: async");
        check(204, &[], b"", "204 No Content");
        for status in [301, 302, 303, 307, 308] {
            let location = ("location", "https://other.example/ilp");
            check(status, &[location], b"", "to https://other.example/ilp; set url");
        }
        check(304, &[], b"", "it redirects (304 Not Modified); set url");
        check(400, &[], b"", "does not accept a packet: 400");
        check(401, &[], b"", "authentication failed");
        check(403, &[], b"", "authentication failed");
        check(404, &[html], b"<html>", "404 Not Found; is the path");
        check(405, &[], b"", "405 Method Not Allowed");
        check(429, &[], b"", "");
        check(503, &[], b"", "503 Service Unavailable");
    }

    #[test]
    fn an_asynchronous_peer_accepts_packets_with_202() {
        let meaning = interpret_response(StatusCode::ACCEPTED, &HeaderMap::new(), b"", true);
        assert!(meaning.answer.is_none() && meaning.mistake.is_none());
    }
}
