//! Switches one node's packet log on and off. Its thread belongs to the process.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::NodeConfig;
use crate::peers::NodeContext;
use crate::telemetry::{Logs, PacketLogTotals, ProcessPacketLog, parse_level};

/// How long a stopping node waits until its last packets are lines.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

pub(super) struct PacketLogSwitch {
    process_log: Arc<ProcessPacketLog>,
    totals: Arc<PacketLogTotals>,
    is_on: bool,
}

impl PacketLogSwitch {
    pub(super) fn new(logs: &Logs) -> Self {
        Self { process_log: Arc::clone(logs.packets()), totals: Arc::default(), is_on: false }
    }

    pub(super) fn totals(&self) -> Arc<PacketLogTotals> {
        Arc::clone(&self.totals)
    }

    /// On with `packetLog`, or with a level of `debug` or lower for the target `packets`.
    pub(super) fn follow_config(&mut self, config: &NodeConfig, context: &NodeContext) {
        let by_level =
            parse_level(&config.settings.log_level).is_ok_and(|levels| levels.has_packet_log());
        let must_be_on = config.settings.packet_log || by_level;
        match (must_be_on, self.is_on) {
            (true, false) => self.start(context),
            (false, true) => self.stop(context),
            _ => {}
        }
    }

    fn start(&mut self, context: &NodeContext) {
        let connector = &context.connector;
        let node = connector.node_id();
        let (log, writer) =
            self.process_log.switch_on(node.as_str(), self.totals(), context.clock.mono());
        if let Some(writer) = writer {
            let thread = std::thread::Builder::new().name("packet-log".to_owned());
            if let Err(error) = thread.spawn(move || writer.run()) {
                self.process_log.switch_off(node.as_str());
                tracing::error!(%error, "no thread for the packet log; packets are not logged");
                return;
            }
        }
        connector.set_packet_log(Some(log));
        self.is_on = true;
    }

    /// Switches it off; the thread still writes the records in the ring.
    pub(super) fn stop(&mut self, context: &NodeContext) {
        context.connector.set_packet_log(None);
        self.process_log.switch_off(context.connector.node_id().as_str());
        self.is_on = false;
    }

    /// Waits for a bounded time until all records are in the log's queue.
    pub(super) async fn drain(&self) {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        while !self.process_log.is_idle() && Instant::now() < deadline {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}
