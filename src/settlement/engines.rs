//! The settlement engines of all peers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::client::{EngineError, EngineRequest, EngineSettings, ask_engine};
use crate::account::AccountId;
use crate::books::{Quantity, SettlementKey};
use crate::http::HttpClient;
use crate::peers::{EngineState, NodeContext};

/// How long another request waits for an account that the engine had lost. Some engines answer the request for an
/// account late, although they know it at once.
const LOST_ACCOUNT_WAIT: Duration = Duration::from_secs(3);

/// The engines that the configuration names, by account. A reload replaces them.
#[derive(Debug)]
pub struct Engines {
    context: Arc<NodeContext>,
    http: HttpClient,
    by_account: ArcSwap<BTreeMap<AccountId, Arc<Engine>>>,
}

/// The engine of one peer.
#[derive(Debug)]
pub struct Engine {
    /// Where it is.
    pub settings: EngineSettings,
    /// It may have lost the account.
    is_suspected: Notify,
}

impl Engine {
    /// Waits until a request to the engine gets no answer: it may have started again since.
    pub async fn wait_suspected(&self) {
        self.is_suspected.notified().await;
    }
}

impl Engines {
    /// None yet.
    pub fn new(context: &Arc<NodeContext>) -> Self {
        Self {
            context: Arc::clone(context),
            http: HttpClient::with_tls(Arc::clone(&context.client_tls)),
            by_account: ArcSwap::default(),
        }
    }

    /// Replaces all engines. Returns those that are new, or that differ from the ones before.
    pub fn replace_all(
        &self,
        engines: impl IntoIterator<Item = EngineSettings>,
    ) -> Vec<Arc<Engine>> {
        let before = self.by_account.load_full();
        let mut new = Vec::new();
        let engines = engines.into_iter().map(|settings| {
            let account = settings.account.clone();
            let known = before.get(&account).filter(|known| known.settings == settings);
            let kept = known.cloned().unwrap_or_else(|| {
                let engine = Arc::new(Engine { settings, is_suspected: Notify::new() });
                new.push(Arc::clone(&engine));
                engine
            });
            (account, kept)
        });
        let engines: BTreeMap<_, _> = engines.collect();
        // What is known of an engine says nothing of the one in its place.
        let is_kept = |engine: &Arc<Engine>| !new.iter().any(|one| Arc::ptr_eq(one, engine));
        let kept = engines.iter().filter(|(_, engine)| is_kept(engine)).map(|(peer, _)| peer);
        self.context.engine_accounts.set_peers(kept);
        self.context.engine_accounts.set_peers(engines.keys());
        self.by_account.store(Arc::new(engines));
        new
    }

    /// Whether a peer has an engine.
    pub fn has_engine(&self, account: &str) -> bool {
        self.by_account.load().contains_key(account)
    }

    /// Whether these are the settings in force.
    pub fn is_current(&self, engine: &Arc<Engine>) -> bool {
        let by_account = self.by_account.load();
        let known = by_account.get(&engine.settings.account);
        known.is_some_and(|known| Arc::ptr_eq(known, engine))
    }

    /// Creates the account of a peer at its engine, which may know it already.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn create_account(&self, engine: &Engine) -> Result<(), EngineError> {
        let peer = &engine.settings.account;
        let asked = ask_engine(&self.http, &engine.settings, EngineRequest::CreateAccount).await;
        let (accounts, now) = (&self.context.engine_accounts, self.context.clock.now().wall);
        match asked {
            // A conflict: it exists.
            Ok(_) | Err(EngineError::Status { status: 409, .. }) => {
                accounts.note_ready(peer, now);
                Ok(())
            }
            Err(error) => {
                accounts.note_failure(peer, error.to_string(), true, now);
                Err(error)
            }
        }
    }

    /// The engine has not answered yet, and is waited for. `text` says so to operators.
    pub fn note_silence(&self, engine: &Engine, text: String) {
        self.context.engine_accounts.note_silence(&engine.settings.account, text);
    }

    /// Asks the engine of a peer to pay it. This is one attempt; the caller repeats it with the same key.
    ///
    /// # Errors
    /// [`EngineError`]: the engine may have accepted the settlement nevertheless.
    pub async fn settle(
        &self,
        account: &AccountId,
        key: &SettlementKey,
        quantity: &Quantity,
    ) -> Result<(), EngineError> {
        self.ask_about_account(account, EngineRequest::Settle(key, quantity)).await.map(drop)
    }

    /// Hands a message of the peer's engine to the engine of the peer. Returns its reply.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn deliver(&self, account: &AccountId, message: &[u8]) -> Result<Bytes, EngineError> {
        self.ask_about_account(account, EngineRequest::Message(message)).await
    }

    /// An engine that has lost its accounts gets this one again, and then the same request.
    async fn ask_about_account(
        &self,
        account: &AccountId,
        request: EngineRequest<'_>,
    ) -> Result<Bytes, EngineError> {
        let engine = self.by_account.load().get(account).cloned();
        let engine = engine.ok_or_else(|| EngineError::NoEngine(account.clone()))?;
        let mut answer = ask_engine(&self.http, &engine.settings, request).await;
        if answer.as_ref().is_err_and(EngineError::is_unknown_account) {
            // A peer decides how many messages come.
            if matches!(request, EngineRequest::Settle(..)) && self.had_account(account) {
                tracing::info!(peer = %account, "the settlement engine has lost the account");
            }
            // If this fails, so does the next request.
            let _ = timeout(LOST_ACCOUNT_WAIT, self.create_account(&engine)).await;
            answer = ask_engine(&self.http, &engine.settings, request).await;
        }
        if let Err(error) = &answer {
            let is_silent = matches!(error, EngineError::NoAnswer { .. });
            let (text, now) = (error.to_string(), self.context.clock.now().wall);
            self.context.engine_accounts.note_failure(account, text, is_silent, now);
            if is_silent {
                engine.is_suspected.notify_one();
            }
        }
        answer
    }

    /// Whether the engine has confirmed the account before. At the first start of an engine, it has not.
    fn had_account(&self, account: &AccountId) -> bool {
        let known = self.context.engine_accounts.of_peer(account);
        known.is_some_and(|known| known.state == EngineState::Ready)
    }
}
