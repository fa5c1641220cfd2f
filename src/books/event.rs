//! What happens to a node, its peers and its money: the one list of kinds, for the log of events, for the stream of
//! `/api/v1`, for the store and for webhooks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How important an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum EventLevel {
    /// Nothing to do.
    Info,
    /// Worth a look.
    Warn,
    /// An operator must act.
    Error,
}

impl EventLevel {
    /// The spelling in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level that is saved as this text.
    pub fn from_saved(text: &str) -> Option<Self> {
        [Self::Info, Self::Warn, Self::Error].into_iter().find(|level| level.as_str() == text)
    }
}

/// How long an event lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasting {
    /// As long as the process keeps it in memory.
    InMemory,
    /// A node with a store saves it, and webhooks may ask for it.
    Saved,
}

/// Defines the kinds, with their names.
macro_rules! event_kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal, $lasting:ident;)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[doc = $doc])+ $kind,)*
        }

        impl EventKind {
            /// All kinds, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The name, such as `peer.connected`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// A sentence for the documentation.
            #[cfg(test)]
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!($($doc),+).trim_ascii_start(),)*
                }
            }

            fn lasting(self) -> Lasting {
                match self {
                    $(Self::$kind => Lasting::$lasting,)*
                }
            }
        }
    };
}

event_kinds! {
    /// An account owes us a large part of its `maxBalance`.
    ExposureHigh = "exposure.high", Saved;
    /// We owe a peer a large part of its `minBalance`.
    ExposureLow = "exposure.low", Saved;
    /// Neither is so any more.
    ExposureNormal = "exposure.normal", Saved;
    /// We owe so much that a settlement begins.
    SettlementDue = "settlement.due", Saved;
    /// What we paid has reached the settlement engine, or an operator has recorded it.
    SettlementSent = "settlement.sent", Saved;
    /// A payment of a peer was credited.
    SettlementCredited = "settlement.credited", Saved;
    /// A settlement cannot be made; it is tried again.
    SettlementFailing = "settlement.failing", Saved;
    /// What we paid has not been credited by the peer for `settlementOverdueMs`.
    SettlementOverdue = "settlement.overdue", Saved;
    /// Our books and those of a peer differ, or agree again.
    ReconcileDrift = "reconcile.drift", Saved;
    /// After a crash it is not known whether the peer fulfilled what was in flight.
    AccountUncertain = "account.uncertain", Saved;
    /// The books cannot be saved, and no packets are accepted.
    StoreFailing = "store.failing", Saved;
    /// The books are saved again.
    StoreRecovered = "store.recovered", Saved;
    /// A rate is missing, too old, or has jumped; packets that need it are rejected.
    RateStale = "rate.stale", Saved;
    /// A rate that was missing is there again.
    RateFresh = "rate.fresh", Saved;
    /// A peer has had no session for 30 seconds, or its quick attempts to connect have failed.
    PeerDown = "peer.down", Saved;
    /// A peer that was down has connected.
    PeerUp = "peer.up", Saved;
    /// A receiver of this node got a payment, or a part of one that goes on.
    PaymentReceived = "payment.received", Saved;
    /// A test by an operator, which goes to one webhook.
    WebhookTest = "webhook.test", Saved;
    /// The first session of a peer is open.
    PeerConnected = "peer.connected", InMemory;
    /// The last session of a peer has ended.
    PeerDisconnected = "peer.disconnected", InMemory;
    /// A peer refuses our login.
    PeerDialFailed = "peer.dialFailed", InMemory;
    /// A login with a peer's name was refused.
    PeerRefusedLogin = "peer.refusedLogin", InMemory;
    /// An operator has closed the sessions of a peer.
    PeerReconnect = "peer.reconnect", InMemory;
    /// The configuration was read again.
    ConfigReloaded = "config.reloaded", InMemory;
    /// The configuration was read again and refused.
    ConfigRefused = "config.refused", InMemory;
    /// Learned routes have changed.
    RoutesChanged = "routes.changed", InMemory;
    /// 90 % of a limit of an account is used; at a node only while a client has a stream, in `up` always.
    LimitNear = "limit.near", InMemory;
    /// The health of the node has changed.
    NodeStatus = "node.status", InMemory;
    /// At `watch`: a node does not answer.
    NodeUnreachable = "node.unreachable", InMemory;
    /// At `watch`: a node answers again.
    NodeReachable = "node.reachable", InMemory;
    /// At `watch`: events of a node are no longer kept there.
    EventsLost = "events.lost", InMemory;
    /// The lab has broken something.
    LabSet = "lab.set", InMemory;
    /// The time of a fault is over.
    LabExpired = "lab.expired", InMemory;
    /// A fault was ended.
    LabEnded = "lab.ended", InMemory;
    /// An operator has changed something for a time.
    OverrideSet = "override.set", InMemory;
    /// The time of an override is over.
    OverrideExpired = "override.expired", InMemory;
    /// An override was ended; `fields.why` says how.
    OverrideEnded = "override.ended", InMemory;
}

impl EventKind {
    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Whether a node with a store saves events of this kind, so that webhooks get them.
    pub fn is_saved(self) -> bool {
        self.lasting() == Lasting::Saved
    }
}

/// An event that happens now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// How important it is.
    pub level: EventLevel,
    /// What happened.
    pub kind: EventKind,
    /// A sentence. A peer may have written a part of it.
    pub text: String,
    /// The peer that it is about.
    pub peer: Option<String>,
    /// More about it. Amounts are whole units, as texts.
    pub fields: Vec<(&'static str, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_block;

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.as_str()), Some(*kind));
            assert!(kind.description().ends_with('.'), "{kind:?}");
        }
        assert_eq!(EventKind::from_name("peer.vanished"), None);
        assert!(EventKind::StoreFailing.is_saved() && !EventKind::LabSet.is_saved());
    }

    /// `BLESS=1` writes the table.
    #[test]
    fn the_reference_lists_all_kinds() {
        const MARKS: (&str, &str) = ("<!-- generated: kinds of events -->\n", "<!-- end -->\n");
        let mut table = "| kind | saved | what happened |\n|---|---|---|\n".to_owned();
        for kind in EventKind::ALL {
            let saved = if kind.is_saved() { "yes" } else { "" };
            table += &format!("| `{}` | {saved} | {} |\n", kind.as_str(), kind.description());
        }
        check_block("docs/REFERENCE.md", MARKS, &table);
    }

    #[test]
    fn levels_are_read_as_they_are_saved() {
        for (level, word) in
            [(EventLevel::Info, "info"), (EventLevel::Warn, "warn"), (EventLevel::Error, "error")]
        {
            assert_eq!((level.as_str(), EventLevel::from_saved(word)), (word, Some(level)));
        }
        assert_eq!(EventLevel::from_saved("debug"), None);
    }
}
