//! Bounds the number of unauthenticated connections, in total and per address, and evicts old ones. Pure.
//!
//! A new connection is always admitted. At the limit, the oldest connection of the address with most is evicted, so
//! that one address cannot displace the connections of others. Some of the connections are reserved for known
//! addresses, from which peers have logged in before: unknown addresses cannot have those, however many they are.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::client_address::ClientAddress;

/// How many unauthenticated connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressLimits {
    /// Connections in all, at least one.
    pub total: usize,
    /// Connections of one address, at least one.
    pub per_address: usize,
    /// Of `total`, connections that only known addresses may have; at most half of `total`.
    pub reserved_for_known: usize,
}

/// Identifies a connection. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionNumber(u64);

/// The unauthenticated connections.
#[derive(Debug)]
pub struct AddressLimiter {
    limits: AddressLimits,
    next: u64,
    address_of: HashMap<ConnectionNumber, ClientAddress>,
    by_address: HashMap<ClientAddress, AddressConnections>,
    unknown: AddressClass,
    known: AddressClass,
}

/// The connections of one address; at least one.
#[derive(Debug, Default)]
struct AddressConnections {
    is_known: bool,
    /// Oldest first.
    connections: BTreeSet<ConnectionNumber>,
}

/// All known addresses, or all unknown ones.
#[derive(Debug, Default)]
struct AddressClass {
    connections: usize,
    /// The last address loses the next connection: the one with most, and of equals the one with the oldest.
    ranking: BTreeSet<Rank>,
}

type Rank = (usize, Reverse<ConnectionNumber>, ClientAddress);

impl AddressConnections {
    fn rank(&self, address: ClientAddress) -> Option<Rank> {
        let oldest = self.connections.first()?;
        Some((self.connections.len(), Reverse(*oldest), address))
    }
}

impl AddressClass {
    /// The address with most connections, and their number.
    fn largest(&self) -> (usize, Option<ClientAddress>) {
        self.ranking.last().map_or((0, None), |(size, _, address)| (*size, Some(*address)))
    }
}

impl AddressLimiter {
    pub fn new(limits: AddressLimits) -> Self {
        let total = limits.total.max(1);
        let limits = AddressLimits {
            total,
            per_address: limits.per_address.clamp(1, total),
            reserved_for_known: limits.reserved_for_known.min(total / 2),
        };
        Self {
            limits,
            next: 0,
            address_of: HashMap::new(),
            by_address: HashMap::new(),
            unknown: AddressClass::default(),
            known: AddressClass::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.address_of.len()
    }

    /// Admits a new connection. `is_known`: a peer has logged in from this address before. The second value is the
    /// evicted connection, which must be closed.
    pub fn admit(
        &mut self,
        address: ClientAddress,
        is_known: bool,
    ) -> (ConnectionNumber, Option<ConnectionNumber>) {
        self.classify(address, is_known);
        let evicted =
            self.address_to_evict(address, is_known).and_then(|address| self.oldest_of(address));
        if let Some(evicted) = evicted {
            self.release(evicted);
        }
        let id = ConnectionNumber(self.next);
        self.next += 1;
        self.address_of.insert(id, address);
        self.update_address(address, is_known, |connections| {
            connections.insert(id);
        });
        (id, evicted)
    }

    /// Removes a connection, unless it was evicted before.
    pub fn release(&mut self, id: ConnectionNumber) {
        let Some(address) = self.address_of.remove(&id) else { return };
        let is_known = self.by_address.get(&address).is_some_and(|group| group.is_known);
        self.update_address(address, is_known, |connections| {
            connections.remove(&id);
        });
    }

    /// Evicts a connection to save another resource. `None`: there is none.
    pub fn evict_oldest_of_largest(&mut self) -> Option<ConnectionNumber> {
        let evicted = self.oldest_of(self.largest_address()?)?;
        self.release(evicted);
        Some(evicted)
    }

    /// The address that loses a connection to a new one of `address`. `None`: the limits admit one more.
    fn address_to_evict(&self, address: ClientAddress, is_known: bool) -> Option<ClientAddress> {
        let own = self.by_address.get(&address).map_or(0, |group| group.connections.len());
        if own >= self.limits.per_address {
            return Some(address);
        }
        let for_unknown = self.limits.total - self.limits.reserved_for_known;
        let largest = if !is_known && self.unknown.connections >= for_unknown {
            self.unknown.largest().1
        } else if self.len() >= self.limits.total {
            self.largest_address()
        } else {
            return None;
        };
        // With the new connection, its own address may be the one with most.
        let size =
            largest.and_then(|largest| self.by_address.get(&largest)).map(|g| g.connections.len());
        if size <= Some(own) && own > 0 { Some(address) } else { largest }
    }

    /// Of equals, the unknown one.
    fn largest_address(&self) -> Option<ClientAddress> {
        let (unknown, known) = (self.unknown.largest(), self.known.largest());
        if known.0 > unknown.0 { known.1 } else { unknown.1 }
    }

    fn oldest_of(&self, address: ClientAddress) -> Option<ConnectionNumber> {
        self.by_address.get(&address)?.connections.first().copied()
    }

    /// Moves an address that has become known, or unknown, since its first connection.
    fn classify(&mut self, address: ClientAddress, is_known: bool) {
        if self.by_address.get(&address).is_none_or(|group| group.is_known == is_known) {
            return;
        }
        let mut moved = BTreeSet::new();
        self.update_address(address, !is_known, |connections| moved = std::mem::take(connections));
        self.update_address(address, is_known, |connections| *connections = moved);
    }

    /// Changes the connections of an address, and the totals of its class.
    fn update_address(
        &mut self,
        address: ClientAddress,
        is_known: bool,
        change: impl FnOnce(&mut BTreeSet<ConnectionNumber>),
    ) {
        let class = if is_known { &mut self.known } else { &mut self.unknown };
        let mut group = self.by_address.remove(&address).unwrap_or_default();
        if let Some(rank) = group.rank(address) {
            class.ranking.remove(&rank);
        }
        class.connections -= group.connections.len();
        group.is_known = is_known;
        change(&mut group.connections);
        class.connections += group.connections.len();
        if let Some(rank) = group.rank(address) {
            class.ranking.insert(rank);
            self.by_address.insert(address, group);
        }
    }
}

#[cfg(test)]
mod tests;
