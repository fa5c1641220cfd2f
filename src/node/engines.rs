//! The settlement engines of a node: their accounts, messages to them, and the listener that they call.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::acceptor::Acceptor;
use super::task::{self, AbortOnDrop};
use crate::account::AccountId;
use crate::books::Settlement;
use crate::config::NodeConfig;
use crate::machine;
use crate::peers::NodeContext;
use crate::settlement::{
    Engine, EngineListener, EngineListenerError, EngineListenerSettings, EngineSettings, Engines,
    deliver_message,
};
use crate::time::Backoff;

/// The first delay before an account is asked for again.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// The longest one.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How often an account that an engine has is created again: it may have forgotten it.
const RECHECK: Duration = Duration::from_secs(30);
/// The same when a request got no answer. A peer decides how many of its messages fail.
const RECHECK_MIN: Duration = Duration::from_secs(1);
/// A silent engine is reported after this time, and waited for.
const SILENCE_REPORTED: Duration = Duration::from_secs(10);
/// The time between two lines about an engine that fails.
const REPORT_PAUSE: Duration = Duration::from_secs(600);

/// Binds the listener, if the configuration has one. Engines can be asked at once.
pub(super) async fn bind(
    config: &NodeConfig,
    context: &Arc<NodeContext>,
) -> Result<(Arc<Engines>, Option<EngineListener>), EngineListenerError> {
    let engines = Arc::new(Engines::new(context));
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
    accounts: JoinSet<()>,
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
        Self { engines, listener, accounts: JoinSet::new(), _messages }
    }

    /// Asks the engines of the configuration from now on. New ones get their accounts.
    pub(super) fn follow_config(&mut self, config: &NodeConfig) {
        if let Some((listener, _)) = &self.listener {
            listener.set_token(config.settings.settlement_token.as_ref());
        }
        while self.accounts.try_join_next().is_some() {}
        let engines = config.peers.iter().filter_map(|peer| {
            let engine = peer.engine()?;
            Some(EngineSettings {
                account: peer.account.id.clone(),
                url: engine.engine.clone(),
                token: engine.token.clone(),
            })
        });
        for engine in self.engines.replace_all(engines) {
            let keep = keep_account(Arc::clone(&self.engines), engine, RECHECK);
            task::spawn_in(&mut self.accounts, keep);
        }
    }
}

/// Creates the account of a peer at its engine, however long that takes, and again from time to time.
///
/// RFC 38 "Setup an account": an engine gets each account before its first settlement. Engines may forget their
/// accounts when they start again. One that has does not say so: it credits nothing to an account that it does not
/// know.
async fn keep_account(engines: Arc<Engines>, engine: Arc<Engine>, recheck: Duration) {
    let peer = &engine.settings.account;
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    let mut reports = FailureReports::default();
    let mut is_confirmed = false;
    // A reload may have given the peer another engine.
    while engines.is_current(&engine) {
        let mut create = pin!(engines.create_account(&engine));
        let answer = match timeout(SILENCE_REPORTED, &mut create).await {
            Ok(answer) => answer,
            Err(_) => {
                let silence = format!("no answer within {SILENCE_REPORTED:?}; it is waited for");
                reports.report(peer, &silence);
                engines.note_silence(&engine, silence);
                create.await
            }
        };
        match answer {
            Ok(()) => {
                if !std::mem::replace(&mut is_confirmed, true) {
                    tracing::info!(%peer, "the settlement engine has the account");
                }
                backoff.reset();
                reports = FailureReports::default();
                let suspected = async {
                    sleep(RECHECK_MIN).await;
                    engine.wait_suspected().await;
                };
                // It does not matter which of them ends.
                let _ = timeout(vary(recheck), suspected).await;
            }
            Err(error) => {
                is_confirmed = false;
                reports.report(peer, &error.to_string());
                sleep(vary(backoff.next_delay())).await;
            }
        }
    }
}

/// Engines of many nodes may come back at the same time.
fn vary(delay: Duration) -> Duration {
    delay.mul_f64(0.75 + machine::random::<f64>() / 2.0)
}

/// Bounds the lines about one engine.
#[derive(Default)]
struct FailureReports {
    last: Option<Instant>,
}

impl FailureReports {
    fn report(&mut self, peer: &AccountId, error: &str) {
        if self.last.is_some_and(|last| last.elapsed() < REPORT_PAUSE) {
            tracing::debug!(%peer, error, "an attempt to create an account failed");
            return;
        }
        self.last = Some(Instant::now());
        tracing::warn!(
            %peer, error,
            "the settlement engine does not confirm the account; this is tried again"
        );
    }
}

/// Hands messages of peers to the engines. The connector bounds how many there are at a time.
async fn deliver_messages(context: Arc<NodeContext>, engines: Arc<Engines>) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = open.next() => {}
            message = poll_fn(|cx| context.connector.poll_message(cx)) => {
                open.push(deliver_message(&context, &engines, message));
            }
        }
    }
}

#[cfg(test)]
mod tests;
