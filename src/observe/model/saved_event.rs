//! The events that the store of a node keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::books::EventLevel;

/// A page of the events that the store of a node keeps, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedEventsBody {
    /// The events.
    pub events: Vec<SavedEventBody>,
    /// `before` of the next page. Null: there are no older ones.
    pub next: Option<String>,
}

/// An event that the store of a node keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedEventBody {
    /// Its id for ever: the `webhook-id` of its deliveries.
    pub id: String,
    /// When it happened.
    pub at: String,
    /// The node.
    pub node: String,
    /// How important it is.
    pub level: EventLevel,
    /// What happened.
    pub kind: String,
    /// The same in words.
    pub text: String,
    /// The peer that it is about.
    pub peer: Option<String>,
    /// More about it.
    pub fields: BTreeMap<String, String>,
}
