//! What the process says to the service manager that started it (systemd, `Type=notify`): that it is ready, that its
//! main thread lives, and that it stops. Without one, nothing is said.

use std::time::Duration;

use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The service manager of this process.
pub(super) struct ServiceManager {
    /// When to say that the main thread lives; `None`: it is not expected.
    signs_of_life: Option<Interval>,
}

impl ServiceManager {
    /// Says that the process is ready.
    pub(super) fn ready(nodes: usize) -> Self {
        let status =
            if nodes == 1 { "the node runs".to_owned() } else { format!("{nodes} nodes run") };
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        let signs_of_life = watchdog_enabled().map(|limit| {
            // Half of the limit, as systemd asks for.
            let mut often = interval((limit / 2).max(Duration::from_millis(1)));
            often.set_missed_tick_behavior(MissedTickBehavior::Delay);
            often
        });
        Self { signs_of_life }
    }

    /// Waits until the next sign of life is due, and gives it. Cancel safe.
    pub(super) async fn show_life(&mut self) {
        match &mut self.signs_of_life {
            Some(often) => {
                often.tick().await;
                tell(&[NotifyState::Watchdog]);
            }
            None => std::future::pending().await,
        }
    }

    /// Says that the process stops.
    pub(super) fn stopping(self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("answering the packets in flight")]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        tracing::debug!(%error, "the service manager is not reached");
    }
}
