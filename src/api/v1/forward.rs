//! Requests about one node that runs elsewhere are passed on to it, with its token.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri};
use axum::response::IntoResponse;

use super::V1;
use super::query::mistake;
use super::remote_nodes::Refresh;
use super::verb_body::read_bytes;
use crate::http::HttpVerb;
use crate::remote::{KnownNode, PageAnswer, PageError};
use crate::web::ProblemDetails;

/// What paths of one node begin with: `NODE/...`.
const NODES: &str = "/api/v1/nodes/";
/// What paths of overrides begin with, whose ids are `NODE~NUMBER`.
const OVERRIDES: &str = "/api/v1/overrides/";
/// The path of audit logs; the parameter `node` says whose.
const AUDIT: &str = "/api/v1/audit";
/// For the answer of a node.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

impl V1 {
    /// The node that runs elsewhere and that this request is about.
    pub(super) async fn node_elsewhere(&self, uri: &Uri) -> Option<Arc<KnownNode>> {
        let remotes = &self.observer.remotes;
        if remotes.is_empty() {
            return None;
        }
        let id = asked_node(uri)?;
        if remotes.find(id).is_none() {
            self.observer.refresh(Refresh::Names).await;
        }
        remotes.find(id)
    }

    /// Passes a request on.
    pub(super) async fn forward(&self, node: &KnownNode, request: Request) -> Response<Body> {
        let answer = self.forward_to(node, request).await;
        answer.unwrap_or_else(IntoResponse::into_response)
    }

    async fn forward_to(
        &self,
        node: &KnownNode,
        request: Request,
    ) -> Result<Response<Body>, ProblemDetails> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let path = path.trim_start_matches('/');
        let body = read_bytes(body).await?;
        let verb = verb(&head.method, &body)?;
        pass_on(self, node, (path, verb), ANSWER_TIME_MAX).await
    }
}

/// The node that a request is about. Ids of nodes are segments of addresses, which nothing encodes.
fn asked_node(uri: &Uri) -> Option<&str> {
    let path = uri.path();
    if let Some(rest) = path.strip_prefix(NODES) {
        return rest.split_once('/').map(|(node, _)| node);
    }
    if let Some(id) = path.strip_prefix(OVERRIDES) {
        let parts = id.rsplit_once('~').or_else(|| id.rsplit_once("%7E"));
        return parts.map(|(node, _)| node);
    }
    let parameters = uri.query().filter(|_| path == AUDIT)?.split('&');
    parameters.into_iter().find_map(|parameter| parameter.strip_prefix("node="))
}

fn verb<'b>(method: &Method, body: &'b Bytes) -> Result<HttpVerb<'b>, ProblemDetails> {
    match *method {
        Method::GET | Method::HEAD => Ok(HttpVerb::Get),
        Method::POST => Ok(HttpVerb::Post(body)),
        Method::DELETE => Ok(HttpVerb::Delete(body)),
        _ => Err(ProblemDetails::new(StatusCode::METHOD_NOT_ALLOWED, "GET, POST or DELETE")),
    }
}

/// The answer of a node, as it is.
pub(super) async fn pass_on(
    v1: &V1,
    node: &KnownNode,
    (path, verb): (&str, HttpVerb<'_>),
    time_max: Duration,
) -> Result<Response<Body>, ProblemDetails> {
    let Some(client) = v1.observer.remotes.client() else {
        return Err(mistake("no node runs elsewhere"));
    };
    match client.pass_on(&node.asked, path, verb, time_max).await {
        Ok(answer) => Ok(response(answer)),
        Err(error) => Err(bad_gateway(node, &error)),
    }
}

/// The node does not answer, or refuses the token that this page has for it.
pub(super) fn bad_gateway(node: &KnownNode, error: &PageError) -> ProblemDetails {
    ProblemDetails::new(StatusCode::BAD_GATEWAY, node.asked.describe(error))
}

fn response(answer: PageAnswer) -> Response<Body> {
    let PageAnswer { status, content_type, body } = answer;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    // Nothing that a browser would show as a page.
    let content_type = match content_type.as_deref() {
        Some("application/problem+json") => "application/problem+json",
        Some("application/x-ndjson") => "application/x-ndjson",
        _ => "application/json",
    };
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Option<&str>) {
        assert_eq!(asked_node(&uri.parse().unwrap()), expected, "{uri}");
    }

    #[test]
    fn requests_about_one_node_name_it() {
        check("/api/v1/nodes/a/routes?limit=3", Some("a"));
        check("/api/v1/nodes/a/peers/b/suspend", Some("a"));
        check("/api/v1/nodes/a", None);
        check("/api/v1/overrides/a~17", Some("a"));
        check("/api/v1/overrides/a%7E17", Some("a"));
        check("/api/v1/overrides/a~b~17", Some("a~b"));
        check("/api/v1/overrides", None);
        check("/api/v1/audit?limit=2&node=b", Some("b"));
        check("/api/v1/audit", None);
        check("/api/v1/events?node=b", None);
    }
}
