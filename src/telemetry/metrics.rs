//! Metrics as Prometheus text, read at the time of a scrape.
//!
//! The packet path counts in plain numbers under the lock of its account; nothing here is on it. Each node has a
//! registry of its own. Labels are bounded: peers are configured, codes are those of RFC 27 and `other`; guests come
//! and go, so they have sums and no labels. docs/REFERENCE.md describes every metric, and a test compares.
//!
//! To keep thousands of peers readable, two things appear only once they have counted something: Rejects with an
//! unusual code, and a peer's latency histogram. Everything else is there from the start, zeros included, so that rates
//! are right.

mod accept_header;
mod account_families;
mod exposition;
mod families;
mod family_encoder;
mod guest_families;
mod otlp_families;
mod process;
mod rate_families;
mod settlement_families;
mod store_families;
mod webhook_families;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use self::accept_header::preference;
use self::families::MetricsSnapshot;
use self::family_encoder::FamilyEncoder;
use self::guest_families::GuestMetrics;
use self::settlement_families::EngineMetrics;
use super::output::LogTotals;
use super::packet_log::PacketLogTotals;
use crate::account::AccountId;
use crate::peers::NodeContext;
use crate::time::MonoTime;

/// The text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// The Prometheus text format, version 0.0.4, which all clients read.
    Prometheus,
    /// `OpenMetrics` 1.0, for clients that ask for it.
    OpenMetrics,
}

impl Exposition {
    /// The format for a client, from its `Accept` header: `OpenMetrics` only if the header names it and does not prefer
    /// the other format.
    pub fn accepted(accept: &str) -> Self {
        let open = preference(accept, "application", "openmetrics-text", &["1.0.0", "0.0.1"]);
        let plain = preference(accept, "text", "plain", &["0.0.4"]);
        if open.is_named && open.weight > 0 && open.weight >= plain.weight {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    status: Arc<Mutex<StatusMetrics>>,
}

/// The node's status at the time of a scrape.
#[derive(Debug, Clone)]
pub struct StatusMetrics {
    pub ready: bool,
    /// The node waits for books that another process has.
    pub standby: bool,
    /// The configuration that was read last was applied.
    pub reload_successful: bool,
    /// When a configuration was last applied.
    pub reload_succeeded_at: SystemTime,
    /// The peers without which the node is not healthy, sorted by name.
    pub required: Vec<AccountId>,
}

impl Metrics {
    /// The metrics of the node with this context. Its uptime counts from now.
    pub fn new(
        context: Arc<NodeContext>,
        packet_log: Arc<PacketLogTotals>,
        log: Arc<LogTotals>,
    ) -> Self {
        let mut registry = Registry::default();
        let started = context.clock.mono();
        let status = Arc::new(Mutex::new(StatusMetrics {
            ready: false,
            standby: false,
            reload_successful: true,
            reload_succeeded_at: SystemTime::now(),
            required: Vec::new(),
        }));
        let collector =
            NodeCollector { context, packet_log, log, started, status: Arc::clone(&status) };
        registry.register_collector(Box::new(collector));
        Self { registry, status }
    }

    pub fn set_status(&self, status: StatusMetrics) {
        *self.status.lock() = status;
    }

    /// All metrics now. Takes each account's lock once, one after the other.
    ///
    /// # Errors
    /// Formatting fails only because of a defect.
    pub fn text(&self, exposition: Exposition) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(match exposition {
            Exposition::OpenMetrics => text,
            Exposition::Prometheus => exposition::to_prometheus(&text),
        })
    }
}

/// Reads the node's values at each scrape.
#[derive(Debug)]
struct NodeCollector {
    context: Arc<NodeContext>,
    packet_log: Arc<PacketLogTotals>,
    log: Arc<LogTotals>,
    started: MonoTime,
    status: Arc<Mutex<StatusMetrics>>,
}

impl Collector for NodeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let context = &self.context;
        let mut report = context.connector.report();
        let forgotten = context.connector.forgotten_guest_sums();
        let guests = GuestMetrics::split_off(&mut report, forgotten);
        let mut peers = context.peers.snapshot();
        peers.retain(|peer| !peer.id.is_guest());
        let snapshot = MetricsSnapshot {
            report,
            guests,
            ccp: context.connector.ccp_report(),
            peers,
            server: context.btp_counts(),
            http: context.http_counts(),
            uptime: context.clock.mono().since(self.started),
            clock: context.clock_watch.report(),
            store: context.store_meter.get().map(|meter| meter.report(context.clock.mono())),
            engines: EngineMetrics {
                accounts: context.engine_accounts.all(),
                refused_requests: context.engine_accounts.refused_requests(),
            },
            rates: context.rate_book.lock().states(context.clock.now()),
            webhooks: context.webhook_meters.snapshot(),
            otlp: context.otlp_meter.counts(),
            now: context.clock.now().wall,
            certificate_expiry: context.certificate_expiry.get().map(|at| at.load(Relaxed)),
            packet_lines: self.packet_log.written(),
            packet_lines_dropped: self.packet_log.dropped(),
            log_lines_lost: self.log.lost(),
            status: self.status.lock().clone(),
        };
        families::encode(&snapshot, FamilyEncoder(&mut encoder))
    }
}

#[cfg(test)]
mod tests;
