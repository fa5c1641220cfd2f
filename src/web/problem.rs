//! Error bodies of the public listener: `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::http::header::{HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;

use super::json::{json_response, json_text};

/// One problem. Its type is always `about:blank`: the status says what kind it is, the detail what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProblemDetails {
    status: StatusCode,
    detail: String,
    /// Whether it has changed something is not known, or is not saved yet.
    is_unclear: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ProblemDetails {
    /// `detail` must not contain a secret.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), is_unclear: false, headers: Vec::new() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The request may have changed something: the client repeats it with the same id.
    pub(crate) fn with_unclear_outcome(mut self) -> Self {
        self.is_unclear = true;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// The client's address is above a rate for unauthenticated clients. `is_login`: the rate of wrong tokens.
    pub(crate) fn above_rate(is_login: bool) -> Self {
        let (status, detail) = match is_login {
            true => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests with wrong tokens came from this address; try again later",
            ),
            false => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests come from clients that have not authenticated; try again later",
            ),
        };
        Self::new(status, detail).with_header(RETRY_AFTER, "1")
    }
}

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response<Body> {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let (true, Some(members)) = (self.is_unclear, body.as_object_mut()) {
            // RFC 9457 3.2: a member of our own.
            members.insert("outcome".to_owned(), json!("unclear"));
        }
        let mut response = json_response(self.status, "application/problem+json", json_text(&body));
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};

    use super::*;

    #[tokio::test]
    async fn a_problem_is_a_json_body_with_its_headers() {
        let problem = ProblemDetails::new(StatusCode::UNAUTHORIZED, "no token")
            .with_header(WWW_AUTHENTICATE, "Bearer");
        let (head, body) = problem.into_response().into_parts();
        assert_eq!(head.status, 401);
        assert_eq!(head.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(head.headers[WWW_AUTHENTICATE], "Bearer");
        let body = axum::body::to_bytes(body, 1024).await.unwrap();
        assert_eq!(
            body,
            r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"no token"}"#
        );
    }

    #[tokio::test]
    async fn an_unclear_outcome_is_a_member_of_the_body() {
        let problem = ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, "it stops");
        let response = problem.with_unclear_outcome().into_response();
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["outcome"], &body["detail"]), (&json!("unclear"), &json!("it stops")));
    }
}
