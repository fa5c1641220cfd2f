//! Metrics as Prometheus text, read at the time of a scrape.
//!
//! The packet path counts in plain numbers under the lock of its account; nothing here is on it. One registry per node,
//! as many nodes can live in one process. Labels are bounded: peers are configured, codes are those of RFC 27 and
//! `other`. Every metric is described in docs/REFERENCE.md, which a test compares with what is written here.
//!
//! So that thousands of peers stay readable, two things appear only once they have counted something: Rejects by a code
//! that is not among the usual ones, and a peer's latency histogram. Everything else is there from the start, zero
//! included, so that rates have a beginning.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::accept_header::wanted;
use super::exposition;
use super::families::{self, MetricsSnapshot};
use super::output::LogTotals;
use super::packet_stream::PacketLogTotals;
use crate::account::AccountId;
use crate::peers::TransportContext;
use crate::time::MonoTime;

/// How the text is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// The Prometheus text format, version 0.0.4: what everybody reads.
    Prometheus,
    /// `OpenMetrics` 1.0, for those who ask for it.
    OpenMetrics,
}

impl Exposition {
    /// What a client wants, by its `Accept` header. `OpenMetrics` only goes to those who name it, and do not want the other
    /// one more; who accepts neither gets what everybody reads.
    pub fn accepted(accept: &str) -> Self {
        let open = wanted(accept, "application", "openmetrics-text", &["1.0.0", "0.0.1"]);
        let plain = wanted(accept, "text", "plain", &["0.0.4"]);
        if open.is_named && open.weight > 0 && open.weight >= plain.weight {
            Exposition::OpenMetrics
        } else {
            Exposition::Prometheus
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Exposition::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The metrics of one node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ready: Gauge<i64, AtomicI64>,
    status: Arc<Mutex<StatusMetrics>>,
}

/// What the node's status says at the moment of a scrape.
#[derive(Debug, Clone)]
pub struct StatusMetrics {
    /// The node is healthy.
    pub ready: bool,
    /// The configuration that was read last is in force.
    pub reload_successful: bool,
    /// When one was put in force last.
    pub reload_succeeded_at: SystemTime,
    /// The peers without which the node is not healthy, in the order of their names.
    pub required: Vec<AccountId>,
}

impl Metrics {
    /// Metrics of the node that `context` belongs to. Its uptime counts from now.
    pub fn new(
        context: Arc<TransportContext>,
        packet_log: Arc<PacketLogTotals>,
        log: Arc<LogTotals>,
    ) -> Self {
        let mut registry = Registry::default();
        let ready = Gauge::default();
        registry.register(
            "ilp_ready",
            "1 if the node is healthy, as /health tells it, else 0",
            ready.clone(),
        );
        let started = context.clock.mono();
        let status = Arc::new(Mutex::new(StatusMetrics {
            ready: false,
            reload_successful: true,
            reload_succeeded_at: SystemTime::now(),
            required: Vec::new(),
        }));
        let node = Node { context, packet_log, log, started, status: Arc::clone(&status) };
        registry.register_collector(Box::new(node));
        Metrics { registry, ready, status }
    }

    /// How the node stands; to be told before a scrape.
    pub fn set_status(&self, status: StatusMetrics) {
        self.ready.set(i64::from(status.ready));
        *self.status.lock() = status;
    }

    /// Everything, at this moment. Takes each account's lock once, one after the other.
    ///
    /// # Errors
    /// A text that cannot be formatted: a defect.
    pub fn text(&self, exposition: Exposition) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(match exposition {
            Exposition::OpenMetrics => text,
            Exposition::Prometheus => exposition::to_prometheus(&text),
        })
    }
}

/// What is read when somebody asks.
#[derive(Debug)]
struct Node {
    context: Arc<TransportContext>,
    packet_log: Arc<PacketLogTotals>,
    log: Arc<LogTotals>,
    started: MonoTime,
    status: Arc<Mutex<StatusMetrics>>,
}

impl Collector for Node {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let context = &self.context;
        let moment = MetricsSnapshot {
            report: context.connector.report(),
            exchange: context.connector.ccp_report(),
            peers: context.peers.snapshot(),
            server: context.server_counts(),
            http: context.http_counts(),
            uptime: context.clock.mono().since(self.started),
            clock: context.clock_watch.report(),
            certificate_expiry: context.certificate_expiry.get().map(|at| at.load(Relaxed)),
            packet_lines: self.packet_log.written(),
            packet_lines_dropped: self.packet_log.dropped(),
            log_lines_lost: self.log.lost(),
            status: self.status.lock().clone(),
        };
        families::encode(&moment, &mut encoder)
    }
}

#[cfg(test)]
mod tests;
