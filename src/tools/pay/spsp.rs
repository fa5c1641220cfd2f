//! Asks an SPSP endpoint (RFC 9) for the address and the secret of a receiver. The server that answers gets the money.
//! So the tool requires a connection that others cannot write to, unless the user allows another, and shows which
//! server answered.

use serde_json::Value;

use super::payee::parse_base64_secret;
use super::spsp_clients::SpspClients;
use crate::console::{Failure, sanitize};
use crate::net::{HttpUrl, is_loopback};
use crate::stream::SharedSecret;
use crate::tools::wait_notes::note_if_slow;
use crate::wire::{Address, Scheme};

/// The requested media types. Endpoints from before 2018 answer with the second.
const ACCEPT: &str = "application/spsp4+json, application/spsp+json";
/// The accepted media types: those, and a common wrong one.
const MEDIA_TYPES: [&str; 3] =
    ["application/spsp4+json", "application/spsp+json", "application/json"];
/// The most redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// A receiver's address and secret.
#[derive(Debug)]
pub(super) struct SpspReceiver {
    pub(super) address: Address,
    pub(super) secret: SharedSecret,
    /// The URL that answered, after redirects; `None` if the user gave the secret.
    pub(super) answered_by: Option<HttpUrl>,
}

/// Asks the endpoint, and follows redirects.
pub(super) async fn query_receiver(
    clients: &SpspClients,
    asked: &HttpUrl,
    allow_http: bool,
) -> Result<SpspReceiver, Failure> {
    let mut url = asked.clone();
    for _ in 0..=REDIRECTS_MAX {
        if !url.is_tls() && !allow_http && !is_loopback(&url.host().to_string()) {
            return Err(Failure::Usage(format!(
                "{} is not https, so anyone on the network path could take the money; add --allow-http to allow that",
                url.without_credentials()
            )));
        }
        let message = || format!("waiting for an answer from {url}");
        let client = clients.of(&url)?;
        let document = note_if_slow(client.get(&url, ACCEPT), message).await;
        let document = document.map_err(|error| query_failure(&url, &error.to_string()))?;
        match document.status {
            200 => {
                let is_spsp =
                    document.content_type.as_deref().is_none_or(|kind| MEDIA_TYPES.contains(&kind));
                if !is_spsp {
                    let kind = sanitize(document.content_type.as_deref().unwrap_or_default());
                    return Err(query_failure(
                        &url,
                        &format!("it answers with {kind}, which is not SPSP; is it the right URL?"),
                    ));
                }
                return parse_answer(&document.body, &url);
            }
            301 | 302 | 303 | 307 | 308 => {
                let next = document.location.as_deref().and_then(|to| resolve_redirect(&url, to));
                let next = next.ok_or_else(|| query_failure(&url, "it redirects to nowhere"))?;
                if url.is_tls() && !next.is_tls() {
                    return Err(query_failure(
                        &url,
                        &format!("it redirects to {next}, which is not https; nothing was sent"),
                    ));
                }
                url = next;
            }
            404 => return Err(query_failure(&url, &describe_not_found(&document.body))),
            status => {
                return Err(query_failure(&url, &format!("HTTP status {status}; {IS_IT_SPSP}")));
            }
        }
    }
    Err(query_failure(asked, &format!("it redirects more than {REDIRECTS_MAX} times")))
}

fn query_failure(url: &HttpUrl, why: &str) -> Failure {
    Failure::Failed(format!("cannot ask {} where to pay: {why}", url.without_credentials()))
}

/// The target of a redirect.
fn resolve_redirect(from: &HttpUrl, to: &str) -> Option<HttpUrl> {
    let base = url::Url::parse(&from.without_credentials()).ok()?;
    let mut next = base.join(to).ok()?;
    // Fragments are not sent.
    next.set_fragment(None);
    next.as_str().parse().ok()
}

const IS_IT_SPSP: &str = "is this the address of an SPSP endpoint, and its HTTP port?";

fn describe_not_found(body: &[u8]) -> String {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    match answer.as_ref().and_then(|answer| answer.get("message")?.as_str()) {
        Some(message) => format!("no such receiver ({})", sanitize(message)),
        None => format!("no such receiver (HTTP status 404); {IS_IT_SPSP}"),
    }
}

/// Parses the answer. Unknown fields are ignored; no error contains the secret.
fn parse_answer(body: &[u8], url: &HttpUrl) -> Result<SpspReceiver, Failure> {
    let invalid = |what: &str| query_failure(url, &format!("its answer {what}"));
    let answer: Value = serde_json::from_slice(body).map_err(|_| invalid("is not JSON"))?;
    let text = |key: &str| {
        let missing = || invalid(&format!("has no {key}, so it is not an SPSP answer"));
        answer.get(key).and_then(Value::as_str).ok_or_else(missing)
    };
    let address = text("destination_account")?;
    let address: Address = address.parse().map_err(|error| {
        invalid(&format!("names no ILP address as destination_account: {error}"))
    })?;
    if address.scheme() == Scheme::Peer {
        return Err(invalid("names an address under peer."));
    }
    let secret = parse_base64_secret(text("shared_secret")?)
        .ok_or_else(|| invalid("has a shared_secret that is not 32 bytes in base64"))?;
    Ok(SpspReceiver { address, secret, answered_by: Some(url.clone()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> HttpUrl {
        text.parse().unwrap()
    }

    #[test]
    fn answers_are_parsed() {
        fn check(body: &str, expected: Result<&str, &str>) {
            let got = parse_answer(body.as_bytes(), &url("https://example.com/alice"));
            match (got, expected) {
                (Ok(receiver), Ok(address)) => {
                    assert_eq!(receiver.address.as_str(), address);
                    assert_eq!(receiver.secret, SharedSecret([0xff; 32]));
                }
                (Err(error), Err(why)) => {
                    let error = error.to_string();
                    assert!(
                        error.contains(why) && error.contains("https://example.com/alice"),
                        "{error}"
                    );
                }
                (got, expected) => panic!("{body}: {got:?}, not {expected:?}"),
            }
        }
        let standard = format!("{}8=", "/".repeat(42));
        let url_safe = format!("{}8", "_".repeat(42));
        for secret in [standard.as_str(), url_safe.as_str()] {
            let body = format!(
                r#"{{"destination_account":"test.a.b","shared_secret":"{secret}","receipts_enabled":false}}"#
            );
            check(&body, Ok("test.a.b"));
        }
        check("<html>", Err("is not JSON"));
        check("[]", Err("has no destination_account"));
        check(r#"{"destination_account":7}"#, Err("has no destination_account"));
        check(r#"{"destination_account":"test"}"#, Err("names no ILP address"));
        check(r#"{"destination_account":"test.a"}"#, Err("has no shared_secret"));
        check(r#"{"destination_account":"test.a","shared_secret":"AAAA"}"#, Err("not 32 bytes"));
        check(
            &format!(r#"{{"destination_account":"peer.config","shared_secret":"{standard}"}}"#),
            Err("under peer."),
        );
    }

    #[test]
    fn redirects_are_resolved() {
        fn check(to: &str, expected: Option<&str>) {
            let next = resolve_redirect(&url("https://example.com/alice?x"), to)
                .map(|url| url.without_credentials());
            assert_eq!(next.as_deref(), expected, "{to}");
        }
        check("/bob", Some("https://example.com/bob"));
        check("bob?y#z", Some("https://example.com/bob?y"));
        check("//other.example/x", Some("https://other.example/x"));
        check("http://example.com/", Some("http://example.com/"));
        check("mailto:bob@example.com", None);
        check("https://", None);
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for (text, expected) in [
            ("http://localhost:1/", true),
            ("http://127.0.0.9/", true),
            ("http://[::1]/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url(text).host().to_string()), expected, "{text}");
        }
    }
}
