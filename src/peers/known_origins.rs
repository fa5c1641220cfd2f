//! The origins that peers have logged in from before. Unauthenticated connections from there have precedence.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::account::AccountId;
use crate::net::ClientOrigin;

/// Origins to remember of one account. A new one replaces the oldest, so that a peer with many addresses displaces only
/// its own.
const ORIGINS_OF_ONE_ACCOUNT_MAX: usize = 8;

/// The origins that peers have logged in from since the node started. At most `ORIGINS_OF_ONE_ACCOUNT_MAX` of each
/// account.
#[derive(Debug, Default)]
pub struct KnownOrigins(Mutex<OriginCounts>);

#[derive(Debug, Default)]
struct OriginCounts {
    /// The latest is last.
    by_account: HashMap<AccountId, VecDeque<ClientOrigin>>,
    /// How many accounts have logged in from each origin.
    accounts_of: HashMap<ClientOrigin, usize>,
}

impl KnownOrigins {
    /// Whether a peer has logged in from this origin.
    pub fn contains(&self, origin: ClientOrigin) -> bool {
        self.0.lock().accounts_of.contains_key(&origin)
    }

    /// Records a login of `account` from `origin`.
    pub fn remember(&self, account: &AccountId, origin: ClientOrigin) {
        let mut known = self.0.lock();
        let known = &mut *known;
        if !known.by_account.contains_key(account) {
            known.by_account.insert(account.clone(), VecDeque::new());
        }
        let Some(origins) = known.by_account.get_mut(account) else { return };
        if origins.back() == Some(&origin) {
            return;
        }
        if let Some(at) = origins.iter().position(|known| *known == origin) {
            origins.remove(at);
            origins.push_back(origin);
            return;
        }
        origins.push_back(origin);
        *known.accounts_of.entry(origin).or_default() += 1;
        if origins.len() > ORIGINS_OF_ONE_ACCOUNT_MAX
            && let Some(oldest) = origins.pop_front()
        {
            known.release(oldest);
        }
    }

    /// Forgets the origins of an account that was removed from the configuration.
    pub fn forget(&self, account: &AccountId) {
        let mut known = self.0.lock();
        for origin in known.by_account.remove(account).unwrap_or_default() {
            known.release(origin);
        }
    }
}

impl OriginCounts {
    fn release(&mut self, origin: ClientOrigin) {
        if let Some(count) = self.accounts_of.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.accounts_of.remove(&origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_moves_displaces_only_its_own_origins() {
        let known = KnownOrigins::default();
        let [alice, bob]: [AccountId; 2] = ["alice", "bob"].map(|id| id.parse().unwrap());
        let at = |n: usize| {
            ClientOrigin::from(std::net::IpAddr::from([10, 0, 0, u8::try_from(n).unwrap()]))
        };
        known.remember(&alice, at(200));
        known.remember(&bob, at(0));
        for n in 0..ORIGINS_OF_ONE_ACCOUNT_MAX {
            known.remember(&bob, at(n));
            known.remember(&bob, at(0));
        }
        assert!((0..ORIGINS_OF_ONE_ACCOUNT_MAX).all(|n| known.contains(at(n))));
        known.remember(&bob, at(100));
        assert!(!known.contains(at(1)), "the one that was used least recently");
        assert!(known.contains(at(0)) && known.contains(at(100)) && known.contains(at(200)));
        known.remember(&bob, at(200));
        known.forget(&alice);
        assert!(known.contains(at(200)), "bob is there too");
        known.forget(&bob);
        assert!(!known.contains(at(200)) && !known.contains(at(100)));
        assert!(known.0.lock().accounts_of.is_empty());
    }
}
