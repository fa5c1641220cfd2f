//! The settlement engines of a node: their accounts, messages to them, and the listener that they call.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::Instrument;

use super::acceptor::Acceptor;
use super::task::AbortOnDrop;
use crate::books::Settlement;
use crate::config::NodeConfig;
use crate::peers::NodeContext;
use crate::settlement::{
    EngineListener, EngineListenerError, EngineListenerSettings, EngineSettings, Engines,
    deliver_message,
};
use crate::time::Backoff;

/// The first delay before an account is asked for again.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// The longest one.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Attempts after which an engine is reported.
const ATTEMPTS_UNTIL_REPORT: u32 = 3;

/// Binds the listener, if the configuration has one. Engines can be asked at once.
pub(super) async fn bind(
    config: &NodeConfig,
    context: &Arc<NodeContext>,
) -> Result<(Arc<Engines>, Option<EngineListener>), EngineListenerError> {
    let engines = Arc::new(Engines::new(Arc::clone(&context.client_tls)));
    let settings = &config.settings;
    let Some(port) = settings.settlement_port else { return Ok((engines, None)) };
    let listener = EngineListenerSettings {
        host: &settings.settlement_host,
        port,
        token: settings.settlement_token.as_ref(),
    };
    let bound = EngineListener::bind(listener, Arc::clone(context), Arc::clone(&engines)).await?;
    Ok((engines, Some(bound)))
}

/// The request that a settlement makes of the engine of its account. The error says why it is not accepted.
pub(super) fn ask(
    engines: &Arc<Engines>,
) -> impl Fn(Settlement) -> BoxFuture<'static, Result<(), String>> + Send + 'static {
    let engines = Arc::clone(engines);
    move |settlement| {
        let engines = Arc::clone(&engines);
        Box::pin(async move {
            let Settlement { account, key, quantity, .. } = settlement;
            let account = account.parse().map_err(|_| format!("{account} is no account"))?;
            let settled = engines.settle(&account, &key, &quantity).await;
            settled.map_err(|error| error.to_string())
        })
    }
}

/// The running tasks, which end when this is dropped.
pub(super) struct EngineTasks {
    engines: Arc<Engines>,
    listener: Option<(Arc<EngineListener>, Acceptor)>,
    set_ups: JoinSet<()>,
    _messages: AbortOnDrop,
}

impl EngineTasks {
    /// Serves engines from now on. Their accounts are created by [`Self::follow_config`].
    pub(super) fn start(
        engines: Arc<Engines>,
        listener: Option<EngineListener>,
        context: &Arc<NodeContext>,
    ) -> Self {
        let messages = deliver_messages(Arc::clone(context), Arc::clone(&engines));
        let listener = listener.map(|listener| {
            let listener = Arc::new(listener);
            (Arc::clone(&listener), Acceptor::start(listener))
        });
        let _messages = AbortOnDrop::spawn(messages);
        Self { engines, listener, set_ups: JoinSet::new(), _messages }
    }

    /// Asks the engines of the configuration from now on. New ones get their accounts.
    pub(super) fn follow_config(&mut self, config: &NodeConfig) {
        if let Some((listener, _)) = &self.listener {
            listener.set_token(config.settings.settlement_token.as_ref());
        }
        while self.set_ups.try_join_next().is_some() {}
        let engines = config.peers.iter().filter_map(|peer| {
            let engine = peer.engine()?;
            Some(EngineSettings {
                account: peer.account.id.clone(),
                url: engine.engine.clone(),
                token: engine.token.clone(),
            })
        });
        for engine in self.engines.replace_all(engines) {
            let set_up = set_up_account(Arc::clone(&self.engines), engine);
            self.set_ups.spawn(set_up.in_current_span());
        }
    }
}

/// Creates the account of a peer at its engine, however long that takes.
///
/// RFC 38 "Setup an account": an engine gets each account before its first settlement. Engines may forget their
/// accounts, so each start creates all of them.
async fn set_up_account(engines: Arc<Engines>, engine: Arc<EngineSettings>) {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    // A reload may have given the peer another engine.
    while engines.is_current(&engine) {
        let peer = &engine.account;
        match engines.create_account(&engine).await {
            Ok(()) => {
                return tracing::info!(%peer, "the settlement engine has the account");
            }
            Err(error) if backoff.attempts() + 1 == ATTEMPTS_UNTIL_REPORT => {
                tracing::warn!(%peer, %error, "the settlement engine has no account yet; this is tried again");
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "an attempt to create an account failed");
            }
        }
        let delay = backoff.next_delay();
        // Engines of many nodes may come back at the same time.
        sleep(delay.mul_f64(0.75 + rand::random::<f64>() / 2.0)).await;
    }
}

/// Hands messages of peers to the engines. The connector bounds how many there are at a time.
async fn deliver_messages(context: Arc<NodeContext>, engines: Arc<Engines>) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            message = poll_fn(|cx| context.connector.poll_message(cx)) => {
                open.push(deliver_message(&context, &engines, message));
            }
            Some(()) = open.next() => {}
        }
    }
}
