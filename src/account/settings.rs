//! What the packet path must know of one peer.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AccountId, Asset, Limits, RoutePolicy};
use crate::stream::Receiver;

/// What a peer is to this node (RFC 34, "relationships").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// The peer is above this node and may give it its address by IL-DCP.
    Parent,
    /// An equal.
    Peer,
    /// The peer is below this node and lives under its address.
    Child,
}

impl Relation {
    /// The word for it, as in configuration files.
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Parent => "parent",
            Relation::Peer => "peer",
            Relation::Child => "child",
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Relation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "parent" => Ok(Relation::Parent),
            "peer" => Ok(Relation::Peer),
            "child" => Ok(Relation::Child),
            _ => Err(()),
        }
    }
}

/// One account's settings: immutable, replaced whole by a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// The account's name.
    pub id: AccountId,
    /// What the peer is to this node.
    pub relation: Relation,
    /// What its amounts are counted in.
    pub asset: Asset,
    /// `false` suspends the peer: packets from it get F00, packets to it T01.
    pub enabled: bool,
    /// What it may do.
    pub limits: Limits,
    /// A child's address is `<own address>.<segment>`; the id where none is given.
    pub child_segment: Option<Arc<str>>,
    /// Which routes are exchanged with it.
    pub routes: RoutePolicy,
    /// Its BTP frames are requests or answers as the ILP packets in them are, whatever their type says.
    pub lenient_btp_types: bool,
    /// Set: no peer, but a receiver of payments inside this node, at the address of a child.
    pub receiver: Option<Receiver>,
}

impl AccountSettings {
    /// A peer with the default asset and limits.
    pub fn new(id: AccountId, relation: Relation) -> Self {
        AccountSettings {
            id,
            relation,
            asset: Asset::default(),
            enabled: true,
            limits: Limits::default(),
            child_segment: None,
            routes: RoutePolicy::default(),
            lenient_btp_types: false,
            receiver: None,
        }
    }

    /// A receiver of payments with the default asset and limits.
    pub fn receiver(id: AccountId, receiver: Receiver) -> Self {
        AccountSettings { receiver: Some(receiver), ..AccountSettings::new(id, Relation::Child) }
    }

    /// Whether this is a receiver inside this node, and no peer.
    pub fn is_receiver(&self) -> bool {
        self.receiver.is_some()
    }

    /// The segment that a child's address ends with.
    pub fn address_segment(&self) -> &str {
        self.child_segment.as_deref().unwrap_or(self.id.as_str())
    }
}
