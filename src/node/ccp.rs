//! The exchange of routes with peers: sends due updates, and installs learned routes in the routing table.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::task;
use crate::api::NodeStatus;
use crate::link::Outcome;
use crate::peers::NodeContext;
use crate::routing::ccp::{CcpNotice, RequestTicket};

/// The maximum delay of an update, and the minimum time between two new routing tables.
const TICK: Duration = Duration::from_millis(50);
/// After a table is built, the next one waits this many times as long as building took: a peer whose routes change all
/// the time costs only a part of one processor.
const INSTALL_REST_FACTOR: u32 = 3;

pub(super) async fn run(context: Arc<NodeContext>, status: Arc<NodeStatus>) {
    let wake = Arc::new(Notify::new());
    let handle_answer = {
        let (context, wake) = (Arc::clone(&context), Arc::clone(&wake));
        move |ticket: RequestTicket, outcome: Outcome| {
            context.connector.handle_ccp_answer(ticket, &outcome, context.clock.now());
            // The next update of a large table does not wait for the tick.
            wake.notify_one();
        }
    };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut installing: Option<JoinHandle<()>> = None;
    loop {
        let may_install = tokio::select! {
            biased;
            _ = ticks.tick() => installing.as_ref().is_none_or(JoinHandle::is_finished),
            () = wake.notified() => false,
        };
        let changes = context.connector.poll_ccp(context.clock.now(), &handle_answer);
        changes.notices.iter().for_each(|notice| log_notice(&context, notice));
        if changes.learned_changed && may_install {
            installing = Some(install_learned_routes(Arc::clone(&context), Arc::clone(&status)));
        }
    }
}

/// Building a table of many routes takes a while, so it runs beside the packets.
fn install_learned_routes(context: Arc<NodeContext>, status: Arc<NodeStatus>) -> JoinHandle<()> {
    task::spawn(async move {
        let started = Instant::now();
        let builder = Arc::clone(&context);
        // An error is a panic, which the panic hook has logged.
        let _ = task::spawn_blocking(move || builder.connector.install_learned_routes()).await;
        let (routes, took) = (context.connector.routes_total(), started.elapsed());
        status.record_learned_routes(routes);
        tracing::debug!(routes, ?took, "learned routes are in the routing table");
        tokio::time::sleep(took * INSTALL_REST_FACTOR).await;
    })
}

fn log_notice(context: &NodeContext, notice: &CcpNotice) {
    let (CcpNotice::Expired { peer, .. } | CcpNotice::TooManyRoutes { peer, .. }) = notice;
    let Some(suppressed) = context.peers.status(peer).admit_line() else { return };
    match notice {
        CcpNotice::Expired { peer, routes } => {
            tracing::warn!(%peer, routes, suppressed, "the routes of a peer are dropped: it sent no update for too long");
        }
        CcpNotice::TooManyRoutes { peer, routes } => {
            tracing::warn!(%peer, routes, suppressed, "a peer advertises more routes than this node keeps");
        }
    }
}
