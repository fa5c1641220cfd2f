//! The accounts of peers at their settlement engines: whether each engine has confirmed its account, and what went
//! wrong last, for operators.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::account::AccountId;
use crate::wire::Timestamp;

/// Whether an engine has the account of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineState {
    /// It has not said so yet.
    #[default]
    Waiting,
    /// It confirmed the account at the last attempt.
    Ready,
    /// It did not, or gave no answer to another request. It is asked again.
    Failing,
}

impl EngineState {
    /// The spelling in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Failing => "failing",
        }
    }
}

/// The account of one peer at its engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineAccount {
    /// Whether the engine has it.
    pub state: EngineState,
    /// Since when. `None`: since the start.
    pub since: Option<Timestamp>,
    /// Requests to the engine that failed, since the start.
    pub failures: u64,
    /// Why the last one failed, until the engine confirms the account.
    pub last_error: Option<String>,
    /// The last request of the engine that this node refused, until it accepts one.
    pub last_refusal: Option<EngineRefusal>,
}

/// A request of an engine that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineRefusal {
    /// When.
    pub at: Timestamp,
    /// The status of the answer.
    pub status: u16,
    /// What the answer said.
    pub reason: String,
}

/// The accounts of all peers that have an engine.
#[derive(Debug, Default)]
pub struct EngineAccounts {
    accounts: Mutex<BTreeMap<AccountId, EngineAccount>>,
    refused: AtomicU64,
}

impl EngineAccounts {
    /// These peers have an engine now.
    pub fn set_peers<'a>(&self, peers: impl IntoIterator<Item = &'a AccountId>) {
        let mut accounts = self.accounts.lock();
        let mut before = std::mem::take(&mut *accounts);
        let kept = |peer: &AccountId| (peer.clone(), before.remove(peer).unwrap_or_default());
        *accounts = peers.into_iter().map(kept).collect();
    }

    /// The account of a peer. `None`: it has no engine.
    pub fn of_peer(&self, peer: &AccountId) -> Option<EngineAccount> {
        self.accounts.lock().get(peer).cloned()
    }

    /// All accounts, by the name of the peer.
    pub fn all(&self) -> BTreeMap<AccountId, EngineAccount> {
        self.accounts.lock().clone()
    }

    /// Requests of engines that were refused, since the start.
    pub fn refused_requests(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The engine has confirmed the account.
    pub fn note_ready(&self, peer: &AccountId, at: Timestamp) {
        if let Some(account) = self.accounts.lock().get_mut(peer) {
            account.last_error = None;
            account.enter(EngineState::Ready, at);
        }
    }

    /// A request to the engine has failed. `is_lost`: nothing says that it has the account.
    pub fn note_failure(&self, peer: &AccountId, error: String, is_lost: bool, at: Timestamp) {
        let mut accounts = self.accounts.lock();
        let Some(account) = accounts.get_mut(peer) else { return };
        account.failures = account.failures.saturating_add(1);
        if is_lost {
            account.last_error = Some(error);
            account.enter(EngineState::Failing, at);
        }
    }

    /// The engine has not answered yet, and is waited for.
    pub fn note_silence(&self, peer: &AccountId, error: String) {
        if let Some(account) = self.accounts.lock().get_mut(peer) {
            account.last_error = Some(error);
        }
    }

    /// A request that names the account of this peer was refused.
    pub fn note_refusal(&self, peer: Option<&AccountId>, refusal: EngineRefusal) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut accounts = self.accounts.lock();
        if let Some(account) = peer.and_then(|peer| accounts.get_mut(peer)) {
            account.last_refusal = Some(refusal);
        }
    }

    /// A request of the engine of this peer was accepted.
    pub fn note_accepted(&self, peer: &AccountId) {
        if let Some(account) = self.accounts.lock().get_mut(peer) {
            account.last_refusal = None;
        }
    }
}

impl EngineAccount {
    fn enter(&mut self, state: EngineState, at: Timestamp) {
        if self.state != state {
            (self.state, self.since) = (state, Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_peers_with_an_engine_are_known_and_keep_their_state() {
        let at = Timestamp::from_millis;
        let [c, d]: [AccountId; 2] = ["c", "d"].map(|id| id.parse().unwrap());
        let accounts = EngineAccounts::default();
        accounts.note_ready(&c, at(1));
        assert_eq!(accounts.of_peer(&c), None, "it has no engine");
        accounts.set_peers([&c, &d]);
        accounts.note_ready(&c, at(2));
        accounts.note_ready(&c, at(3));
        accounts.note_failure(&c, "answers 500".to_owned(), false, at(4));
        let ready = accounts.of_peer(&c).unwrap();
        assert_eq!((ready.state, ready.since), (EngineState::Ready, Some(at(2))));
        accounts.note_failure(&c, "no answer".to_owned(), true, at(5));
        accounts.set_peers([&c]);
        let failing = accounts.of_peer(&c).unwrap();
        assert_eq!((failing.state, failing.since), (EngineState::Failing, Some(at(5))));
        assert_eq!((failing.failures, failing.last_error.as_deref()), (2, Some("no answer")));
        accounts.note_ready(&c, at(6));
        assert_eq!(accounts.of_peer(&c).unwrap().last_error, None);
        assert_eq!(accounts.of_peer(&d), None);
    }

    #[test]
    fn a_refusal_is_shown_until_a_request_is_accepted() {
        let c: AccountId = "c".parse().unwrap();
        let accounts = EngineAccounts::default();
        accounts.set_peers([&c]);
        let refusal = EngineRefusal { at: Timestamp::EPOCH, status: 401, reason: "no".to_owned() };
        accounts.note_refusal(Some(&c), refusal.clone());
        accounts.note_refusal(None, refusal.clone());
        assert_eq!(accounts.of_peer(&c).unwrap().last_refusal, Some(refusal));
        accounts.note_accepted(&c);
        assert_eq!(accounts.of_peer(&c).unwrap().last_refusal, None);
        assert_eq!(accounts.refused_requests(), 2);
    }
}
