//! ILP over HTTP, the asking side: keeps a link to one peer's server, POSTs what the connector has for it, and gives the
//! answers to the connector. It spawns nothing: `node` runs the future that [`HttpDialler::run`] is.
//!
//! HTTP has no session of its own, so one is made of what there is: it begins when the server can be connected to and ends
//! when it cannot. Then the next attempts follow the same series as with BTP (D4), and meanwhile packets to the peer get T01
//! at once. A connection that the server closes is no end: another one is made when the next packet comes, or, to see that
//! the server is still there, after a while.

use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};

use super::context::HttpContext;
use super::dial_config::HttpDial;
use super::http_peers::{HttpPeer, HttpTarget};
use super::link::{HttpLink, LinkLoss, LossKind};
use super::pool::Pool;
use super::request_places::RequestPlaces;
use crate::link::{CloseRequest, Framing, Outbox, SessionKind, TakenPacket};
use crate::net::{DialBackoff, Wait};
use crate::peers::{
    AttemptFailure, CloseReason, DialControl, DialHandle, PeerStatus, SessionGuard, Waited,
};
use crate::web::Tasks;

/// How often is looked, at the end, whether anything is still waited for.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// Keeps a link to one peer's server.
#[derive(Debug)]
pub struct HttpDialler {
    contact: Arc<HttpPeer>,
    context: Arc<HttpContext>,
    orders: DialControl,
}

impl HttpDialler {
    /// A dialler, and the handle that stops it.
    pub fn new(dial: HttpDial, context: Arc<HttpContext>) -> (Self, DialHandle) {
        let (handle, orders) = DialHandle::new();
        (Self { contact: Arc::new(HttpPeer::new(dial)), context, orders }, handle)
    }

    /// To have it send another token.
    pub fn target(&self) -> HttpTarget {
        HttpTarget(Arc::clone(&self.contact))
    }

    /// Dials, and dials again, until it is stopped.
    pub async fn run(mut self) {
        let transport = Arc::clone(&self.context.transport);
        let status = transport.peers.status(self.contact.dial().peer());
        let Some(account) = transport.connector.account(self.contact.dial().peer().as_str()) else {
            // A peer is an account before it is dialled.
            return status.dialling_stopped();
        };
        let tasks = Tasks::default();
        let mut running = tasks.running();
        let url = self.contact.dial().url().clone();
        let pool = Pool::new(url, transport, tasks.clone());
        let (contact, context) = (Arc::clone(&self.contact), Arc::clone(&self.context));
        let (link, mut losses) =
            HttpLink::new(contact, context, account, Arc::clone(&status), pool);
        let link = Arc::new(link);
        tokio::select! {
            never = running.run() => match never {},
            () = self.run_until_stopped(&link, &tasks, &mut losses, &status) => {}
        }
        status.dialling_stopped();
    }

    async fn run_until_stopped(
        &mut self,
        link: &Arc<HttpLink>,
        tasks: &Tasks,
        losses: &mut mpsc::Receiver<LinkLoss>,
        status: &PeerStatus,
    ) {
        let context = Arc::clone(&self.context.transport);
        let target = self.contact.dial().url().to_string();
        let mut backoff = DialBackoff::new(context.settings.retry_unit);
        let bytes_max = link.account().outbox_bytes_max();
        let places = RequestPlaces::new(self.contact.dial().requests_max(), bytes_max);
        let mut was_silent = false;
        loop {
            status.attempt_started(&target);
            let attempted = tokio::select! {
                biased;
                _ = self.orders.stopped() => break,
                attempted = reach(link, was_silent) => attempted,
            };
            let wait = match attempted {
                Ok(remote) => {
                    // What was found before is no news.
                    while losses.try_recv().is_ok() {}
                    let began = context.clock.mono();
                    let mut session = link.attach(&remote);
                    let lost = tokio::select! {
                        biased;
                        order = self.orders.stopped() => {
                            session.set_close_reason(order.into());
                            break;
                        }
                        lost = link.serve(session.outbox(), tasks, &places, losses) => lost,
                    };
                    was_silent = lost.as_ref().is_ok_and(|lost| lost.kind == LossKind::Silent);
                    let lasted = context.clock.mono().since(began);
                    let wait = backoff.session_ended(lasted, false, rand::random());
                    end_session(session, lost, wait, &target);
                    wait
                }
                Err(error) => {
                    let wait = backoff.attempt_failed(rand::random());
                    status.attempt_failed(&error, AttemptFailure::Unusable, wait.delay);
                    wait
                }
            };
            if wait.exhausted {
                status.retries_exhausted();
            }
            match self.orders.wait(wait).await {
                Waited::Over => {}
                Waited::Retry => backoff = DialBackoff::new(context.settings.retry_unit),
                Waited::Stop => break,
            }
        }
        // Requests that are under way may still be answered, as long as anybody waits.
        while !places.is_empty() && !link.account().is_idle() {
            sleep(LOOK).await;
        }
    }
}

/// Where the server is. One that answered nothing has to answer something before packets are sent to it again.
async fn reach(link: &HttpLink, was_silent: bool) -> Result<String, String> {
    let remote = link.pool.open().await.map_err(|error| error.to_string())?;
    if was_silent && !link.answers_at_all().await {
        return Err("it takes connections, but answers nothing".to_owned());
    }
    Ok(remote.to_string())
}

impl HttpLink {
    /// The server can be reached: packets may come.
    fn attach(&self, remote: &str) -> SessionGuard {
        let context = Arc::clone(&self.context().transport);
        let outbox = Outbox::new(Framing::None, self.account().outbox_bytes_max());
        let (account, kind) = (Arc::clone(self.account()), SessionKind::Dialled);
        SessionGuard::attach(context, account, kind, None, outbox, remote)
    }

    /// Sends what comes, until the link is lost.
    async fn serve(
        self: &Arc<Self>,
        outbox: &Outbox,
        tasks: &Tasks,
        places: &Arc<RequestPlaces>,
        losses: &mut mpsc::Receiver<LinkLoss>,
    ) -> Result<LinkLoss, CloseRequest> {
        let context = &self.context().transport;
        let interval = context.settings.keep_alive.interval;
        let mut look = context.clock.mono().after(interval);
        loop {
            tokio::select! {
                biased;
                Some(lost) = losses.recv() => return Ok(lost),
                order = close_asked(outbox) => return Err(order),
                taken = next(outbox, places) => {
                    let place = places.take(taken.requester, taken.packet.len());
                    let link = Arc::clone(self);
                    tasks.add(async move {
                        link.post(taken).await;
                        drop(place);
                    });
                }
                // Then an asker may go on that had none.
                () = places.freed() => {}
                () = sleep_until(context.clock.instant(look)) => {
                    look = context.clock.mono().after(interval);
                    // Requests that are under way have connections, and see what becomes of them.
                    if places.is_empty() && let Some(why) = self.is_gone().await {
                        return Ok(LinkLoss { why, kind: LossKind::Unreachable });
                    }
                }
            }
        }
    }
}

/// The next packet of an asker that has a place for it.
async fn next(outbox: &Outbox, places: &RequestPlaces) -> TakenPacket {
    std::future::poll_fn(|cx| {
        outbox.set_waker(cx.waker());
        let taken = outbox.take_packet_of(|asker| places.admits(asker));
        taken.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Until somebody wants the session to end.
async fn close_asked(outbox: &Outbox) -> CloseRequest {
    std::future::poll_fn(|cx| {
        outbox.set_waker(cx.waker());
        outbox.close_request().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Ends a session for the reason of its loss. A refused login also counts as a failed attempt.
fn end_session(
    mut session: SessionGuard,
    lost: Result<LinkLoss, CloseRequest>,
    wait: Wait,
    target: &str,
) {
    let status = Arc::clone(session.status());
    let (reason, refused) = match lost {
        Ok(LinkLoss { why, kind: LossKind::Refused }) => {
            (CloseReason::Broken(why.clone()), Some(why))
        }
        Ok(LinkLoss { why, .. }) => (CloseReason::Broken(why), None),
        Err(request) => (request.into(), None),
    };
    session.set_close_reason(reason);
    drop(session);
    if let Some(why) = refused {
        status.attempt_started(target);
        status.attempt_failed(&why, AttemptFailure::Refused, wait.delay);
    }
}

#[cfg(test)]
mod tests;
