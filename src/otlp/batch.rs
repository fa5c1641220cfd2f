//! Spans that wait for the collector, and the body of a request.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::span::Span;

/// Spans that wait. Further ones are lost and counted.
const SPANS_MAX: usize = 2_048;
/// Spans of one request. Each has 4 KiB at most, so a request has 1 MiB.
const SPANS_PER_REQUEST_MAX: usize = 256;

/// Spans of one node, the oldest first.
#[derive(Debug)]
pub struct SpanBatch {
    node: String,
    spans: VecDeque<Span>,
}

impl SpanBatch {
    /// Of this node.
    pub fn new(node: &str) -> Self {
        Self { node: node.to_owned(), spans: VecDeque::new() }
    }

    /// Adds a span. `false`: it has no room.
    pub fn add(&mut self, span: Span) -> bool {
        let has_room = self.spans.len() < SPANS_MAX;
        if has_room {
            self.spans.push_back(span);
        }
        has_room
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether there are as many as a request takes.
    pub fn is_full(&self) -> bool {
        self.spans.len() >= SPANS_PER_REQUEST_MAX
    }

    /// Removes the spans of the next request: their number, and the body (`ExportTraceServiceRequest`).
    pub fn take_request(&mut self) -> (usize, String) {
        let count = self.spans.len().min(SPANS_PER_REQUEST_MAX);
        let spans: Vec<Value> = self.spans.drain(..count).map(|span| span.to_json()).collect();
        let version = env!("CARGO_PKG_VERSION");
        let attribute =
            |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let resource = [
            attribute("service.name", "ilp-connector"),
            attribute("service.instance.id", &self.node),
            attribute("service.version", version),
        ];
        let body = json!({
            "resourceSpans": [{
                "resource": { "attributes": resource },
                "scopeSpans": [{
                    "scope": { "name": "ilp-connector", "version": version },
                    "spans": spans,
                }],
            }],
        });
        (count, body.to_string())
    }
}
