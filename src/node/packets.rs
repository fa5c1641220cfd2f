//! The packet log of one node: a ring, and a thread that empties it, while it is switched on.

use std::sync::Arc;
use std::thread::JoinHandle;

use crate::config::NodeConfig;
use crate::connector::Connector;
use crate::telemetry::{Logs, PacketLogTotals, PacketWriter, PacketWriterStop, parse_level};

/// Switches the packet log on and off.
pub(super) struct PacketWriting {
    logs: Logs,
    totals: Arc<PacketLogTotals>,
    running: Option<(PacketWriterStop, JoinHandle<()>)>,
}

impl PacketWriting {
    pub(super) fn new(logs: Logs) -> Self {
        Self { logs, totals: Arc::default(), running: None }
    }

    /// What was written and lost so far.
    pub(super) fn totals(&self) -> Arc<PacketLogTotals> {
        Arc::clone(&self.totals)
    }

    /// On if the configuration asks for it: by `packetLog`, or by a level of `debug` for target `packets`.
    pub(super) fn set(&mut self, config: &NodeConfig, connector: &Connector) {
        let by_level = parse_level(&config.log.level).is_ok_and(|levels| levels.packets());
        let on = config.log.packets || by_level;
        match (on, self.running.is_some()) {
            (true, false) => self.start(config, connector),
            (false, true) => self.stop(connector),
            _ => {}
        }
    }

    fn start(&mut self, config: &NodeConfig, connector: &Connector) {
        let node = config.node_id.as_str().into();
        let (writer, stop) = PacketWriter::new(node, self.logs.output(), self.totals());
        let ring = writer.ring();
        let thread = std::thread::Builder::new().name("packet-log".to_owned());
        match thread.spawn(move || writer.run()) {
            Ok(thread) => {
                connector.set_packet_log(Some(ring));
                self.running = Some((stop, thread));
            }
            Err(error) => {
                tracing::error!(%error, "no thread for the packet log; packets are not logged")
            }
        }
    }

    /// Off; what is in the ring is written first.
    pub(super) fn stop(&mut self, connector: &Connector) {
        connector.set_packet_log(None);
        if let Some((stop, thread)) = self.running.take() {
            stop.stop();
            // A panic of the thread has been logged by the panic hook.
            let _ = thread.join();
        }
    }
}
