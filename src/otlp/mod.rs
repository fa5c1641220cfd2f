//! Traces for a collector of OpenTelemetry: what happened to a sampled packet at this node as a span, spans as OTLP's
//! JSON, and one request.
//!
//! A node adds nothing to packets: the id of a trace follows from the packet, so that the spans of all nodes on its way
//! form one trace (docs/adr/0043-traces-without-a-header.md). When to export what is decided in `node`.

mod batch;
mod request;
mod span;

pub use batch::SpanBatch;
pub use request::{ExportError, Exported, SpanCollector, export};
pub use span::{ClockAnchor, SpanMaker};
