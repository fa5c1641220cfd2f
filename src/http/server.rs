//! The public HTTP listener: HTTP/1.1 and HTTP/2 for peers that post packets and for SPSP clients. It spawns nothing:
//! `node` runs the future of all work that [`HttpServer::next_work`] yields.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::context::HttpContext;
use super::ilp::{Ilp, carries_packet};
use super::inbound_session::{InboundSession, InboundSessions};
use super::router::router;
use crate::net::{BindError, Listener, LogThrottle, ProxiedListener, RemoteAddress, ServerTls};
use crate::web::{
    AcceptedConnection, Connection, ConnectionLimiter, ConnectionLimits, ProblemDetails,
    WebListener, WebService,
};

const PORT_SET_BY: &str = "httpServerPort or HTTP_SERVER_PORT";
/// The share of the open files of accepted connections that this listener takes at most: a half, the rest is for BTP.
const OPEN_FILES_SHARE: usize = 2;

/// A listening socket for ILP over HTTP and SPSP.
#[derive(Debug)]
pub struct HttpServer {
    listener: WebListener,
    sessions: tokio::sync::Mutex<mpsc::Receiver<InboundSession>>,
}

/// Closes the connections of a listener, also when the listener itself is gone.
#[derive(Debug, Clone)]
pub struct HttpConnections(Arc<ConnectionLimiter>);

#[derive(Debug)]
pub struct HttpWork(Work);

#[derive(Debug)]
enum Work {
    /// Serve an accepted socket.
    Connection(Box<AcceptedConnection>),
    /// Deliver the answers of a peer that has posted for the first time.
    Session(InboundSession),
}

impl HttpServer {
    /// Listens on `host` (a name or an address) and `port`; 0 picks a free one, see [`Self::local_addr`].
    pub async fn bind(
        host: &str,
        port: u16,
        tls: Option<Arc<ServerTls>>,
        context: Arc<HttpContext>,
    ) -> Result<Self, BindError> {
        let configured = context.node.settings.http;
        let limits = ConnectionLimits { configured, ..ConnectionLimits::default() };
        Self::bind_with(host, port, tls, context, limits).await
    }

    pub(super) async fn bind_with(
        host: &str,
        port: u16,
        tls: Option<Arc<ServerTls>>,
        context: Arc<HttpContext>,
        limits: ConnectionLimits,
    ) -> Result<Self, BindError> {
        let listener = Listener::bind(host, port, PORT_SET_BY).await?;
        let node = Arc::clone(&context.node);
        let configured = limits.configured.within(node.descriptors.max() / OPEN_FILES_SHARE);
        let limiter = ConnectionLimiter::new(ConnectionLimits { configured, ..limits });
        let (inbound, sessions) = InboundSessions::new(Arc::clone(&node));
        let ilp = Ilp {
            context,
            sessions: inbound,
            limiter: Arc::clone(&limiter),
            throttle: LogThrottle::default(),
        };
        let service = WebService {
            tls,
            router: router(Arc::new(ilp)),
            admit: refuse_above_rate,
            above_limit: report_above_limit,
            proxied: Some(ProxiedListener::Http),
            throttle: LogThrottle::default(),
            http2: true,
            limiter,
            context: node,
        };
        let listener = WebListener::new(listener, service);
        Ok(Self { listener, sessions: tokio::sync::Mutex::new(sessions) })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// A handle to the connections, for a shutdown.
    pub fn connections(&self) -> HttpConnections {
        HttpConnections(Arc::clone(&self.listener.service().limiter))
    }

    #[cfg(test)]
    pub(super) fn limiter(&self) -> &ConnectionLimiter {
        &self.listener.service().limiter
    }

    /// The next work. Never ends. Dropping the future loses nothing. One task at a time should call this.
    pub async fn next_work(&self) -> HttpWork {
        let mut sessions = self.sessions.lock().await;
        HttpWork(tokio::select! {
            biased;
            Some(session) = sessions.recv() => Work::Session(session),
            connection = self.accept() => Work::Connection(Box::new(connection)),
        })
    }

    async fn accept(&self) -> AcceptedConnection {
        let counts = &self.listener.service().context.http_counts;
        loop {
            let accepted = self.listener.accept().await;
            counts.accepted.fetch_add(1, Ordering::Relaxed);
            if let Some(connection) = accepted {
                return connection;
            }
        }
    }
}

fn report_above_limit(service: &WebService, remote: RemoteAddress) {
    let WebService { context, limiter, throttle, .. } = service;
    context.http_counts.over_limit.fetch_add(1, Ordering::Relaxed);
    let Some(suppressed) = throttle.admit(context.clock.mono()) else { return };
    let limits = limiter.limits().configured.unauthenticated;
    tracing::warn!(
        %remote,
        suppressed,
        limit = limits.total,
        limit_per_address = limits.per_address,
        "an HTTP connection was closed for another one: too many have not authenticated"
    );
}

/// Counts a request. `Some`: it is above the rate of its address.
fn refuse_above_rate(
    WebService { limiter, context, .. }: &WebService,
    connection: &Connection,
    remote: RemoteAddress,
    request: &Request<Incoming>,
) -> Option<Response<Body>> {
    context.http_counts.requests.fetch_add(1, Ordering::Relaxed);
    let is_login = carries_packet(request.method(), request.uri());
    if !is_login {
        connection.record_anonymous_request();
    }
    let admitted = limiter.admit_request(connection, remote.into(), is_login, context.clock.mono());
    admitted.err().map(|_| {
        let problem = ProblemDetails::above_rate(is_login);
        // Others use the connection of a proxy.
        let problem = match connection.is_of_proxy() {
            true => problem,
            false => problem.with_header(CONNECTION, "close"),
        };
        problem.into_response()
    })
}

impl HttpConnections {
    /// Closes every connection as soon as its requests are answered.
    pub fn close_when_idle(&self) {
        self.0.close_all_when_idle();
    }
}

impl HttpWork {
    /// Does the work to its end. Dropping the future closes the connection, or ends the session.
    pub async fn run(self) {
        match self.0 {
            Work::Connection(connection) => {
                let service = Arc::clone(&connection.service);
                if connection.run().await.is_err() {
                    let counts = &service.context.http_counts;
                    counts.failed_tls_handshakes.fetch_add(1, Ordering::Relaxed);
                }
            }
            Work::Session(session) => session.run().await,
        }
    }
}

#[cfg(test)]
mod tests;
