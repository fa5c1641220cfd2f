//! ILP over HTTP, the client side: keeps a session with one peer's server, posts the connector's packets, and passes
//! the answers back. It spawns nothing: `node` runs the future of [`HttpDialler::run`].
//!
//! HTTP has no sessions, so the dialler makes one: it begins when a connection to the server succeeds, and ends when
//! that fails. The next attempts are then timed as with BTP (D4), and packets to the peer get T01 at once. A connection
//! that the server closes does not end the session: the next packet opens another one, or a check that the server is
//! still there.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};

use super::context::HttpContext;
use super::dial_config::HttpDial;
use super::http_peers::{HttpDialUpdater, HttpPeer};
use super::pool::Pool;
use super::poster::{LossKind, PacketPoster, SILENT, ServerLoss};
use super::request_permits::RequestPermits;
use crate::link::{CloseRequest, Framing, Outbox, SessionKind, TakenPacket};
use crate::machine;
use crate::net::{LINK_IS_CUT, LinkCarrier, LinkFaults};
use crate::peers::{
    AttemptFailure, CloseReason, DialBackoff, DialDelay, DialHandle, DialSignals, PeerStatus,
    SessionGuard, WaitEnd,
};
use crate::web::Tasks;

/// How often a stopped dialler checks whether all requests are answered.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Keeps a session with one peer's server.
#[derive(Debug)]
pub struct HttpDialler {
    peer: Arc<HttpPeer>,
    context: Arc<HttpContext>,
    signals: DialSignals,
}

impl HttpDialler {
    /// A dialler, and the handle that stops it.
    pub fn new(dial: HttpDial, context: Arc<HttpContext>) -> (Self, DialHandle) {
        let (handle, signals) = DialHandle::new();
        (Self { peer: Arc::new(HttpPeer::new(dial)), context, signals }, handle)
    }

    /// A handle to change the token that it sends.
    pub fn updater(&self) -> HttpDialUpdater {
        HttpDialUpdater(Arc::clone(&self.peer))
    }

    /// Dials, and posts packets, until it is stopped.
    pub async fn run(mut self) {
        let node = Arc::clone(&self.context.node);
        let status = node.peers.status(self.peer.dial().peer());
        let Some(account) = node.connector.account(self.peer.dial().peer().as_str()) else {
            return status.record_stop_of_dialling();
        };
        let tasks = Tasks::default();
        let mut poller = tasks.poller();
        let url = self.peer.dial().url.clone();
        let faults = node.dialled_faults(self.peer.dial().peer(), LinkCarrier::Bytes);
        let pool = Pool::new(url, node, tasks.clone()).with_faults(faults);
        let (peer, context) = (Arc::clone(&self.peer), Arc::clone(&self.context));
        let (poster, mut losses) =
            PacketPoster::new(peer, context, account, Arc::clone(&status), pool);
        let poster = Arc::new(poster);
        tokio::select! {
            biased;
            never = poller.run() => match never {},
            () = self.run_until_stopped(&poster, &tasks, &mut losses, &status) => {}
        }
        status.record_stop_of_dialling();
    }

    async fn run_until_stopped(
        &mut self,
        poster: &Arc<PacketPoster>,
        tasks: &Tasks,
        losses: &mut mpsc::Receiver<ServerLoss>,
        status: &PeerStatus,
    ) {
        let context = Arc::clone(&self.context.node);
        let target = self.peer.dial().url.to_string();
        let mut backoff = DialBackoff::new(context.settings.retry_unit);
        let bytes_max = poster.account.outbox_bytes_max();
        let permits = RequestPermits::new(self.peer.dial().requests_max, bytes_max);
        let mut was_silent = false;
        loop {
            status.record_attempt(&target);
            if let Some(cut) = cut_link(poster) {
                status.record_failed_attempt(
                    LINK_IS_CUT,
                    AttemptFailure::Unreachable,
                    Duration::ZERO,
                );
                tokio::select! {
                    biased;
                    _ = self.signals.stopped() => break,
                    () = cut.until_joined() => {}
                }
                backoff = DialBackoff::new(context.settings.retry_unit);
                continue;
            }
            let attempted = tokio::select! {
                biased;
                _ = self.signals.stopped() => break,
                attempted = connect(poster, was_silent) => attempted,
            };
            let wait = match attempted {
                Ok(remote) => {
                    // Losses of the session before.
                    while losses.try_recv().is_ok() {}
                    let began = context.clock.mono();
                    let mut session = poster.attach(&remote);
                    let lost = tokio::select! {
                        biased;
                        request = self.signals.stopped() => {
                            session.set_close_reason(request.into());
                            break;
                        }
                        lost = poster.serve(session.outbox(), tasks, &permits, losses) => lost,
                    };
                    was_silent = lost.as_ref().is_ok_and(|lost| lost.kind == LossKind::Silent);
                    let lasted = context.clock.mono().since(began);
                    let wait = backoff.delay_after_session(lasted, false, machine::random());
                    end_session(session, lost, wait, &target);
                    wait
                }
                Err(error) => {
                    let wait = backoff.delay_after_failure(machine::random());
                    status.record_failed_attempt(&error, AttemptFailure::Unusable, wait.delay);
                    wait
                }
            };
            if wait.is_slow {
                status.mark_down();
            }
            match self.signals.wait_before_attempt(wait).await {
                WaitEnd::Over => {}
                WaitEnd::Retry => backoff = DialBackoff::new(context.settings.retry_unit),
                WaitEnd::Stop => break,
            }
        }
        // Requests in progress may still be answered.
        while !permits.is_empty() && !poster.account.is_idle() {
            sleep(DRAIN_POLL_INTERVAL).await;
        }
    }
}

/// The faults of the link, if it is cut.
fn cut_link(poster: &PacketPoster) -> Option<&Arc<LinkFaults>> {
    poster.pool.faults.as_ref().filter(|faults| faults.settings().is_cut)
}

/// Waits until the link is cut. Never ends without a lab. Cancel safe.
async fn until_cut(faults: Option<&Arc<LinkFaults>>) {
    match faults {
        Some(faults) => faults.until_cut().await,
        None => std::future::pending().await,
    }
}

/// The server's address. After silence it must answer a request before it gets packets again.
async fn connect(poster: &PacketPoster, was_silent: bool) -> Result<String, String> {
    let remote = poster.pool.reconnect().await.map_err(|error| error.to_string())?;
    if was_silent && !poster.probe().await {
        return Err(SILENT.to_owned());
    }
    Ok(remote.to_string())
}

impl PacketPoster {
    fn attach(&self, remote: &str) -> SessionGuard {
        let context = Arc::clone(&self.context.node);
        let outbox = Outbox::new(Framing::None, self.account.outbox_bytes_max());
        let (account, status) = (Arc::clone(&self.account), Arc::clone(&self.status));
        SessionGuard::attach(context, account, status, SessionKind::Dialled, None, outbox, remote)
    }

    /// Sends the packets of the outbox until the session is lost.
    async fn serve(
        self: &Arc<Self>,
        outbox: &Outbox,
        tasks: &Tasks,
        permits: &Arc<RequestPermits>,
        losses: &mut mpsc::Receiver<ServerLoss>,
    ) -> Result<ServerLoss, CloseRequest> {
        let context = &self.context.node;
        let interval = context.settings.keep_alive.interval;
        let mut check_at = context.clock.mono().after(interval);
        let poster_faults = self.pool.faults.as_ref();
        loop {
            tokio::select! {
                biased;
                Some(lost) = losses.recv() => return Ok(lost),
                request = wait_for_close(outbox) => return Err(request),
                taken = next_packet(outbox, permits) => {
                    let permit = permits.take_permit(taken.requester, taken.packet.len());
                    let poster = Arc::clone(self);
                    tasks.add(async move {
                        poster.post(taken).await;
                        drop(permit);
                    });
                }
                () = until_cut(poster_faults) => {
                    let reason = LINK_IS_CUT.to_owned();
                    return Ok(ServerLoss { reason, kind: LossKind::Unreachable });
                }
                // A requester that was at its limit may have packets in the outbox.
                () = permits.wait_for_release() => {}
                () = sleep_until(context.clock.instant(check_at)) => {
                    check_at = context.clock.mono().after(interval);
                    // Requests in progress detect the loss of their connections themselves.
                    if permits.is_empty() && let Some(reason) = self.check_server().await {
                        return Ok(ServerLoss { reason, kind: LossKind::Unreachable });
                    }
                }
            }
        }
    }
}

/// The next packet of a requester that is below its limit.
async fn next_packet(outbox: &Outbox, permits: &RequestPermits) -> TakenPacket {
    std::future::poll_fn(|cx| {
        outbox.set_waker(cx.waker());
        let taken = outbox.take_packet_if(|requester| permits.can_admit(requester));
        taken.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

async fn wait_for_close(outbox: &Outbox) -> CloseRequest {
    std::future::poll_fn(|cx| {
        outbox.set_waker(cx.waker());
        outbox.close_request().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Ends a session. A refused login also counts as a failed attempt.
fn end_session(
    mut session: SessionGuard,
    lost: Result<ServerLoss, CloseRequest>,
    wait: DialDelay,
    target: &str,
) {
    let status = Arc::clone(session.status());
    let (reason, refusal) = match lost {
        Ok(ServerLoss { reason, kind: LossKind::Refused }) => {
            (CloseReason::Broken(reason.clone()), Some(reason))
        }
        Ok(ServerLoss { reason, .. }) => (CloseReason::Broken(reason), None),
        Err(request) => (request.into(), None),
    };
    session.set_close_reason(reason);
    drop(session);
    if let Some(refusal) = refusal {
        status.record_attempt(target);
        status.record_failed_attempt(&refusal, AttemptFailure::Refused, wait.delay);
    }
}

#[cfg(test)]
mod tests;
