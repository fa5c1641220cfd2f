//! Stops a node in order (D18): no new packets, answers for those in flight, then all sessions close.

use std::future::poll_fn;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::node_task::NodeTask;
use super::{sweep, task};
use crate::config::Durability;
use crate::link::CloseRequest;
use crate::peers::{GOING_AWAY, NodeContext};

const STOPPING: CloseRequest = CloseRequest { code: GOING_AWAY, reason: "stopping" };
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Lines about balances between two pauses for the log's thread.
const BALANCES_PER_BATCH: usize = 1000;
/// The time for the cuts that answers wait for.
const CUTS_TIMEOUT: Duration = Duration::from_secs(2);
/// The time for close frames to be written and answered, and for the last spans.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1500);

impl NodeTask {
    /// Stops the node. Packets in flight are answered before sessions close, up to the grace period. [row 92]
    pub(super) async fn stop(mut self) {
        let context = self.context.clone();
        let in_flight = context.connector.in_flight();
        tracing::info!(in_flight, grace = ?self.config.settings.shutdown_grace, "stopping");
        self.status.set_stopping();
        context.connector.stop_admitting();
        self.cancel_ildcp();
        drop(self.ccp);
        // The listeners close: dials are refused from now on, and do not wait.
        let sessions = self.acceptor.stop().await;
        let mut sessions_of_guests = Vec::new();
        for acceptor in self.guest_acceptors {
            sessions_of_guests.push(acceptor.stop().await);
        }
        let (http, http_tasks) = match self.http {
            Some((connections, acceptor)) => (Some(connections), acceptor.stop().await),
            None => (None, JoinSet::new()),
        };
        wait_for_answers(&context, self.config.settings.shutdown_grace).await;
        // Before the rest is rejected: a Prepare must not leave after that.
        if self.saver.is_some() && self.config.settings.durability == Durability::Strict {
            wait_for_cuts(&context).await;
        }
        for unanswered in context.connector.reject_all_pending(context.clock.now()) {
            tracing::warn!(
                peer = %unanswered.account,
                packets = unanswered.packets,
                amount = %unanswered.amount,
                "stopped with packets in flight; the peer may count them as fulfilled"
            );
        }
        drop(self.draining);
        // All at the same time, so that peers that do not answer cost the timeout only once.
        context.connector.close_all_sessions(STOPPING);
        if let Some(connections) = http {
            connections.close_when_idle();
        }
        tokio::join!(
            self.diallers.stop(STOPPING, CLOSE_TIMEOUT),
            task::wait_or_abort(sessions, CLOSE_TIMEOUT),
            task::wait_or_abort_all(sessions_of_guests, CLOSE_TIMEOUT),
            task::wait_or_abort(http_tasks, CLOSE_TIMEOUT),
            // All packets are answered, so that no span follows.
            self.otlp.stop(CLOSE_TIMEOUT),
        );
        drop(self.tls_thread);
        drop(self.sweep);
        sweep::log_unproven(&context);
        // A change after the last cut would be lost.
        drop(self.changes);
        drop(self.engines);
        drop(self.credits);
        drop(self.settlement_orders);
        drop(self.books_orders);
        drop(self.settlements);
        if let Some(lease) = self.lease {
            lease.abort();
        }
        if let Some(saver) = self.saver {
            saver.stop().await;
        }
        // Readers of its streams learn that it stops, and do not take it for a broken connection.
        self.status.until_streams_closed().await;
        drop(self.api_thread);
        self.status.audit().close().await;
        self.packet_log.stop(&context);
        self.packet_log.drain().await;
        log_balances(&context).await;
        tracing::info!("stopped");
    }
}

/// Logs the final balance of each account, which no other place keeps without a store.
async fn log_balances(context: &NodeContext) {
    let report = context.connector.report();
    let accounts = report.accounts.iter().map(|account| {
        let settings = &account.settings;
        (settings.id.to_string(), account.balance, &settings.asset)
    });
    let own = report.own_accounts.iter().map(|own| (own.id(), own.balance, &own.asset));
    for (number, (peer, balance, asset)) in accounts.chain(own).enumerate() {
        if number % BALANCES_PER_BATCH == BALANCES_PER_BATCH - 1 {
            tokio::time::sleep(POLL_INTERVAL).await;
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

/// Waits until everything that was booked is saved: answers wait for it, and a session that closes would lose them.
async fn wait_for_cuts(context: &NodeContext) {
    let Some(next) = context.connector.next_cut() else { return };
    // So that there is a next cut.
    context.connector.note_all_accounts();
    let saved = poll_fn(|cx| context.connector.poll_durable(next, cx));
    if timeout(CUTS_TIMEOUT, saved).await.is_err() {
        tracing::warn!("stopped with answers that waited for the store; they are not sent");
    }
}

/// Waits until no packet is in flight, up to `grace`.
async fn wait_for_answers(context: &NodeContext, grace: Duration) {
    let deadline = Instant::now() + grace;
    while context.connector.in_flight() > 0 && Instant::now() < deadline {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
