//! The JSON body of a request that changes something.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::query::mistake;
use crate::web::ProblemDetails;

/// Bytes of a body.
const BODY_BYTES_MAX: usize = 8 * 1024;
/// For the body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Reads a body of this type.
///
/// # Errors
/// The answer to a body that is too long, too late, or not such an object.
pub(super) async fn read_body<T: DeserializeOwned>(body: Body) -> Result<T, ProblemDetails> {
    let bytes = read_bytes(body).await?;
    serde_json::from_slice(&bytes).map_err(|error| mistake(format!("the body: {error}")))
}

/// Reads a body of any kind, for the node that it is passed on to.
///
/// # Errors
/// The answer to a body that is too long or too late.
pub(super) async fn read_bytes(body: Body) -> Result<Bytes, ProblemDetails> {
    match timeout(BODY_TIME, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let detail = format!("the body has more than {BODY_BYTES_MAX} bytes, or broke off");
            Err(ProblemDetails::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(_) => {
            let detail = format!("the body did not come within {BODY_TIME:?}");
            Err(ProblemDetails::new(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}
