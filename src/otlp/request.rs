//! One request to a collector (OTLP/HTTP 1.x with JSON), and what its answer means.

use std::time::Duration;

use serde::Deserialize;

use crate::http::{Document, DocumentRequest, FetchError, HttpClient, HttpVerb};
use crate::net::{HttpUrl, Secret, error_chain, sanitize};

/// For the connection, for the head of the answer, and for its body.
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest time that a collector may ask us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanCollector {
    /// Its URL, with or without the path `/v1/traces`.
    pub url: HttpUrl,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
}

/// What a collector did with the spans of a request that it accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Spans that it refused nevertheless.
    pub refused: usize,
    /// Why, or what it warns of.
    pub message: Option<String>,
}

/// Why a collector has not taken a request.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The request may be sent again, after this time if it names one.
    #[error("HTTP {status}")]
    Busy { status: u16, after: Option<Duration> },
    /// It must not be sent again.
    #[error("HTTP {status}{}", text.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused { status: u16, text: Option<String> },
    /// There was no answer, so it may be sent again.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The URL cannot have a path.
    #[error("the URL cannot have the path /v1/traces")]
    Url,
}

impl ExportError {
    /// Whether the same request may be sent again.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Fetch(_))
    }

    /// One word for each kind, so that each is logged once.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Refused { .. } => "refused",
            Self::Fetch(_) => "no answer",
            Self::Url => "url",
        }
    }

    /// For operators, without a secret.
    pub fn describe(&self) -> String {
        sanitize(&error_chain(self))
    }
}

/// `ExportTraceServiceResponse`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    partial_success: Option<PartialSuccess>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    rejected_spans: Option<Count>,
    error_message: Option<String>,
}

/// JSON of Protobuf has 64-bit integers as texts; readers take numbers too.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

/// `google.rpc.Status`, which an error has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    message: Option<String>,
}

/// Posts the body of a request.
///
/// # Errors
/// [`ExportError`]: the collector has not accepted it, or there was no answer.
pub async fn export(
    client: &HttpClient,
    collector: &SpanCollector,
    body: &str,
) -> Result<Exported, ExportError> {
    let url = traces_url(&collector.url).ok_or(ExportError::Url)?;
    let answer = client
        .fetch(DocumentRequest {
            url: &url,
            accept: "application/json",
            bearer: collector.token.as_ref().map(Secret::expose),
            headers: &[],
            verb: HttpVerb::Post(body.as_bytes()),
            timeout: TIMEOUT,
            bytes_max: ANSWER_BYTES_MAX,
        })
        .await?;
    judge(&answer, collector.token.as_ref())
}

/// OTLP/HTTP "Endpoint": the path below the URL, unless it is there already.
fn traces_url(url: &HttpUrl) -> Option<HttpUrl> {
    let target = url.path_and_query();
    let path = target.split_once('?').map_or(target.as_str(), |(path, _)| path);
    match path.trim_end_matches('/').ends_with("/v1/traces") {
        true => Some(url.clone()),
        false => url.join(&["v1", "traces"]),
    }
}

/// OTLP/HTTP "Response": 429, 502, 503 and 504 may be sent again, after `Retry-After` if it is there; all else must
/// not.
fn judge(answer: &Document, token: Option<&Secret>) -> Result<Exported, ExportError> {
    // A collector may repeat the token.
    let clean = |text: String| {
        let masked = match token {
            Some(token) => text.replace(token.expose(), crate::net::MASK),
            None => text,
        };
        sanitize(&crate::net::mask_random_words(masked))
    };
    match answer.status {
        200..300 => {
            let read: Answer = serde_json::from_slice(&answer.body).unwrap_or_default();
            let partial = read.partial_success.unwrap_or_default();
            let refused = match partial.rejected_spans {
                None => 0,
                Some(Count::Number(count)) => count,
                Some(Count::Text(text)) => text.parse().unwrap_or_default(),
            };
            let message = partial.error_message.filter(|text| !text.is_empty()).map(clean);
            Ok(Exported { refused: usize::try_from(refused).unwrap_or(usize::MAX), message })
        }
        status @ (429 | 502 | 503 | 504) => {
            let seconds = answer.retry_after.as_deref().and_then(|text| text.trim().parse().ok());
            let after = seconds.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
            Err(ExportError::Busy { status, after })
        }
        status => {
            let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
            Err(ExportError::Refused { status, text: problem.message.map(clean) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>, body: &str) -> String {
        let answer = Document {
            status,
            content_type: None,
            location: None,
            retry_after: retry_after.map(str::to_owned),
            body: body.to_owned().into(),
        };
        match judge(&answer, Some(&Secret::new("hunter2"))) {
            Ok(exported) => format!("{exported:?}"),
            Err(error) => format!("{} {} {:?}", error.may_retry(), error.describe(), error),
        }
    }

    #[test]
    fn each_answer_means_what_the_specification_says() {
        let check = |status, after, body: &str, expected: &str| {
            let shown = judged(status, after, body);
            assert!(shown.contains(expected), "{status}: {shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        };
        check(200, None, "{}", "refused: 0, message: None");
        check(200, None, "", "refused: 0, message: None");
        let partial =
            r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"hunter2 is full"}}"#;
        check(200, None, partial, "refused: 3, message: Some(\"*** is full\")");
        check(200, None, r#"{"partialSuccess":{"rejectedSpans":4}}"#, "refused: 4");
        for status in [429, 502, 503, 504] {
            check(status, None, "", "true HTTP ");
            check(status, Some("7"), "", "after: Some(7s)");
            check(status, Some("99999"), "", "after: Some(60s)");
            check(status, Some("Fri, 28 Nov 2026 12:00:00 GMT"), "", "after: None");
        }
        for status in [400, 401, 404, 413, 500, 301] {
            check(status, Some("7"), r#"{"message":"no hunter2"}"#, "false HTTP ");
        }
        check(400, None, r#"{"message":"no hunter2 \u001b"}"#, "HTTP 400: no *** \\u{1b}");
    }

    #[test]
    fn the_path_is_added_once() {
        for (given, expected) in [
            ("http://c:4318", "/v1/traces"),
            ("http://c:4318/", "/v1/traces"),
            ("http://c/otlp", "/otlp/v1/traces"),
            ("http://c/otlp/v1/traces", "/otlp/v1/traces"),
            ("http://c/v1/traces/", "/v1/traces/"),
            ("http://c/v1/traces?key=a/b", "/v1/traces?key=a/b"),
            ("http://c/otlp?to=/v1/traces", "/otlp/v1/traces?to=/v1/traces"),
        ] {
            let url = traces_url(&given.parse().unwrap()).unwrap();
            assert_eq!(url.path_and_query(), expected, "{given}");
        }
    }
}
