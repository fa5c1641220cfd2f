//! The settings of one account.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{AccountId, Asset, Limits, ReconcileSettings, RoutePolicy, SettlementRules, Spread};
use crate::stream::Receiver;
use crate::wire::Timestamp;

/// The relation of a peer to this node (RFC 34 "Link Relations").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// The peer may assign this node its address (IL-DCP), and gets the default route.
    Parent,
    /// Neither is above the other.
    Peer,
    /// The peer has an address below this node's.
    Child,
}

impl Relation {
    /// The spelling in configuration files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Peer => "peer",
            Self::Child => "child",
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The settings of one account. A reload replaces all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// The account's id.
    pub id: AccountId,
    /// The relation of the peer to this node.
    pub relation: Relation,
    /// The asset and scale of its amounts.
    pub asset: Asset,
    /// What the node keeps of each packet from the account that it passes on, in the same asset too. `None`: nothing,
    /// but the spread of the pair or the node if the assets differ.
    pub spread: Option<Spread>,
    /// `false` suspends the peer: packets from it get F00, packets to it T01.
    pub enabled: bool,
    /// Set while an operator suspends the peer: then it is not `enabled` until this time, whatever the file says.
    pub suspended_until: Option<Timestamp>,
    /// Its limits.
    pub limits: Limits,
    /// When we pay it outside of Interledger.
    pub settlement: SettlementRules,
    /// A child's address is `<own address>.<segment>`; `None`: its id is the segment.
    pub child_segment: Option<Arc<str>>,
    /// The routes that are exchanged with it.
    pub routes: RoutePolicy,
    /// How the books are compared with the peer's.
    pub reconcile: ReconcileSettings,
    /// Whether the ILP packet in a BTP frame decides if the frame is a request or an answer, instead of the frame's
    /// type.
    pub lenient_btp_types: bool,
    /// Set if the account is not a peer but a receiver inside this node, which has the address of a child.
    pub receiver: Option<Receiver>,
}

impl AccountSettings {
    /// A peer with the default asset and limits.
    pub fn new(id: AccountId, relation: Relation) -> Self {
        Self {
            id,
            relation,
            asset: Asset::default(),
            spread: None,
            enabled: true,
            suspended_until: None,
            limits: Limits::default(),
            settlement: SettlementRules::default(),
            child_segment: None,
            routes: RoutePolicy::default(),
            reconcile: ReconcileSettings::default(),
            lenient_btp_types: false,
            receiver: None,
        }
    }

    /// A receiver of payments with the default asset and limits.
    pub fn receiver(id: AccountId, receiver: Receiver) -> Self {
        Self { receiver: Some(receiver), ..Self::new(id, Relation::Child) }
    }

    /// Whether the account is a receiver inside this node and not a peer.
    pub fn is_receiver(&self) -> bool {
        self.receiver.is_some()
    }

    /// The last segment of a child's address.
    pub fn address_segment(&self) -> &str {
        self.child_segment.as_deref().unwrap_or(self.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_spelled_as_in_configurations() {
        for (relation, text) in
            [(Relation::Parent, "parent"), (Relation::Peer, "peer"), (Relation::Child, "child")]
        {
            assert_eq!((relation.as_str(), relation.to_string().as_str()), (text, text));
        }
    }

    #[test]
    fn a_receiver_is_a_child_and_no_peer() {
        let id = || "shop".parse::<AccountId>().unwrap();
        let shop = AccountSettings::receiver(id(), Receiver::new(&[1; 32], "shop"));
        assert!(shop.is_receiver() && shop.receiver.is_some());
        assert_eq!(shop.relation, Relation::Child);
        let peer = AccountSettings::new(id(), Relation::Peer);
        assert!(!peer.is_receiver() && peer.enabled);
        assert_eq!(peer.relation, Relation::Peer);
    }

    #[test]
    fn the_address_of_a_child_ends_with_its_segment() {
        let mut child = AccountSettings::new("alice".parse().unwrap(), Relation::Child);
        assert_eq!(child.address_segment(), "alice");
        child.child_segment = Some("a1".into());
        assert_eq!(child.address_segment(), "a1");
    }
}
