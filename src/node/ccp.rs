//! The exchange of routes with peers: says what is due, and puts what was learned into the routing table.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::task;
use crate::link::Outcome;
use crate::peers::TransportContext;
use crate::routing::ccp::{CcpNotice, RequestTicket};

/// How long a change waits at most before it is told, and at least between two tables.
const TICK: Duration = Duration::from_millis(50);
/// After a table that took a while to build, the next one waits for so many times as long: routes that come and go all
/// the time, of whichever peer, cost a part of one processor.
const REST_FACTOR: u32 = 3;

/// Exchanges routes for ever.
pub(super) async fn run(context: Arc<TransportContext>) {
    let wake = Arc::new(Notify::new());
    let answered = {
        let (context, wake) = (Arc::clone(&context), Arc::clone(&wake));
        move |ticket: RequestTicket, outcome: Outcome| {
            context.connector.handle_ccp_answer(ticket, &outcome, context.clock.now());
            // A large table goes out update after update: the next one does not wait for the tick.
            wake.notify_one();
        }
    };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut installing: Option<JoinHandle<()>> = None;
    loop {
        let may_install = tokio::select! {
            _ = ticks.tick() => installing.as_ref().is_none_or(JoinHandle::is_finished),
            () = wake.notified() => false,
        };
        let exchanged = context.connector.poll_ccp(context.clock.now(), &answered);
        exchanged.notices.iter().for_each(|notice| tell(&context, notice));
        if exchanged.learned_changed && may_install {
            installing = Some(install(Arc::clone(&context)));
        }
    }
}

/// A table of many routes takes a while to build, in which packets go on.
fn install(context: Arc<TransportContext>) -> JoinHandle<()> {
    task::spawn(async move {
        let began = Instant::now();
        let installed = Arc::clone(&context);
        // An error is a panic, which the panic hook has logged.
        let _ =
            tokio::task::spawn_blocking(move || installed.connector.install_learned_routes()).await;
        let (routes, took) = (context.connector.routes_total(), began.elapsed());
        tracing::debug!(routes, ?took, "learned routes are in the routing table");
        tokio::time::sleep(took * REST_FACTOR).await;
    })
}

fn tell(context: &TransportContext, notice: &CcpNotice) {
    let (CcpNotice::Expired { peer, .. } | CcpNotice::TooManyRoutes { peer, .. }) = notice;
    let Some(suppressed) = context.peers.status(peer).admit_line() else { return };
    match notice {
        CcpNotice::Expired { peer, routes } => {
            tracing::warn!(%peer, routes, suppressed, "the routes of a peer are dropped: nothing was heard of it for too long");
        }
        CcpNotice::TooManyRoutes { peer, routes } => {
            tracing::warn!(%peer, routes, suppressed, "a peer announces more routes than are kept");
        }
    }
}
