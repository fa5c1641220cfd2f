//! ILP over HTTP (RFC 35), the accepting side: `POST /accounts/<name>/ilp`, the path that is deployed, and `POST /ilp`,
//! where the token alone tells who is calling.
//!
//! A Prepare is answered in the response (200, a Fulfill or a Reject), or, where the request names itself (`Request-Id`)
//! and the peer's server is known, taken (202) and answered by a request to that server. A Fulfill or a Reject is the
//! answer to an asynchronous Prepare of ours. What goes wrong before the connector sees a packet is a problem (RFC 9457).

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
use axum::routing::post;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::auth;
use super::context::HttpContext;
use super::inbound_session::{InboundHandle, InboundSessions, NotAsked, ReplyTo};
use super::reply::{CALLBACK_URL, Callback, HttpReply, OCTETS, REQUEST_ID, callback};
use super::request_id::is_uuid;
use crate::connector::{Account, PeerAnswer};
use crate::net::{Throttle, sanitize_bytes};
use crate::peers::Directory;
use crate::web::{Connections, Guest, ProblemDetails};
use crate::wire::ilp::{Packet, Prepare};

/// What packets were once; some clients still say so.
const OLD_OCTETS: &str = "application/ilp+octet-stream";

/// What requests with packets need.
#[derive(Debug)]
pub(super) struct Ilp {
    pub(super) context: Arc<HttpContext>,
    pub(super) sessions: Arc<InboundSessions>,
    pub(super) guests: Arc<Connections>,
    /// Of lines about wrong tokens.
    pub(super) throttle: Throttle,
}

/// The resources that take packets.
pub(super) fn routes(ilp: Arc<Ilp>) -> Router {
    Router::new()
        .route("/accounts/{name}/ilp", post(named))
        .route("/ilp", post(unnamed))
        .with_state(ilp)
}

/// Whether a request is one that comes with a token, which is looked at.
pub(super) fn is_for_packets(method: &Method, uri: &Uri) -> bool {
    let mut segments = uri.path().split('/').skip(1);
    let segments = [(); 4].map(|()| segments.next());
    method == Method::POST
        && matches!(
            segments,
            [Some("ilp"), None, ..] | [Some("accounts"), Some(_), Some("ilp"), None]
        )
}

async fn named(
    State(ilp): State<Arc<Ilp>>,
    Extension(guest): Extension<Arc<Guest>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response<Body>, ProblemDetails> {
    let Path(name) =
        name.map_err(|_| ilp.count_wrong_token(&guest, bad("the name in the path is not UTF-8")))?;
    ilp.take(&guest, Some(&name), request).await
}

async fn unnamed(
    State(ilp): State<Arc<Ilp>>,
    Extension(guest): Extension<Arc<Guest>>,
    request: Request,
) -> Result<Response<Body>, ProblemDetails> {
    ilp.take(&guest, None, request).await
}

impl Ilp {
    /// A request with a packet, top to bottom. What costs least and keeps most out comes first.
    async fn take(
        &self,
        guest: &Guest,
        name: Option<&str>,
        request: Request,
    ) -> Result<Response<Body>, ProblemDetails> {
        let answer = self.hand_over(guest, name, request).await?;
        // The request is gone by now: as many packets may wait for their answers as a peer may have in flight.
        match answer {
            Handed::Done(response) => Ok(response),
            Handed::Waits(waits) => waits.response().await,
        }
    }

    async fn hand_over(
        &self,
        guest: &Guest,
        name: Option<&str>,
        request: Request,
    ) -> Result<Handed, ProblemDetails> {
        let (head, body) = request.into_parts();
        let account = self.authenticate(guest, name, &head.headers)?;
        check_type(&head.headers)?;
        let body = self.read(&account, &head.headers, body).await?;
        match Packet::parse(&body) {
            Ok(Packet::Prepare(prepare)) => {
                let posted = self.session(&account, guest)?;
                match self.callback(&account, &prepare, &head.headers)? {
                    Some(reply) => self.accept(&posted, &body, reply).map(Handed::Done),
                    None => self.ask(&posted, &body).map(Handed::Waits),
                }
            }
            Ok(_) => self.answer(&account, &body, &head.headers).map(Handed::Done),
            Err(error) => Err(bad(format!("the body is not an ILP packet: {error}"))),
        }
    }

    fn authenticate(
        &self,
        guest: &Guest,
        name: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Arc<Account>, ProblemDetails> {
        let transport = &self.context.transport;
        let directory = self.context.logins.load();
        let id = auth::account(headers, name, &directory, transport.clock.now().wall);
        // The peer may have been removed between the directory's making and now.
        let account = id.and_then(|id| transport.connector.account(id.as_str()));
        let Some(account) = account else {
            return Err(self.refused(guest, name, headers, &directory));
        };
        let was_owned = guest.is_owned();
        self.guests.set_owner(guest, account.id()).map_err(|_| {
            let limit = self.guests.bounds().limits.of_one_peer_max;
            let detail = format!(
                "this account has all the connections that it may have ({limit} at most), and all are in use"
            );
            too_many(detail).with(CONNECTION, "close")
        })?;
        if !was_owned {
            transport.known_origins.remember(account.id(), guest.remote.into());
        }
        Ok(account)
    }

    /// A wrong token, or none: one answer for all, and for those who go on the end of the connection.
    fn refused(
        &self,
        guest: &Guest,
        name: Option<&str>,
        headers: &HeaderMap,
        directory: &Directory,
    ) -> ProblemDetails {
        let transport = &self.context.transport;
        let now = transport.clock.mono();
        transport.http_counts.refused_logins.fetch_add(1, Ordering::Relaxed);
        let (remote, has_token) = (guest.remote, headers.contains_key(AUTHORIZATION));
        let claimed = auth::claimed(headers, name, transport.clock.now().wall);
        let known = claimed.as_deref().and_then(|name| directory.account_named(name));
        if has_token {
            transport.peers.login_refused(known, &remote.to_string(), "wrong token");
        }
        if let Some(suppressed) = self.throttle.admit(now) {
            let user = claimed.as_deref().map(|name| {
                // A token in the place of the name must not come into the log.
                let hidden = directory.is_secret(name) || auth::is_offered(headers, name);
                if hidden { "***".to_owned() } else { sanitize_bytes(name.as_bytes()) }
            });
            let reason = if has_token { "wrong token" } else { "no token" };
            tracing::warn!(%remote, user, reason, suppressed, "HTTP login refused");
        }
        let detail = "a bearer token of this account is needed, or a JWT (HS256) with sub and exp that is signed with it";
        let problem = ProblemDetails::new(StatusCode::UNAUTHORIZED, detail)
            .with(WWW_AUTHENTICATE, "Bearer realm=\"ilp\"");
        self.count_wrong_token(guest, problem)
    }

    /// `problem` answers a request that named no account it may act for. After some of them the connection ends.
    fn count_wrong_token(&self, guest: &Guest, problem: ProblemDetails) -> ProblemDetails {
        if !self.guests.wrong_token(guest, self.context.transport.clock.mono()) {
            return problem;
        }
        guest.end();
        problem.with(CONNECTION, "close")
    }

    /// The body, in time, and no longer than a packet can be.
    async fn read(
        &self,
        account: &Account,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Bytes, ProblemDetails> {
        let bytes_max = self.context.transport.settings.message_bytes_max;
        let too_long = || {
            let detail = format!("a packet has at most {bytes_max} bytes");
            ProblemDetails::new(StatusCode::PAYLOAD_TOO_LARGE, detail).with(CONNECTION, "close")
        };
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if announced.and_then(|length| length.parse().ok()).is_some_and(|length: u64| {
            usize::try_from(length).map_or(true, |length| length > bytes_max)
        }) {
            return Err(too_long());
        }
        // What connections and streams there may be would hold far more than there is memory.
        let _waiting = self.guests.body(account.id()).ok_or_else(|| {
            too_many("too many bodies of this account are under way; send fewer at a time")
        })?;
        let time = self.guests.bounds().body_time;
        let read = timeout(time, to_bytes(body, bytes_max)).await;
        read.map_err(|_| {
            let detail = format!("the body did not come within {time:?}");
            ProblemDetails::new(StatusCode::REQUEST_TIMEOUT, detail).with(CONNECTION, "close")
        })?
        // Too long, or the connection broke; who is gone does not read this.
        .map_err(|_| too_long())
    }

    fn session(
        &self,
        account: &Arc<Account>,
        guest: &Guest,
    ) -> Result<Arc<InboundHandle>, ProblemDetails> {
        let remote = guest.remote.to_string();
        self.sessions.session(account, &remote).map_err(|_| unavailable())
    }

    /// Where the answer goes; `None`: into the response.
    fn callback(
        &self,
        account: &Account,
        prepare: &Prepare<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<HttpReply>, ProblemDetails> {
        let Some(request_id) = headers.get(REQUEST_ID) else { return Ok(None) };
        let contact = self.context.contacts.of(account.id());
        let asked = headers.get(CALLBACK_URL).map(HeaderValue::as_bytes);
        let url = match callback(asked, contact.as_deref()) {
            Callback::Response => return Ok(None),
            Callback::Refused(why) => return Err(bad(why)),
            Callback::To(url) => url,
        };
        let request_id = request_id.to_str().ok().filter(|id| is_uuid(id));
        let request_id = request_id.ok_or_else(|| bad("Request-Id is not a UUID"))?.to_owned();
        let Some(contact) = contact else { return Ok(None) };
        let now = self.context.transport.clock.now();
        let deadline = now.mono.after(prepare.expires_at.saturating_duration_since(now.wall));
        Ok(Some(HttpReply { contact, url, request_id, deadline }))
    }

    /// Synchronous: the answer is in the response. There is one, at the latest when the Prepare expires.
    fn ask(&self, posted: &Arc<InboundHandle>, packet: &Bytes) -> Result<Waits, ProblemDetails> {
        let (sender, answer) = oneshot::channel();
        let waiter = ReplyTo::Here(sender);
        posted.ask(&self.context.transport, packet, waiter).map_err(not_asked)?;
        Ok(Waits { answer, posted: Arc::clone(posted) })
    }

    /// Asynchronous: taken, whatever the answer will be.
    fn accept(
        &self,
        posted: &InboundHandle,
        packet: &Bytes,
        reply: HttpReply,
    ) -> Result<Response<Body>, ProblemDetails> {
        let waiter = ReplyTo::There(Box::new(reply));
        posted.ask(&self.context.transport, packet, waiter).map_err(not_asked)?;
        Ok(empty(StatusCode::ACCEPTED))
    }

    /// The peer's answer to an asynchronous Prepare of ours.
    fn answer(
        &self,
        account: &Account,
        packet: &Bytes,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, ProblemDetails> {
        let request_id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let Some(request_id) = request_id else {
            return Err(bad("a Fulfill or a Reject needs the Request-Id of what it answers"));
        };
        let turn = self.context.transport.connector.start_batch(self.context.transport.clock.now());
        let known = self.context.request_ids.read(account.id(), request_id);
        match known.is_some_and(|id| turn.handle_answer(account, id, PeerAnswer::Packet(packet))) {
            true => Ok(empty(StatusCode::OK)),
            false => Err(bad("nobody waits for an answer with this Request-Id (any more)")),
        }
    }
}

/// What became of a request with a packet.
enum Handed {
    /// It is answered.
    Done(Response<Body>),
    /// It waits for the packet's answer.
    Waits(Waits),
}

/// A request that waits for its packet's answer, and keeps nothing else.
struct Waits {
    answer: oneshot::Receiver<Vec<u8>>,
    posted: Arc<InboundHandle>,
}

impl Waits {
    async fn response(self) -> Result<Response<Body>, ProblemDetails> {
        let packet = self.answer.await.map_err(|_| unavailable())?;
        let mut response = Response::new(Body::new(self.posted.answer(packet)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OCTETS));
        Ok(response)
    }
}

/// Whether the Content-Type is that of packets. Its parameters do not matter.
pub(super) fn is_packet_type(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    [OCTETS, OLD_OCTETS].iter().any(|known| essence.eq_ignore_ascii_case(known))
}

fn check_type(headers: &HeaderMap) -> Result<(), ProblemDetails> {
    if is_packet_type(headers) {
        return Ok(());
    }
    let detail = format!("the Content-Type of a packet is {OCTETS}");
    Err(ProblemDetails::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn bad(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::BAD_REQUEST, detail)
}

/// The peer has asked for as much as it may; RFC 35 leaves it to 429 to say so.
fn too_many(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::TOO_MANY_REQUESTS, detail).with(RETRY_AFTER, "1")
}

fn not_asked(error: NotAsked) -> ProblemDetails {
    match error {
        NotAsked::Ended => unavailable(),
        NotAsked::Full => too_many(
            "as many answers wait as this account may have waiting (outboxBytesMax); take them first",
        ),
    }
}

fn unavailable() -> ProblemDetails {
    ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, "this node is stopping, or cannot keep up")
}

#[cfg(test)]
mod tests;
