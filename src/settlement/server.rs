//! The listener that settlement engines call. It has a port of its own, because RFC 38 knows no authentication: only
//! engines may reach it, so it listens on the loopback interface unless the operator says otherwise.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Extension, Router};
use parking_lot::Mutex;
use tokio::time::{Duration, timeout};

use super::credit::{self, CreditOutcome};
use super::engines::Engines;
use super::messages::{NoReply, send_message};
use super::refusals::RefusalReports;
use crate::account::AccountId;
use crate::link::TokenFingerprint;
use crate::net::{
    AddressLimits, BindError, HttpLimits, Listener, LogThrottle, Secret, WorkRate, sanitize,
};
use crate::peers::{EngineRefusal, NoRandomness, NodeContext, TokenFingerprinter};
use crate::web::{
    AcceptedConnection, Connection, ConnectionLimiter, ConnectionLimits, ProblemDetails,
    WebListener, WebService, bearer_token, json_response,
};
use crate::wire::ilp::MAX_DATA_EMITTED;

const PORT_SET_BY: &str = "settlementPort or SETTLEMENT_PORT";
/// Open connections. One more closes the oldest.
const CONNECTIONS_MAX: usize = 1024;
/// Of the open files of accepted connections, the listener takes at most this share.
const OPEN_FILES_SHARE: usize = 4;
/// The life of a connection. A credit that has no answer by then is asked for again.
const CONNECTION_TIME: Duration = Duration::from_secs(300);
/// Bytes of a quantity.
const QUANTITY_BYTES_MAX: usize = 64 * 1024;
/// Characters of a path in an answer.
const PATH_CHARS_MAX: usize = 200;

/// Where the listener listens, and the token that engines must send.
#[derive(Clone, Copy, Debug)]
pub struct EngineListenerSettings<'s> {
    /// A name or an address.
    pub host: &'s str,
    /// 0 picks a free one.
    pub port: u16,
    /// `None`: no token is required.
    pub token: Option<&'s Secret>,
}

/// A listening socket for settlement engines.
#[derive(Debug)]
pub struct EngineListener {
    listener: WebListener,
    api: Arc<EngineApi>,
}

struct EngineApi {
    context: Arc<NodeContext>,
    engines: Arc<Engines>,
    fingerprinter: TokenFingerprinter,
    token: ArcSwapOption<TokenFingerprint>,
    reports: Mutex<RefusalReports>,
}

impl std::fmt::Debug for EngineApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineApi")
    }
}

impl EngineListener {
    /// Listens from now on; connections wait until [`Self::accept`].
    ///
    /// # Errors
    /// The port cannot be listened on.
    pub async fn bind(
        settings: EngineListenerSettings<'_>,
        context: Arc<NodeContext>,
        engines: Arc<Engines>,
    ) -> Result<Self, EngineListenerError> {
        let EngineListenerSettings { host, port, token } = settings;
        let api = Arc::new(EngineApi {
            context: Arc::clone(&context),
            engines,
            fingerprinter: TokenFingerprinter::new()?,
            token: ArcSwapOption::empty(),
            reports: Mutex::default(),
        });
        api.set_token(token);
        let service = WebService {
            tls: None,
            router: router(Arc::clone(&api)),
            admit: |_, _, _, _| None,
            above_limit: |_, _| {},
            proxied: None,
            throttle: LogThrottle::default(),
            http2: true,
            limiter: ConnectionLimiter::new(limits(&context)),
            context,
        };
        let listener = Listener::bind(host, port, PORT_SET_BY).await?;
        Ok(Self { listener: WebListener::new(listener, service), api })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Requires another token from now on, or none.
    pub fn set_token(&self, token: Option<&Secret>) {
        self.api.set_token(token);
    }

    /// The next connection, as a future that serves it. Never fails. Dropping the future loses nothing.
    pub async fn accept(&self) -> impl Future<Output = ()> + Send + 'static {
        let connection = self.next_connection().await;
        // Without TLS there is no handshake that could fail.
        async move {
            let _ = connection.run().await;
        }
    }

    async fn next_connection(&self) -> AcceptedConnection {
        loop {
            if let Some(connection) = self.listener.accept().await {
                return connection;
            }
        }
    }
}

/// Why the listener does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineListenerError {
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The tokens cannot be protected.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Engines are trusted programs, so their rates are not limited.
fn limits(context: &NodeContext) -> ConnectionLimits {
    let connections = (context.descriptors.max() / OPEN_FILES_SHARE).clamp(1, CONNECTIONS_MAX);
    ConnectionLimits {
        configured: HttpLimits {
            unauthenticated: AddressLimits {
                total: connections,
                per_address: connections,
                reserved_for_known: 0,
            },
            unauthenticated_requests_per_second: WorkRate::UNLIMITED.0,
            ..HttpLimits::default()
        },
        unauthenticated_time: CONNECTION_TIME,
        eviction_grace: Duration::ZERO,
        unauthenticated_frames: WorkRate::UNLIMITED,
        ..ConnectionLimits::default()
    }
}

/// RFC 38 "Accounting System HTTP API": engines credit incoming settlements at `/accounts/:id/settlements`, and send
/// messages at `/accounts/:id/messages`. [row 131]
fn router(api: Arc<EngineApi>) -> Router {
    Router::new()
        .route("/accounts/{id}/settlements", post(credit_settlement))
        .route("/accounts/{id}/messages", post(forward_message))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(api)
}

async fn not_found(State(api): State<Arc<EngineApi>>, uri: Uri) -> ProblemDetails {
    let path: String = uri.path().chars().take(PATH_CHARS_MAX).collect();
    let detail = format!("there is nothing at {}", sanitize(&path));
    api.refuse("", problem(StatusCode::NOT_FOUND, detail))
}

async fn method_not_allowed(State(api): State<Arc<EngineApi>>, method: Method) -> ProblemDetails {
    let detail = format!("this resource does not support {method}");
    api.refuse("", problem(StatusCode::METHOD_NOT_ALLOWED, detail))
}

/// RFC 38 "Credit incoming settlement": the answer is 201. Its body repeats the quantity, because engines on
/// `ilp-settlement-core` report the sum again if it does not. [rows 131, 133]
async fn credit_settlement(
    State(api): State<Arc<EngineApi>>,
    Path(id): Path<String>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    match api.credit(&id, &headers, body).await {
        Err(problem) => api.refuse(&id, problem).into_response(),
        Ok(CreditOutcome::Credited(quantity)) => {
            api.note_accepted(&id);
            json_response(StatusCode::CREATED, "application/json", quantity)
        }
        Ok(CreditOutcome::Unknown) => {
            connection.abort();
            pending().await
        }
    }
}

/// RFC 38 "Send outgoing message": the answer is 201 with the reply of the peer's engine. [row 131]
async fn forward_message(
    State(api): State<Arc<EngineApi>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    match api.forward_message(&id, &headers, body).await {
        Err(problem) => api.refuse(&id, problem).into_response(),
        Ok(reply) => {
            api.note_accepted(&id);
            let mut response = Response::new(Body::from(reply));
            *response.status_mut() = StatusCode::CREATED;
            let bytes = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(CONTENT_TYPE, bytes);
            response
        }
    }
}

impl EngineApi {
    fn set_token(&self, token: Option<&Secret>) {
        let token = token.map(|token| self.fingerprinter.fingerprint(token.expose().as_bytes()));
        self.token.store(token.map(Arc::new));
    }

    async fn credit(
        &self,
        id: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<CreditOutcome, ProblemDetails> {
        self.check_token(headers)?;
        let account = account_id(id)?;
        let key = headers.get("idempotency-key").map(HeaderValue::as_bytes);
        let key = credit::read_key(key)?;
        let body = read_body(body, QUANTITY_BYTES_MAX).await?;
        let quantity = credit::read_quantity(&body)?;
        credit::credit(&self.context, account, key, quantity).await
    }

    async fn forward_message(
        &self,
        id: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Vec<u8>, ProblemDetails> {
        self.check_token(headers)?;
        let account = account_id(id)?;
        if !self.engines.has_engine(account.as_str()) {
            let detail = format!("no peer {account} has a settlement engine in the configuration");
            return Err(problem(StatusCode::NOT_FOUND, detail));
        }
        let message = read_body(body, MAX_DATA_EMITTED).await?;
        let sent = send_message(&self.context, &account, &message).await;
        sent.map_err(|NoReply { status, detail }| problem(status, detail))
    }

    /// Notes that a request about this account is refused, for operators. An answer that says that the peer gives none
    /// is no refusal.
    fn refuse(&self, id: &str, problem: ProblemDetails) -> ProblemDetails {
        if problem.status().is_server_error() {
            return problem;
        }
        let now = self.context.clock.now();
        let (status, reason) = (problem.status().as_u16(), sanitize(problem.detail()));
        // Anyone who reaches the port may write any name.
        let is_known = |peer: &AccountId| self.engines.has_engine(peer.as_str());
        let peer: Option<AccountId> = id.parse().ok().filter(is_known);
        let due = self.reports.lock().take_due(peer.as_ref(), status, now.mono);
        if let Some(suppressed) = due {
            let peer = peer.as_ref().map(tracing::field::display);
            tracing::warn!(
                peer,
                status,
                reason,
                suppressed,
                "refused a request of a settlement engine"
            );
        }
        let refusal = EngineRefusal { at: now.wall, status, reason };
        self.context.engine_accounts.note_refusal(peer.as_ref(), refusal);
        problem
    }

    fn note_accepted(&self, id: &str) {
        if let Ok(peer) = id.parse() {
            self.context.engine_accounts.note_accepted(&peer);
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), ProblemDetails> {
        let Some(required) = self.token.load_full() else { return Ok(()) };
        let given = bearer_token(headers).map(|token| self.fingerprinter.fingerprint(token));
        match given.is_some_and(|given| given == *required) {
            true => Ok(()),
            false => Err(problem(
                StatusCode::UNAUTHORIZED,
                "the request needs the settlementToken of this node as a bearer token",
            )
            .with_header(WWW_AUTHENTICATE, "Bearer realm=\"settlement\"")),
        }
    }
}

fn account_id(id: &str) -> Result<AccountId, ProblemDetails> {
    id.parse().map_err(|_| problem(StatusCode::NOT_FOUND, "there is no peer of this id"))
}

async fn read_body(body: Body, bytes_max: usize) -> Result<bytes::Bytes, ProblemDetails> {
    let time = ConnectionLimits::default().body_time;
    let read = timeout(time, to_bytes(body, bytes_max)).await;
    let read = read.map_err(|_| {
        let detail = format!("the body did not come within {time:?}");
        problem(StatusCode::REQUEST_TIMEOUT, detail).with_header(CONNECTION, "close")
    })?;
    // Too long, or the connection broke, and then no client reads this.
    read.map_err(|_| {
        let detail = format!("the body has at most {bytes_max} bytes here");
        problem(StatusCode::PAYLOAD_TOO_LARGE, detail).with_header(CONNECTION, "close")
    })
}

fn problem(status: StatusCode, detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(status, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Clock, Descriptors, TransportSettings};
    use crate::testing::{connector_settings, node_context};

    #[test]
    fn engines_share_a_part_of_the_open_files_and_have_time_and_no_rate() {
        let settings = connector_settings("node", &[]);
        let mut context = node_context(settings, Clock::start(), TransportSettings::default());
        for (open_files, connections) in [(0, 1), (400, 100), (1 << 20, 1024)] {
            Arc::get_mut(&mut context).unwrap().descriptors = Descriptors::new(open_files);
            let limits = limits(&context);
            let http = limits.configured;
            // All engines may run on one machine.
            let AddressLimits { total, per_address, reserved_for_known } = http.unauthenticated;
            assert_eq!((total, per_address, reserved_for_known), (connections, connections, 0));
            assert_eq!(http.unauthenticated_requests_per_second, u32::MAX);
            assert_eq!(limits.unauthenticated_frames, WorkRate(u32::MAX));
            // One more closes the oldest at once, which otherwise lasts longer than a client of the public listener.
            assert_eq!(limits.eviction_grace, Duration::ZERO);
            let public = ConnectionLimits::default();
            assert_eq!(limits.unauthenticated_time, public.unauthenticated_time * 5);
        }
    }
}
