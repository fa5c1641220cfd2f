//! For tests: engines that do as a script says, and a node with a listener for engines.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{EngineListener, EngineListenerSettings, EngineSettings, Engines};
use crate::account::SettlementMode;
use crate::connector::ConnectorSettings;
use crate::net::{Clock, Secret, TransportSettings};
use crate::peers::{CreditOrder, NodeContext};
use crate::testing::{connector_settings, node_context};
use crate::web::testing::RawConnection;

/// An engine that gives these answers, one for each connection, and then none.
pub(super) struct ScriptedEngine {
    pub(super) address: SocketAddr,
    /// The requests, with their bodies.
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl ScriptedEngine {
    pub(super) async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&requests);
        let mut task = JoinSet::new();
        task.spawn(async move {
            for answer in answers {
                let mut server = RawConnection(listener.accept().await.unwrap().0);
                let (head, body) = server.read_text().await;
                seen.lock().push(head + &body);
                server.write(answer).await;
            }
        });
        Self { address, requests, _task: task }
    }

    /// Its settings for a peer.
    pub(super) fn of(&self, account: &str, path: &str, token: Option<&str>) -> EngineSettings {
        EngineSettings {
            account: account.parse().unwrap(),
            url: format!("http://{}{path}", self.address).parse().unwrap(),
            token: token.map(Secret::new),
        }
    }
}

/// A node with the peers alice and bob, who settle through engines, a listener for engines, and the credits that it
/// asks for.
pub(super) struct RunningListener {
    pub(super) address: SocketAddr,
    pub(super) context: Arc<NodeContext>,
    pub(super) engines: Arc<Engines>,
    pub(super) listener: Arc<EngineListener>,
    pub(super) credits: mpsc::Receiver<CreditOrder>,
    _task: JoinSet<()>,
}

impl RunningListener {
    pub(super) async fn start(token: Option<&Secret>) -> Self {
        let mut settings: ConnectorSettings = connector_settings("node", &["alice", "bob"]);
        settings.accounts.iter_mut().for_each(|peer| peer.settlement.mode = SettlementMode::Engine);
        let context = node_context(settings, Clock::start(), TransportSettings::default());
        let engines = Arc::new(Engines::new(&context));
        let (sender, credits) = mpsc::channel(8);
        context.credits.set(sender).unwrap();
        let at = EngineListenerSettings { host: "127.0.0.1", port: 0, token };
        let bound = EngineListener::bind(at, Arc::clone(&context), Arc::clone(&engines)).await;
        let listener = Arc::new(bound.unwrap());
        let (address, accepting) = (listener.local_addr(), Arc::clone(&listener));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                connections.spawn(accepting.accept().await);
            }
        });
        Self { address, context, engines, listener, credits, _task: task }
    }
}
