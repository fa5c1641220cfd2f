//! Crashes of nodes: while they run, and while they start.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::run::World;
use crate::world::network::Ending;
use crate::world::node::WorldNode;

impl World {
    /// Crashes a node, half of the times while its files are being written, and starts it again some time later.
    pub async fn restart_after(&self, node: usize, ending: Ending, time: Duration) {
        let node = self.node(node);
        if !node.is_running() {
            return;
        }
        if node.host.disk_work.draws_wait() {
            node.host.disk_work.wait_until_written().await;
        }
        node.crash(ending).await;
        sleep(time).await;
        self.start_again(node);
    }

    /// Crashes a node, and again at its next starts: after this time, or while its files are being written.
    pub async fn crash_at_starts(
        &self,
        node: usize,
        ending: Ending,
        times: u32,
        (after, pause): (Duration, Duration),
    ) {
        let node = self.node(node);
        if !node.is_running() {
            return;
        }
        for _ in 0..times {
            node.crash(ending).await;
            self.start_again(node);
            if node.host.disk_work.draws_wait() {
                node.host.disk_work.wait_until_written().await;
            } else {
                sleep(after).await;
            }
        }
        node.crash(ending).await;
        sleep(pause).await;
        self.start_again(node);
    }

    pub fn start_again(&self, node: &Arc<WorldNode>) {
        self.network.power_on(node.host.ip);
        if !node.is_running() {
            node.start();
        }
    }
}
