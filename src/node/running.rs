//! The node's own task: owns what changes slowly, and listens to orders and to its parent.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use super::acceptor::Acceptor;
use super::diallers::Diallers;
use super::effective::{connector_settings, dials};
use super::health::Health;
use super::ildcp::{self, Told};
use super::order::Order;
use super::packets::PacketWriting;
use super::task::{self, Guarded};
use crate::btp::{BtpContext, BtpServer, PeerChange, PeerEvent};
use crate::config::NodeConfig;
use crate::wire::Network;

/// A running node.
pub(super) struct Running {
    /// As configured; what the parent told is in `told`.
    pub(super) config: NodeConfig,
    pub(super) context: Arc<BtpContext>,
    pub(super) server: Arc<BtpServer>,
    pub(super) acceptor: Acceptor,
    pub(super) diallers: Diallers,
    pub(super) health: Arc<Health>,
    pub(super) packets: PacketWriting,
    pub(super) sweep: Guarded,
    pub(super) api: Guarded,
    pub(super) events: broadcast::Receiver<PeerEvent>,
    /// The parent is being asked for an address.
    pub(super) asking: Option<JoinHandle<Told>>,
    pub(super) told: Option<Told>,
}

impl Running {
    /// Until it is told to stop, and has.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        self.begin();
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Reload(config, done)) => {
                        // Whoever asked may not wait for the answer.
                        let _ = done.send(self.reload(*config));
                    }
                    Some(Order::Unlisted) => self.drop_all_links(),
                    // All handles are gone: nobody could stop the node later.
                    Some(Order::Stop) | None => break,
                },
                event = self.events.recv() => self.heard(event),
                told = answer(&mut self.asking) => self.adopt(told),
            }
        }
        self.stop().await;
    }

    fn begin(&mut self) {
        for peer in &self.config.peers {
            let status = self.context.peers.status(&peer.account.id);
            status.suspend(!peer.account.enabled);
        }
        self.packets.set(&self.config, &self.context.connector);
        self.diallers.set(dials(&self.config));
    }

    fn heard(&mut self, event: Result<PeerEvent, broadcast::error::RecvError>) {
        let parent = self.config.parent().map(|parent| &parent.account.id);
        match event {
            Ok(PeerEvent { peer, change: PeerChange::Connected }) if Some(&peer) == parent => {
                self.ask_parent();
            }
            // Whatever was missed, asking once too often does no harm.
            Err(broadcast::error::RecvError::Lagged(_)) => self.ask_parent(),
            _ => {}
        }
    }

    /// Asks at every link-up, as the address may have changed meanwhile. A configured address is final.
    pub(super) fn ask_parent(&mut self) {
        let Some(parent) = self.config.parent() else { return };
        if self.config.address.is_some() {
            return;
        }
        if let Some(asking) = self.asking.take() {
            asking.abort();
        }
        let connector = Arc::clone(&self.context.connector);
        let parent = parent.account.id.clone();
        let clock = self.context.clock;
        self.asking = Some(task::spawn(ildcp::ask_until_told(connector, clock, parent)));
    }

    fn adopt(&mut self, told: Told) {
        let mut settled = self.config.clone();
        if let Err(reason) = accept(&mut settled, &told) {
            tracing::error!(
                address = %told.address, asset = %told.asset, reason,
                "what the parent told cannot be used; its link is suspended until the configuration fits"
            );
            self.suspend_parent();
            return;
        }
        let changed = self.told.as_ref() != Some(&told);
        self.told = Some(told.clone());
        match self.context.connector.apply(connector_settings(&settled, Some(&told))) {
            Ok(()) if changed => {
                tracing::info!(address = %told.address, asset = %told.asset, "the parent gave an address");
            }
            Ok(()) => {}
            Err(error) => tracing::error!(%error, "the parent's answer cannot be put in force"),
        }
    }

    /// Better no packets than packets that are counted in the wrong unit.
    fn suspend_parent(&mut self) {
        let Some(parent) = self.config.parent() else { return };
        let id = parent.account.id.clone();
        let mut settings = connector_settings(&self.config, self.told.as_ref());
        for account in settings.accounts.iter_mut().filter(|account| account.id == id) {
            account.enabled = false;
        }
        if let Err(error) = self.context.connector.apply(settings) {
            tracing::error!(%error, peer = %id, "the parent cannot be suspended");
        }
    }
}

/// Whether the configuration can live with it; fills in the asset that was left open (D12).
fn accept(config: &mut NodeConfig, told: &Told) -> Result<(), String> {
    let network = told.address.view().scheme().network();
    let foreign = config.routes.iter().find(|route| {
        let scheme = route.prefix.scheme().map(|scheme| scheme.network());
        matches!(
            (scheme, network),
            (Some(Network::Live), Network::Test) | (Some(Network::Test), Network::Live)
        )
    });
    if let Some(route) = foreign {
        return Err(format!("the route to {} belongs to the other network", route.prefix));
    }
    config.adopt_asset(&told.asset).map_err(|mismatch| mismatch.to_string())
}

/// The parent's answer, once there is one.
async fn answer(asking: &mut Option<JoinHandle<Told>>) -> Told {
    loop {
        let Some(task) = asking else { return std::future::pending().await };
        let told = task.await;
        *asking = None;
        if let Ok(told) = told {
            return told;
        }
    }
}
