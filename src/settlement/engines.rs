//! The settlement engines of all peers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::time::timeout;

use super::client::{EngineError, EngineRequest, EngineSettings, ask_engine};
use crate::account::AccountId;
use crate::books::{Quantity, SettlementKey};
use crate::http::HttpClient;
use crate::net::ClientTls;

/// How long another request waits for an account that the engine had lost. Some engines answer the request for an
/// account late, although they know it at once.
const LOST_ACCOUNT_WAIT: Duration = Duration::from_secs(3);

/// The engines that the configuration names, by account. A reload replaces them.
#[derive(Debug)]
pub struct Engines {
    http: HttpClient,
    by_account: ArcSwap<BTreeMap<AccountId, Arc<EngineSettings>>>,
}

impl Engines {
    /// None yet.
    pub fn new(tls: Arc<ClientTls>) -> Self {
        Self { http: HttpClient::with_tls(tls), by_account: ArcSwap::default() }
    }

    /// Replaces all engines. Returns those that are new, or that differ from the ones before.
    pub fn replace_all(
        &self,
        engines: impl IntoIterator<Item = EngineSettings>,
    ) -> Vec<Arc<EngineSettings>> {
        let before = self.by_account.load_full();
        let mut new = Vec::new();
        let engines = engines.into_iter().map(|engine| {
            let known = before.get(&engine.account).filter(|known| ***known == engine);
            let kept = known.cloned().unwrap_or_else(|| {
                let engine = Arc::new(engine);
                new.push(Arc::clone(&engine));
                engine
            });
            (kept.account.clone(), kept)
        });
        self.by_account.store(Arc::new(engines.collect()));
        new
    }

    /// Whether a peer has an engine.
    pub fn has_engine(&self, account: &str) -> bool {
        self.by_account.load().contains_key(account)
    }

    /// Whether these are the settings in force.
    pub fn is_current(&self, engine: &Arc<EngineSettings>) -> bool {
        let by_account = self.by_account.load();
        by_account.get(&engine.account).is_some_and(|known| Arc::ptr_eq(known, engine))
    }

    /// Creates the account of a peer at its engine. The engine may know it already.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn create_account(&self, engine: &EngineSettings) -> Result<(), EngineError> {
        ask_engine(&self.http, engine, EngineRequest::CreateAccount).await.map(drop)
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
        match ask_engine(&self.http, &engine, request).await {
            Err(lost) if lost.is_unknown_account() => {
                // A peer decides how many messages come.
                if matches!(request, EngineRequest::Settle(..)) {
                    tracing::info!(peer = %account, "the settlement engine has lost the account");
                }
                // If this fails, so does the next request.
                let _ = timeout(LOST_ACCOUNT_WAIT, self.create_account(&engine)).await;
                ask_engine(&self.http, &engine, request).await
            }
            other => other,
        }
    }
}
