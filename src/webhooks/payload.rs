//! The body of an event.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::books::SavedEvent;

/// Standard Webhooks "Payload structure": `type`, `timestamp` and `data`.
#[derive(Serialize)]
struct Payload<'e> {
    r#type: &'e str,
    timestamp: String,
    data: Data<'e>,
}

#[derive(Serialize)]
struct Data<'e> {
    id: &'e str,
    node: &'e str,
    level: &'e str,
    text: &'e str,
    peer: Option<&'e str>,
    fields: &'e BTreeMap<String, String>,
}

/// The JSON of an event of a node. It is the same at each attempt.
pub fn payload(node: &str, event: &SavedEvent) -> String {
    let payload = Payload {
        r#type: &event.kind,
        timestamp: event.at.to_string(),
        data: Data {
            id: event.id.as_str(),
            node,
            level: event.level.as_str(),
            text: &event.text,
            peer: event.peer.as_deref(),
            fields: &event.fields,
        },
    };
    serde_json::to_string(&payload).expect("texts are JSON")
}
