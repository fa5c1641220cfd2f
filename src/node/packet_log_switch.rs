//! The packet log of one node, while it is switched on. Its thread is that of the process.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::NodeConfig;
use crate::peers::TransportContext;
use crate::telemetry::{Logs, PacketLogTotals, PacketStream, parse_level};

/// How long a node that stops waits until its last packets are lines.
const LAST_LINES_WITHIN: Duration = Duration::from_millis(500);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(5);

/// Switches the packet log on and off.
pub(super) struct PacketWriting {
    stream: Arc<PacketStream>,
    totals: Arc<PacketLogTotals>,
    on: bool,
}

impl PacketWriting {
    pub(super) fn new(logs: &Logs) -> Self {
        Self { stream: Arc::clone(logs.packets()), totals: Arc::default(), on: false }
    }

    /// What was written and lost so far.
    pub(super) fn totals(&self) -> Arc<PacketLogTotals> {
        Arc::clone(&self.totals)
    }

    /// On if the configuration asks for it: by `packetLog`, or by a level of `debug` for target `packets`.
    pub(super) fn set(&mut self, config: &NodeConfig, context: &TransportContext) {
        let by_level = parse_level(&config.settings.log_level).is_ok_and(|levels| levels.packets());
        let on = config.settings.packet_log || by_level;
        match (on, self.on) {
            (true, false) => self.start(context),
            (false, true) => self.stop(context),
            _ => {}
        }
    }

    fn start(&mut self, context: &TransportContext) {
        let connector = &context.connector;
        let node = connector.node_id();
        let (log, writer) =
            self.stream.switch_on(node.as_str(), self.totals(), context.clock.mono());
        if let Some(writer) = writer {
            let thread = std::thread::Builder::new().name("packet-log".to_owned());
            if let Err(error) = thread.spawn(move || writer.run()) {
                self.stream.switch_off(node.as_str());
                tracing::error!(%error, "no thread for the packet log; packets are not logged");
                return;
            }
        }
        connector.set_packet_log(Some(log));
        self.on = true;
    }

    /// Off; what is in the ring is written by its thread.
    pub(super) fn stop(&mut self, context: &TransportContext) {
        context.connector.set_packet_log(None);
        self.stream.switch_off(context.connector.node_id().as_str());
        self.on = false;
    }

    /// Until what was logged is in the log's queue, for a bounded time.
    pub(super) async fn written(&self) {
        let deadline = Instant::now() + LAST_LINES_WITHIN;
        while !self.stream.is_idle() && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
    }
}
