//! ILP over HTTP (RFC 35), the server side: `POST /accounts/<name>/ilp`, the path that is deployed, and `POST /ilp`,
//! where only the token identifies the peer.
//!
//! A Prepare is answered in the response (200 with a Fulfill or Reject). If the request has a `Request-Id` and the
//! peer's server is known, it is accepted (202), and the answer is posted to that server. A posted Fulfill or Reject
//! answers an asynchronous Prepare of this node. Errors before the connector gets the packet are problems (RFC 9457).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::auth;
use super::context::HttpContext;
use super::inbound_session::{InboundHandle, InboundSessions, NotAccepted, ReplyTo};
use super::reply::{CALLBACK_URL, Callback, HttpReply, OCTET_STREAM, REQUEST_ID, choose_callback};
use super::request_id::is_uuid;
use crate::connector::{Account, PeerAnswer};
use crate::net::{LogThrottle, RemoteAddress, sanitize_bytes};
use crate::peers::LoginDirectory;
use crate::web::{Connection, ConnectionLimiter, ProblemDetails};
use crate::wire::ilp::{Packet, Prepare};

/// An earlier content type of packets, which some clients still send.
const OLD_OCTET_STREAM: &str = "application/ilp+octet-stream";

/// The state of the routes that take packets.
#[derive(Debug)]
pub(super) struct Ilp {
    pub(super) context: Arc<HttpContext>,
    pub(super) sessions: Arc<InboundSessions>,
    pub(super) limiter: Arc<ConnectionLimiter>,
    /// For log lines about wrong tokens.
    pub(super) throttle: LogThrottle,
}

pub(super) fn routes(ilp: Arc<Ilp>) -> Router {
    Router::new()
        .route("/accounts/{name}/ilp", post(post_named))
        .route("/ilp", post(post_unnamed))
        .with_state(ilp)
}

/// Whether a request goes to one of these routes, so that its token will be checked.
pub(super) fn carries_packet(method: &Method, uri: &Uri) -> bool {
    let mut segments = uri.path().split('/').skip(1);
    let segments = [(); 4].map(|()| segments.next());
    method == Method::POST
        && matches!(
            segments,
            [Some("ilp"), None, ..] | [Some("accounts"), Some(_), Some("ilp"), None]
        )
}

/// What a request came on, and from where: a proxy brings requests of many clients on one connection.
#[derive(Clone, Copy)]
struct Origin<'c> {
    connection: &'c Connection,
    remote: RemoteAddress,
}

async fn post_named(
    State(ilp): State<Arc<Ilp>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(remote): Extension<RemoteAddress>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response<Body>, ProblemDetails> {
    let origin = Origin { connection: &connection, remote };
    let Path(name) = name.map_err(|_| {
        ilp.count_wrong_token(origin, bad_request("the name in the path is not UTF-8"))
    })?;
    ilp.handle_post(origin, Some(&name), request).await
}

async fn post_unnamed(
    State(ilp): State<Arc<Ilp>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(remote): Extension<RemoteAddress>,
    request: Request,
) -> Result<Response<Body>, ProblemDetails> {
    ilp.handle_post(Origin { connection: &connection, remote }, None, request).await
}

impl Ilp {
    /// A request with a packet, step by step: cheap checks that refuse most come first.
    async fn handle_post(
        &self,
        origin: Origin<'_>,
        name: Option<&str>,
        request: Request,
    ) -> Result<Response<Body>, ProblemDetails> {
        // The request is dropped before the wait: a peer may have thousands of packets in flight.
        match self.handle_packet(origin, name, request).await? {
            PostOutcome::Answered(response) => Ok(response),
            PostOutcome::Pending(pending) => pending.response().await,
        }
    }

    async fn handle_packet(
        &self,
        origin: Origin<'_>,
        name: Option<&str>,
        request: Request,
    ) -> Result<PostOutcome, ProblemDetails> {
        let (head, body) = request.into_parts();
        let account = self.authenticate(origin, name, &head.headers)?;
        check_content_type(&head.headers)?;
        let body = self.read_body(&account, &head.headers, body).await?;
        match Packet::parse(&body) {
            Ok(Packet::Prepare(prepare)) => {
                let session = self.session(&account, origin.remote)?;
                match self.reply_for(&account, &prepare, &head.headers)? {
                    Some(reply) => self.accept(&session, &body, reply).map(PostOutcome::Answered),
                    None => self.prepare(&session, &body).map(PostOutcome::Pending),
                }
            }
            Ok(_) => self.answer(&account, &body, &head.headers).map(PostOutcome::Answered),
            Err(error) => Err(bad_request(format!("the body is not an ILP packet: {error}"))),
        }
    }

    fn authenticate(
        &self,
        origin: Origin<'_>,
        name: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Arc<Account>, ProblemDetails> {
        let node = &self.context.node;
        let directory = self.context.logins.load();
        let id = auth::find_account(headers, name, &directory, node.clock.now().wall);
        // The peer may just have been removed.
        let account = id.and_then(|id| node.connector.account(id.as_str()));
        let Some(account) = account else {
            return Err(self.refuse_login(origin, name, headers, &directory));
        };
        let Origin { connection, remote } = origin;
        // The connection of a proxy is never new to a peer: others use it too.
        let is_login = !connection.is_owned() || connection.is_of_proxy();
        self.limiter.set_owner(connection, account.id()).map_err(|_| {
            let limit = self.limiter.limits().configured.of_one_peer_max;
            let detail = format!(
                "this account has all the connections that it may have ({limit} at most), and all are in use"
            );
            too_many_requests(detail).with_header(CONNECTION, "close")
        })?;
        if is_login {
            node.known_addresses.remember(account.id(), remote.into());
        }
        Ok(account)
    }

    /// Refuses a request with a wrong token or none. The answer never says which part was wrong.
    fn refuse_login(
        &self,
        origin: Origin<'_>,
        name: Option<&str>,
        headers: &HeaderMap,
        directory: &LoginDirectory,
    ) -> ProblemDetails {
        let node = &self.context.node;
        let now = node.clock.mono();
        node.http_counts.refused_logins.fetch_add(1, Ordering::Relaxed);
        let (remote, has_token) = (origin.remote, headers.contains_key(AUTHORIZATION));
        let claimed = auth::claimed_name(headers, name, node.clock.now().wall);
        let known = claimed.as_deref().and_then(|name| directory.find_by_name(name));
        if has_token {
            node.peers.record_refused_login(known, &remote.to_string(), "wrong token");
        }
        if let Some(suppressed) = self.throttle.admit(now) {
            let user = claimed.as_deref().map(|name| {
                // A token in place of the name must not get into the log.
                let is_secret = directory.is_secret(name) || auth::is_token(headers, name);
                if is_secret { "***".to_owned() } else { sanitize_bytes(name.as_bytes()) }
            });
            let reason = match (has_token, &claimed) {
                (false, _) => "no token",
                (true, None) => "no name, and no peer has this token",
                (true, Some(name)) => directory.explain_refusal(name),
            };
            tracing::warn!(%remote, user, reason, suppressed, "HTTP login refused");
        }
        let detail = "a bearer token of this account is needed, or a JWT (HS256) with sub and exp that is signed with it";
        let problem = ProblemDetails::new(StatusCode::UNAUTHORIZED, detail)
            .with_header(WWW_AUTHENTICATE, "Bearer realm=\"ilp\"");
        self.count_wrong_token(origin, problem)
    }

    /// `problem`, which also closes a connection that has sent too many wrong tokens.
    fn count_wrong_token(
        &self,
        Origin { connection, remote }: Origin<'_>,
        problem: ProblemDetails,
    ) -> ProblemDetails {
        let now = self.context.node.clock.mono();
        if !self.limiter.record_wrong_token(connection, remote.into(), now) {
            return problem;
        }
        connection.close_when_idle();
        problem.with_header(CONNECTION, "close")
    }

    /// The body, if it comes in time and is no longer than a packet.
    async fn read_body(
        &self,
        account: &Account,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Bytes, ProblemDetails> {
        let bytes_max = self.context.node.settings.message_bytes_max;
        let too_long = || {
            let detail = format!("a packet has at most {bytes_max} bytes");
            ProblemDetails::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
                .with_header(CONNECTION, "close")
        };
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if announced.and_then(|length| length.parse().ok()).is_some_and(|length: u64| {
            usize::try_from(length).map_or(true, |length| length > bytes_max)
        }) {
            return Err(too_long());
        }
        // Bodies on all permitted connections and streams together would not fit into memory.
        let _incomplete = self.limiter.begin_body(account.id()).ok_or_else(|| {
            too_many_requests(
                "too many bodies of this account are incomplete; send fewer at a time",
            )
        })?;
        let time = self.limiter.limits().body_time;
        let read = timeout(time, to_bytes(body, bytes_max)).await;
        read.map_err(|_| {
            let detail = format!("the body did not come within {time:?}");
            ProblemDetails::new(StatusCode::REQUEST_TIMEOUT, detail)
                .with_header(CONNECTION, "close")
        })?
        // Too long, or the connection broke, and then no client reads this.
        .map_err(|_| too_long())
    }

    fn session(
        &self,
        account: &Arc<Account>,
        remote: RemoteAddress,
    ) -> Result<Arc<InboundHandle>, ProblemDetails> {
        self.sessions.session(account, &remote.to_string()).map_err(|_| unavailable())
    }

    /// The reply to post to the peer's server; `None`: the answer goes into the response.
    fn reply_for(
        &self,
        account: &Account,
        prepare: &Prepare<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<HttpReply>, ProblemDetails> {
        let Some(request_id) = headers.get(REQUEST_ID) else { return Ok(None) };
        let peer = self.context.http_peers.get(account.id());
        let requested = headers.get(CALLBACK_URL).map(HeaderValue::as_bytes);
        let url = match choose_callback(requested, peer.as_deref()) {
            Callback::Response => return Ok(None),
            Callback::Refused(reason) => return Err(bad_request(reason)),
            Callback::Post(url) => url,
        };
        let request_id = request_id.to_str().ok().filter(|id| is_uuid(id));
        let request_id =
            request_id.ok_or_else(|| bad_request("Request-Id is not a UUID"))?.to_owned();
        let Some(peer) = peer else { return Ok(None) };
        let now = self.context.node.clock.now();
        let deadline = now.mono.after(prepare.expires_at.saturating_duration_since(now.wall));
        Ok(Some(HttpReply { peer, url, request_id, deadline }))
    }

    /// Synchronous: the answer goes into the response, at the latest when the Prepare expires.
    fn prepare(
        &self,
        session: &Arc<InboundHandle>,
        packet: &Bytes,
    ) -> Result<PendingAnswer, ProblemDetails> {
        let (sender, answer) = oneshot::channel();
        let reply_to = ReplyTo::Response(sender);
        session.prepare(&self.context.node, packet, reply_to).map_err(not_accepted)?;
        Ok(PendingAnswer { answer, session: Arc::clone(session) })
    }

    /// Asynchronous.
    fn accept(
        &self,
        session: &InboundHandle,
        packet: &Bytes,
        reply: HttpReply,
    ) -> Result<Response<Body>, ProblemDetails> {
        let reply_to = ReplyTo::Callback(Box::new(reply));
        session.prepare(&self.context.node, packet, reply_to).map_err(not_accepted)?;
        // RFC 35 "Response": a valid Prepare is accepted with 202 at once, even if the packet will be rejected. [row
        // 128]
        Ok(StatusCode::ACCEPTED.into_response())
    }

    /// The peer's answer to an asynchronous Prepare of this node.
    fn answer(
        &self,
        account: &Account,
        packet: &Bytes,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, ProblemDetails> {
        let request_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let Some(request_id) = request_id else {
            return Err(bad_request(
                "a Fulfill or a Reject needs the Request-Id of what it answers",
            ));
        };
        let batch = self.context.node.connector.start_batch(self.context.node.clock.now());
        let pending = self.context.request_ids.read(account.id(), request_id);
        // RFC 35 "Reply": a reply with an unknown or answered Request-Id is ignored, and gets 400. [row 129]
        let answer = PeerAnswer::Packet(packet);
        match pending.is_some_and(|id| batch.handle_answer(account, id, answer).was_pending()) {
            true => Ok(StatusCode::OK.into_response()),
            false => Err(bad_request("no packet waits for an answer with this Request-Id")),
        }
    }
}

enum PostOutcome {
    Answered(Response<Body>),
    Pending(PendingAnswer),
}

/// What a request keeps while it waits for its packet's answer.
struct PendingAnswer {
    answer: oneshot::Receiver<Vec<u8>>,
    session: Arc<InboundHandle>,
}

impl PendingAnswer {
    async fn response(self) -> Result<Response<Body>, ProblemDetails> {
        let packet = self.answer.await.map_err(|_| unavailable())?;
        let mut response = Response::new(Body::new(self.session.answer_body(packet)));
        // RFC 35 "Reply": the Content-Type of a Fulfill or Reject must be application/octet-stream. [row 130]
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OCTET_STREAM));
        Ok(response)
    }
}

/// Whether the Content-Type is that of packets, whatever its parameters.
pub(super) fn has_packet_type(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    [OCTET_STREAM, OLD_OCTET_STREAM].iter().any(|known| essence.eq_ignore_ascii_case(known))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ProblemDetails> {
    // RFC 35 "Request": the Content-Type of a packet must be application/octet-stream. [row 130]
    if has_packet_type(headers) {
        return Ok(());
    }
    let detail = format!("the Content-Type of a packet is {OCTET_STREAM}");
    Err(ProblemDetails::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

fn bad_request(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::BAD_REQUEST, detail)
}

// RFC 35 "Error Handling": an HTTP error may refuse a Prepare, for example because of its rate.
fn too_many_requests(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::TOO_MANY_REQUESTS, detail).with_header(RETRY_AFTER, "1")
}

fn not_accepted(error: NotAccepted) -> ProblemDetails {
    match error {
        NotAccepted::Ended => unavailable(),
        NotAccepted::TooManyAnswers => too_many_requests(
            "this account has too many answers that it has not received (outboxBytesMax); receive them first",
        ),
    }
}

fn unavailable() -> ProblemDetails {
    ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, "this node is stopping, or cannot keep up")
}

#[cfg(test)]
mod tests;
