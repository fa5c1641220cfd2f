//! The origin of a connection, for limits, and the origins that peers have logged in from before.
//!
//! One machine usually has a whole /64 of IPv6 addresses, so the addresses of a /64 count as one origin.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use parking_lot::Mutex;

use crate::account::AccountId;

/// Origins to remember of one account. A new one replaces the oldest, so that a peer with many addresses displaces only
/// its own.
const ORIGINS_OF_ONE_ACCOUNT_MAX: usize = 8;

/// An IPv4 address or an IPv6 /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientOrigin(IpAddr);

impl From<IpAddr> for ClientOrigin {
    fn from(address: IpAddr) -> Self {
        // A dual-stack socket maps IPv4 clients to IPv6.
        let address = address.to_canonical();
        let IpAddr::V6(v6) = address else { return Self(address) };
        let [a, b, c, d, ..] = v6.segments();
        Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
    }
}

impl From<SocketAddr> for ClientOrigin {
    fn from(address: SocketAddr) -> Self {
        address.ip().into()
    }
}

/// The origins that peers have logged in from since the node started. At most `ORIGINS_OF_ONE_ACCOUNT_MAX` of each
/// account.
#[derive(Debug, Default)]
pub struct KnownOrigins(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The latest is last.
    of_account: HashMap<AccountId, VecDeque<ClientOrigin>>,
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
        if !known.of_account.contains_key(account) {
            known.of_account.insert(account.clone(), VecDeque::new());
        }
        let Some(origins) = known.of_account.get_mut(account) else { return };
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
        for origin in known.of_account.remove(account).unwrap_or_default() {
            known.release(origin);
        }
    }
}

impl Known {
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

    fn origin(address: &str) -> ClientOrigin {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn an_origin_is_an_ipv4_address_or_an_ipv6_64() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::1", "127.0.0.1", false),
        ] {
            assert_eq!(origin(one) == origin(other), same, "{one} {other}");
        }
    }

    #[test]
    fn a_peer_that_moves_displaces_only_its_own_origins() {
        let known = KnownOrigins::default();
        let [alice, bob]: [AccountId; 2] = ["alice", "bob"].map(|id| id.parse().unwrap());
        let at = |n: usize| origin(&format!("10.0.0.{n}"));
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
