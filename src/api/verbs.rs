//! What operators change at a running node for a time. The node's own task does it; requests come from `/api/v1`.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::status::NodeStatus;
use crate::account::AccountId;
use crate::audit::AuditTicket;
use crate::observe::{OverrideBody, ReconnectBody};

/// Verbs that wait. They are done one after the other.
pub(super) const VERB_ORDERS_MAX: usize = 16;

/// What an operator wants from a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorVerb {
    /// No packets from or to a peer for a time.
    Suspend {
        /// The peer.
        peer: AccountId,
        /// For how long.
        ttl: Duration,
    },
    /// Packets from and to a peer, which the file or an operator suspends.
    Resume {
        /// The peer.
        peer: AccountId,
        /// For how long, if the file suspends it.
        ttl: Duration,
    },
    /// No settlement with a peer begins for a time.
    PauseSettlement {
        /// The peer.
        peer: AccountId,
        /// For how long.
        ttl: Duration,
    },
    /// The end of such a pause.
    ResumeSettlement {
        /// The peer.
        peer: AccountId,
    },
    /// New sessions with a peer.
    Reconnect {
        /// The peer.
        peer: AccountId,
    },
    /// Another log level for a time.
    SetLogLevel {
        /// As in the configuration.
        level: String,
        /// For how long.
        ttl: Duration,
    },
    /// The end of an override.
    Undo {
        /// Its id.
        id: String,
    },
}

/// What the node has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerbDone {
    /// An override runs, or has ended.
    Override(Box<OverrideBody>),
    /// The sessions of a peer were closed.
    Reconnected(ReconnectBody),
}

/// Why the node has done nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerbRefusal {
    /// There is no such peer or override.
    #[error("{0}")]
    NotFound(String),
    /// The node is in another state.
    #[error("{0}")]
    Conflict(String),
}

/// Why an override has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverrideEnd {
    /// Its time is over.
    Expired,
    /// An operator has ended it.
    Undone,
    /// A later one about the same thing has replaced it.
    Replaced,
    /// Another node of the process has another log level now, and with it the process.
    ReplacedByOtherNode,
    /// A reload has removed its peer.
    PeerRemoved,
}

impl OverrideEnd {
    /// As in events and in log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Undone => "undone",
            Self::Replaced => "replaced",
            Self::ReplacedByOtherNode => "replacedByOtherNode",
            Self::PeerRemoved => "peerRemoved",
        }
    }
}

/// A verb to do, and where the result goes.
#[derive(Debug)]
pub struct VerbOrder {
    /// The verb.
    pub verb: OperatorVerb,
    /// Why.
    pub reason: String,
    /// The id of the token, or `local`.
    pub by: String,
    /// It is in the audit log.
    pub ticket: AuditTicket,
    /// If this is dropped, the node stops.
    pub reply: oneshot::Sender<Result<VerbDone, VerbRefusal>>,
}

impl NodeStatus {
    /// From now on verbs of operators come out of this channel, once each. Called once, before the first request.
    pub fn accept_verbs(&self) -> mpsc::Receiver<VerbOrder> {
        let (sender, orders) = mpsc::channel(VERB_ORDERS_MAX);
        // A second call leaves the first channel in use; the new one has no sender, and ends.
        let _ = self.verbs.set(sender);
        orders
    }

    /// What operators have changed for a time, as of now.
    pub fn set_overrides(&self, overrides: Vec<OverrideBody>) {
        self.overrides.store(overrides.into());
    }

    /// The same, for pages.
    pub(super) fn overrides(&self) -> Vec<OverrideBody> {
        self.overrides.load().to_vec()
    }

    /// Whether the process runs other nodes, too: they share its log levels.
    pub fn shares_process(&self) -> bool {
        self.observer().has_several_nodes()
    }
}
