//! Nodes that listen, and wait for the others of their network before they dial.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// For how long a node that listens waits for the others, however many they are: one on standby may wait for days.
const LISTEN_PATIENCE: Duration = Duration::from_secs(5);

/// The nodes that wait.
#[derive(Debug)]
pub(super) struct ListeningNodes<N> {
    nodes: Vec<N>,
    /// When the first of them has waited long enough.
    due: Option<Instant>,
}

impl<N> ListeningNodes<N> {
    pub(super) fn add(&mut self, node: N) {
        self.nodes.push(node);
        self.due.get_or_insert_with(|| Instant::now() + LISTEN_PATIENCE);
    }

    /// Waits until they should dial. Never, if there are none.
    pub(super) async fn until_due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn take(&mut self) -> Vec<N> {
        self.due = None;
        std::mem::take(&mut self.nodes)
    }
}

impl<N> Default for ListeningNodes<N> {
    fn default() -> Self {
        Self { nodes: Vec::new(), due: None }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_node_waits_no_longer_because_others_follow_it() {
        const SECOND: Duration = Duration::from_secs(1);
        let mut nodes = ListeningNodes::default();
        assert!(timeout(60 * SECOND, nodes.until_due()).await.is_err(), "none of them waits");
        let started = Instant::now();
        for node in ["a", "b", "c"] {
            nodes.add(node);
            advance(SECOND).await;
        }
        nodes.until_due().await;
        assert_eq!(started.elapsed(), LISTEN_PATIENCE);
        assert_eq!(nodes.take(), ["a", "b", "c"]);
        // A node that comes later waits for the rest, as the first one did.
        nodes.add("d");
        nodes.until_due().await;
        assert_eq!(started.elapsed(), 2 * LISTEN_PATIENCE);
    }
}
