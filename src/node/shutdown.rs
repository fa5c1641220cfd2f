//! Stopping in order (D18): no new packets, answers for those in flight, then the end of every session.

use std::time::Duration;

use tokio::time::Instant;

use super::node_task::NodeTask;
use crate::peers::{GOING_AWAY, TransportContext};

const STOPPING: &str = "stopping";
/// How often is looked whether all is answered.
const LOOK: Duration = Duration::from_millis(10);
/// Lines about balances between two pauses, in which the log's thread can write them.
const BALANCES_AT_ONCE: usize = 1000;
/// For close frames to be written and answered.
const CLOSING_TIME: Duration = Duration::from_millis(1500);

impl NodeTask {
    /// Stops the node. Packets in flight are answered before sessions close, up to the grace period. [row 92]
    pub(super) async fn stop(mut self) {
        let context = self.context.clone();
        let in_flight = context.connector.in_flight();
        tracing::info!(in_flight, grace = ?self.config.settings.shutdown_grace, "stopping");
        self.status.set_stopping();
        context.connector.stop_admitting();
        self.cancel_ildcp();
        drop(self.exchange);
        // With the tasks go the listeners: whoever dials from now on is refused instead of being kept waiting.
        let sessions = self.acceptor.stop().await;
        let http = match self.http {
            Some(http) => Some(http.stop().await),
            None => None,
        };
        wait_for_answers(&context, self.config.settings.shutdown_grace).await;
        for exposure in context.connector.reject_pending(context.clock.now()) {
            tracing::warn!(
                peer = %exposure.account,
                packets = exposure.packets,
                amount = %exposure.amount,
                "stopped with packets in flight; the peer may count them as fulfilled"
            );
        }
        drop(self.draining);
        // All at once: peers that do not answer cost one goodbye, not two.
        context.connector.close_all_sessions(GOING_AWAY, STOPPING);
        if let Some(http) = &http {
            http.end_connections();
        }
        tokio::join!(
            self.diallers.stop(GOING_AWAY, STOPPING, CLOSING_TIME),
            sessions.ended(CLOSING_TIME),
            async {
                if let Some(http) = http {
                    http.ended(CLOSING_TIME).await;
                }
            }
        );
        drop(self.tls_thread);
        drop(self.sweep);
        drop(self.api);
        self.packets.stop(&context);
        self.packets.written().await;
        tell_balances(&context).await;
        tracing::info!("stopped");
    }
}

/// What every account ends with: it is nowhere else once the process is gone.
async fn tell_balances(context: &TransportContext) {
    let report = context.connector.report();
    let accounts = report.accounts.iter().map(|account| {
        let settings = &account.settings;
        (settings.id.to_string(), account.balance, &settings.asset)
    });
    let own = report.own_accounts.iter().map(|own| (own.id(), own.balance, &own.asset));
    for (number, (peer, balance, asset)) in accounts.chain(own).enumerate() {
        if number % BALANCES_AT_ONCE == BALANCES_AT_ONCE - 1 {
            tokio::time::sleep(LOOK).await;
        }
        tracing::info!(
            peer,
            balance,
            asset = %asset.code,
            scale = asset.scale,
            "balance at the stop"
        );
    }
}

/// Until nothing is in flight, or time is up.
async fn wait_for_answers(context: &TransportContext, grace: Duration) {
    let deadline = Instant::now() + grace;
    while context.connector.in_flight() > 0 && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
}
