//! The message and the fields of one event.

use std::error::Error;
use std::fmt;

use tracing::Event;
use tracing::field::{Field, Visit};

use super::escape::{Escaped, escape};
use super::{LineFields, LineFormat};

/// The field of throttled lines: how many were left out before this one.
pub(in crate::telemetry) const SUPPRESSED: &str = "suppressed";

/// An event's message and fields as they stand in a line.
#[derive(Default)]
pub(in crate::telemetry) struct EventText {
    format: LineFormat,
    pub(in crate::telemetry) message: Vec<u8>,
    pub(in crate::telemetry) fields: Vec<u8>,
    /// The real target of a line that came through the `log` crate.
    pub(in crate::telemetry) target: Option<String>,
    /// The field `node`: events from outside a node's tasks name their node in it.
    pub(in crate::telemetry) node: Option<String>,
}

impl EventText {
    /// Replaces everything by the text of `event`.
    pub(in crate::telemetry) fn read(&mut self, event: &Event<'_>, format: LineFormat) {
        self.format = format;
        self.message.clear();
        self.fields.clear();
        self.target = None;
        self.node = None;
        event.record(self);
    }

    fn fields(&mut self) -> LineFields<'_> {
        LineFields { out: &mut self.fields, format: self.format }
    }
}

impl Visit for EventText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => {
                let _ = fmt::write(&mut Escaped(&mut self.message), format_args!("{value:?}"));
            }
            "node" => self.node = Some(format!("{value:?}")),
            name if name.starts_with("log.") => {}
            name => self.fields().put_formatted(name, format_args!("{value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => escape(&mut self.message, value),
            "log.target" => self.target = Some(value.to_owned()),
            "node" => self.node = Some(value.to_owned()),
            name if name.starts_with("log.") => {}
            name => self.fields().put_text(name, value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let name = field.name();
        // Only lines that were left out are worth a field.
        let says_nothing = name == SUPPRESSED && value == 0;
        if !says_nothing && !name.starts_with("log.") {
            self.fields().put_integer(name, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields().put_integer(field.name(), value);
    }

    /// As text: few JSON readers take more than 64 bits.
    fn record_u128(&mut self, field: &Field, value: u128) {
        self.fields().put_text(field.name(), itoa::Buffer::new().format(value));
    }

    /// As text: few JSON readers take more than 64 bits.
    fn record_i128(&mut self, field: &Field, value: i128) {
        self.fields().put_text(field.name(), itoa::Buffer::new().format(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.fields().put_literal(field.name(), &value.to_string());
        } else {
            // JSON has no such numbers.
            self.fields().put_text(field.name(), &value.to_string());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields().put_literal(field.name(), if value { "true" } else { "false" });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.fields().put_formatted(field.name(), format_args!("{value}"));
    }
}
