//! SPSP (RFC 9): `GET /<receiver>` tells a sender where to pay the receiver and with what secret, another one each time.
//! `GET /.well-known/pay`, where a payment pointer without a path leads (RFC 26), is the receiver that is configured first.
//!
//! Nothing is remembered of a query, so there is nothing to bound but the connections, which the listener does.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER,
};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;

use crate::connector::{Connector, StreamCredentials, StreamCredentialsError};
use crate::stream::TOKEN_BYTES;
use crate::web::ProblemDetails;

/// What answers are.
const SPSP: &str = "application/spsp4+json";
const METHODS: &str = "GET, HEAD, OPTIONS";
/// When it may be worth asking a node again that has no address yet.
const SECONDS_UNTIL_ADDRESS: &str = "5";

/// The resources that tell senders where to pay.
pub(super) fn routes(connector: Arc<Connector>) -> Router {
    let first = |State(connector): State<Arc<Connector>>| async move { answer(&connector, None) };
    Router::new()
        .route("/.well-known/pay", resource(get(first)))
        .route("/{receiver}", resource(get(named)))
        .with_state(connector)
}

fn resource(get: MethodRouter<Arc<Connector>>) -> MethodRouter<Arc<Connector>> {
    get.options(options).fallback(not_so)
}

async fn named(
    State(connector): State<Arc<Connector>>,
    id: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    // What is not UTF-8 is nobody's name, as is an empty one.
    answer(&connector, Some(id.as_ref().map_or("", |Path(id)| id)))
}

fn answer(connector: &Connector, receiver: Option<&str>) -> Response<Body> {
    let mut random = [0; TOKEN_BYTES];
    let connection = match SystemRandom::new().fill(&mut random) {
        Ok(()) => connector.issue_stream_credentials(receiver, random),
        Err(_) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return open_to_all(ProblemDetails::new(status, "no random numbers").into_response());
        }
    };
    open_to_all(match connection {
        Ok(connection) => json(StatusCode::OK, &Body200::from(connection)),
        Err(StreamCredentialsError::UnknownReceiver) => json(StatusCode::NOT_FOUND, &UNKNOWN),
        Err(error @ StreamCredentialsError::NoAddressYet) => {
            ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
                .with(RETRY_AFTER, SECONDS_UNTIL_ADDRESS)
                .into_response()
        }
        Err(error @ StreamCredentialsError::AddressTooLong) => {
            ProblemDetails::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
                .into_response()
        }
    })
}

/// What a browser asks before it asks.
async fn options() -> Response<Body> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let methods = HeaderValue::from_static(METHODS);
    response.headers_mut().insert(ALLOW, methods.clone());
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    open_to_all(response)
}

async fn not_so(method: Method) -> Response<Body> {
    let detail = format!("{method} is not what this resource is for");
    let problem = ProblemDetails::new(StatusCode::METHOD_NOT_ALLOWED, detail);
    open_to_all(problem.with(ALLOW, METHODS).into_response())
}

/// The answer for a receiver.
#[derive(Serialize)]
struct Body200 {
    destination_account: String,
    shared_secret: String,
}

impl From<StreamCredentials> for Body200 {
    fn from(connection: StreamCredentials) -> Self {
        Self {
            destination_account: connection.destination.to_string(),
            shared_secret: STANDARD.encode(connection.secret.0),
        }
    }
}

/// The answer for what is no receiver, as RFC 9 has it.
#[derive(Serialize)]
struct Body404 {
    id: &'static str,
    message: &'static str,
}

const UNKNOWN: Body404 = Body404 { id: "InvalidReceiverError", message: "Invalid receiver ID" };

fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    // Structs of texts are always JSON.
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SPSP));
    response
}

/// Web pages of other origins may ask (RFC 9 "CORS"), and nobody may keep what holds a secret.
fn open_to_all(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let allowed = HeaderValue::from_static("web-monetization-id");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests;
