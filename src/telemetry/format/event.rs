//! What one event says, written down as the visitor meets it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::Event;
use tracing::field::{Field, Visit};

use super::text::{Escaped, LineFields, LineFormat};
use crate::wire::Timestamp;

/// An event's message and fields, ready to be put into a line.
#[derive(Default)]
pub(super) struct EventText {
    format: Option<LineFormat>,
    pub(super) message: Vec<u8>,
    pub(super) fields: Vec<u8>,
    /// The real target of a line that came through the `log` crate.
    pub(super) target: Option<String>,
    /// The node that the event itself names: one that is no task of that node's speaks of it.
    pub(super) node: Option<String>,
}

impl EventText {
    /// Reads an event; what was here before is forgotten.
    pub(super) fn read(&mut self, event: &Event<'_>, format: LineFormat) {
        self.format = Some(format);
        self.message.clear();
        self.fields.clear();
        self.target = None;
        self.node = None;
        event.record(self);
    }

    fn fields(&mut self) -> LineFields<'_> {
        LineFields { out: &mut self.fields, format: self.format.unwrap_or(LineFormat::Json) }
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
            name => self.fields().formatted(name, format_args!("{value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => super::text::escape(&mut self.message, value),
            "log.target" => self.target = Some(value.to_owned()),
            "node" => self.node = Some(value.to_owned()),
            name if name.starts_with("log.") => {}
            name => self.fields().text(name, value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !field.name().starts_with("log.") {
            self.fields().bare(field.name(), itoa::Buffer::new().format(value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields().bare(field.name(), itoa::Buffer::new().format(value));
    }

    /// As text: few JSON readers take more than 64 bits.
    fn record_u128(&mut self, field: &Field, value: u128) {
        self.fields().text(field.name(), itoa::Buffer::new().format(value));
    }

    /// As text: few JSON readers take more than 64 bits.
    fn record_i128(&mut self, field: &Field, value: i128) {
        self.fields().text(field.name(), itoa::Buffer::new().format(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.fields().bare(field.name(), &value.to_string());
        } else {
            // JSON has no such numbers.
            self.fields().text(field.name(), &value.to_string());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields().bare(field.name(), if value { "true" } else { "false" });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.fields().formatted(field.name(), format_args!("{value}"));
    }
}

/// The name that a node's span carries.
pub(super) struct NodeName(pub(super) Arc<str>);

impl Default for NodeName {
    fn default() -> Self {
        NodeName("".into())
    }
}

impl Visit for NodeName {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0 = format!("{value:?}").into();
    }

    fn record_str(&mut self, _: &Field, value: &str) {
        self.0 = value.into();
    }
}

/// A time as it stands in a line: `2017-12-24T16:14:32.279123Z`.
pub(super) type LineTime = [u8; 27];

/// The present time as it stands in a line.
pub(super) fn time_now() -> LineTime {
    let micros = micros_now().unsigned_abs();
    rfc3339_micros(Timestamp::from_millis(micros / 1000), micros % 1000)
}

/// Microseconds since 1970. A clock before that says 1970.
pub(super) fn micros_now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

/// A time and the microseconds of its last millisecond.
pub(super) fn rfc3339_micros(time: Timestamp, micros: u64) -> LineTime {
    let mut text = [b'Z'; 27];
    let (millis, rest) = text.split_at_mut(23);
    millis.copy_from_slice(rfc3339(time).get(..23).unwrap_or_default());
    for (place, unit) in rest.iter_mut().zip([100, 10, 1]) {
        *place = b'0' + u8::try_from(micros / unit % 10).unwrap_or(0);
    }
    text
}

/// `2017-12-24T16:14:32.279Z`, without the formatting machinery: packet lines have two of them.
pub(super) fn rfc3339(time: Timestamp) -> [u8; 24] {
    let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, i0, i1, s0, s1, f0, f1, f2] = time.to_17();
    [
        y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1, b'.',
        f0, f1, f2, b'Z',
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_as_everywhere_else() {
        for millis in [0, 1, 951_782_400_000, 1_514_132_072_279, Timestamp::MAX.as_millis()] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(std::str::from_utf8(&rfc3339(time)), Ok(time.to_string().as_str()));
            let with_micros = time.to_string().replace('Z', "047Z");
            assert_eq!(std::str::from_utf8(&rfc3339_micros(time, 47)), Ok(with_micros.as_str()));
        }
    }
}
