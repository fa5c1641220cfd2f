//! The routes of the public listener.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};

use super::ilp::{self, Ilp};
use super::spsp;
use crate::web::ProblemDetails;

/// Characters of a path in an answer.
const PATH_CHARS_MAX: usize = 200;

pub(super) fn router(ilp: Arc<Ilp>) -> Router {
    let connector = Arc::clone(&ilp.context.node.connector);
    let routes = Router::new().merge(ilp::routes(ilp)).merge(spsp::routes(connector));
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn not_found(uri: Uri) -> ProblemDetails {
    let path: String = uri.path().chars().take(PATH_CHARS_MAX).collect();
    ProblemDetails::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"))
}

pub(super) async fn method_not_allowed(method: Method) -> ProblemDetails {
    let detail = format!("this resource does not support {method}");
    ProblemDetails::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
