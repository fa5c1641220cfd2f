//! One attempt to deliver an event.

use std::sync::Arc;
use std::time::Duration;

use super::payload::payload;
use super::signature::{SigningKey, sign};
use crate::books::{SavedEvent, clip_text};
use crate::http::{DocumentRequest, FetchError, HttpClient, HttpVerb};
use crate::net::{HttpUrl, error_chain};
use crate::wire::Timestamp;

/// For the connection, and for the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer's body that may arrive with its head. They are not read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The webhook is gone, and wants nothing more.
const GONE: u16 = 410;

/// Where events go.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its id.
    pub id: Arc<str>,
    /// Its URL.
    pub url: HttpUrl,
    /// Each makes a signature.
    pub keys: Vec<SigningKey>,
}

/// Why an attempt has failed.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// It has not accepted the event: the status is not 2xx. Redirects are not followed.
    #[error("HTTP {status}{hint}", status = .0, hint = hint(*.0))]
    Status(u16),
    /// There was no answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// What a status means to the sender of an event.
fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => "; redirects are not followed, so give it the new URL",
        401 | 403 => {
            "; the signature was probably not accepted: compare its secret with that of the receiver"
        }
        _ => "",
    }
}

impl DeliveryError {
    /// Whether a further attempt makes no sense.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Status(GONE))
    }

    /// For the store and for operators: a bounded text without a secret.
    pub fn describe(&self) -> String {
        clip_text(&error_chain(self))
    }
}

/// Posts an event. Any 2xx means that it was accepted, whatever follows.
///
/// # Errors
/// [`DeliveryError`]; the webhook may have got the event nevertheless.
pub async fn deliver(
    client: &HttpClient,
    webhook: &Webhook,
    node: &str,
    event: &SavedEvent,
    at: Timestamp,
) -> Result<(), DeliveryError> {
    let body = payload(node, event);
    let (id, seconds) = (event.id.as_str(), (at.as_millis() / 1_000).to_string());
    let signature = sign(&webhook.keys, id, at, &body);
    let headers =
        [("webhook-id", id), ("webhook-timestamp", &*seconds), ("webhook-signature", &*signature)];
    let request = DocumentRequest {
        url: &webhook.url,
        accept: "*/*",
        bearer: None,
        headers: &headers,
        verb: HttpVerb::Post(body.as_bytes()),
        timeout: TIMEOUT,
        bytes_max: ANSWER_BYTES_MAX,
    };
    match client.fetch_status(request).await? {
        200..300 => Ok(()),
        status => Err(DeliveryError::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::books::{EventId, EventKind, EventLevel, NewEvent};
    use crate::net::TlsTrust;

    /// Answers one request, and leaves the connection open. Returns the head of the request.
    async fn answer_one(listener: &TcpListener, answer: &str) -> (String, TcpStream) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        (String::from_utf8(head).unwrap(), stream)
    }

    /// The result of a delivery that gets this answer, and the head of its request.
    async fn deliver_to(answer: &str) -> (Result<(), DeliveryError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let webhook = Webhook { id: "ops".into(), url: url.parse().unwrap(), keys: vec![key] };
        let event = NewEvent {
            level: EventLevel::Warn,
            kind: EventKind::PeerDown,
            text: "b is down".to_owned(),
            peer: Some("b".to_owned()),
            fields: Vec::new(),
        };
        let at = Timestamp::from_millis(1_614_265_330_123);
        let event = SavedEvent::new(EventId::from_random(1), at, &event);
        let client = HttpClient::new(TlsTrust::default()).unwrap();
        let delivery = deliver(&client, &webhook, "n", &event, at);
        let (result, (head, _open)) = tokio::join!(delivery, answer_one(&listener, answer));
        (result, head)
    }

    #[tokio::test]
    async fn any_2xx_accepts_an_event_whatever_its_body_is() {
        let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(2 * ANSWER_BYTES_MAX));
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n",
            "HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nabc",
            &long,
        ] {
            let (result, head) = deliver_to(answer).await;
            assert!(result.is_ok(), "{answer:.80}: {result:?}");
            for line in [
                "POST /in HTTP/1.1",
                "content-type: application/json",
                "webhook-id: evt_00000000000000000000000000000001",
                "webhook-timestamp: 1614265330",
            ] {
                assert!(head.lines().any(|found| found == line), "{line} in {head}");
            }
            assert!(head.contains("\r\nwebhook-signature: v1,"), "{head}");
        }
    }

    #[tokio::test]
    async fn redirects_are_not_followed_and_other_statuses_are_failures() {
        let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let to = elsewhere.local_addr().unwrap();
        for status in [300, 301, 302, 303, 307, 308, 400, 401, 410, 429, 500, 503] {
            let answer = format!(
                "HTTP/1.1 {status} X\r\nLocation: http://{to}/in\r\nContent-Length: 0\r\n\r\n"
            );
            let error = deliver_to(&answer).await.0.unwrap_err();
            assert!(matches!(&error, DeliveryError::Status(got) if *got == status), "{error:?}");
            let text = error.describe();
            assert!(text.starts_with(&format!("HTTP {status}")), "{text}");
            assert_eq!(text.contains("compare its secret"), status == 401, "{text}");
            assert_eq!(text.contains("redirects are not followed"), status < 400, "{text}");
            assert_eq!(error.is_final(), status == 410);
        }
        assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let (nothing, _) = deliver_to("220 mail.example ESMTP\r\n").await;
        assert!(matches!(nothing, Err(DeliveryError::Fetch(_))), "{nothing:?}");
    }
}
