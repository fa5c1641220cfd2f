//! The addresses that peers have logged in from before. Unauthenticated connections from there have precedence.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::account::AccountId;
use crate::net::ClientAddress;

/// Addresses to remember of one account. A new one replaces the oldest, so that a peer with many addresses displaces
/// only its own.
const ADDRESSES_OF_ONE_ACCOUNT_MAX: usize = 8;

/// The addresses that peers have logged in from since the node started. At most `ADDRESSES_OF_ONE_ACCOUNT_MAX` of each
/// account.
#[derive(Debug, Default)]
pub struct KnownAddresses(Mutex<AddressCounts>);

#[derive(Debug, Default)]
struct AddressCounts {
    /// The latest is last.
    by_account: HashMap<AccountId, VecDeque<ClientAddress>>,
    /// How many accounts have logged in from each address.
    accounts_of: HashMap<ClientAddress, usize>,
}

impl KnownAddresses {
    /// Whether a peer has logged in from this address.
    pub fn contains(&self, address: ClientAddress) -> bool {
        self.0.lock().accounts_of.contains_key(&address)
    }

    /// Records a login of `account` from `address`.
    pub fn remember(&self, account: &AccountId, address: ClientAddress) {
        let mut known = self.0.lock();
        let known = &mut *known;
        if !known.by_account.contains_key(account) {
            known.by_account.insert(account.clone(), VecDeque::new());
        }
        let Some(addresses) = known.by_account.get_mut(account) else { return };
        if addresses.back() == Some(&address) {
            return;
        }
        if let Some(at) = addresses.iter().position(|known| *known == address) {
            addresses.remove(at);
            addresses.push_back(address);
            return;
        }
        addresses.push_back(address);
        *known.accounts_of.entry(address).or_default() += 1;
        if addresses.len() > ADDRESSES_OF_ONE_ACCOUNT_MAX
            && let Some(oldest) = addresses.pop_front()
        {
            known.release(oldest);
        }
    }

    /// Forgets the addresses of an account that was removed from the configuration.
    pub fn forget(&self, account: &AccountId) {
        let mut known = self.0.lock();
        for address in known.by_account.remove(account).unwrap_or_default() {
            known.release(address);
        }
    }
}

impl AddressCounts {
    fn release(&mut self, address: ClientAddress) {
        if let Some(count) = self.accounts_of.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.accounts_of.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_moves_displaces_only_its_own_addresses() {
        let known = KnownAddresses::default();
        let [alice, bob]: [AccountId; 2] = ["alice", "bob"].map(|id| id.parse().unwrap());
        let at = |n: usize| {
            ClientAddress::from(std::net::IpAddr::from([10, 0, 0, u8::try_from(n).unwrap()]))
        };
        known.remember(&alice, at(200));
        known.remember(&bob, at(0));
        for n in 0..ADDRESSES_OF_ONE_ACCOUNT_MAX {
            known.remember(&bob, at(n));
            known.remember(&bob, at(0));
        }
        assert!((0..ADDRESSES_OF_ONE_ACCOUNT_MAX).all(|n| known.contains(at(n))));
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
