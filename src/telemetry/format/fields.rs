//! The key-value pairs of a line, in both formats.

use std::fmt;

use super::LineFormat;
use super::escape::{Escaped, escape};

/// Appends the pairs of one line.
pub(in crate::telemetry) struct LineFields<'a> {
    pub(in crate::telemetry) out: &'a mut Vec<u8>,
    pub(in crate::telemetry) format: LineFormat,
}

/// Keys that every line has; a field with one of these names gets a `_` at its end.
const RESERVED_KEYS: [&str; 5] = ["timestamp", "level", "node", "target", "message"];

impl LineFields<'_> {
    /// Appends a text.
    pub(in crate::telemetry) fn put_text(&mut self, key: &str, value: &str) {
        let is_word = !value.is_empty() && value.bytes().all(is_word_byte);
        if self.format == LineFormat::Json || !is_word {
            self.put_quoted(key, |out| escape(out, value));
        } else {
            self.put_key(key);
            escape(self.out, value);
        }
    }

    /// Appends a text that needs no escaping, such as digits or an account id.
    pub(in crate::telemetry) fn put_plain(&mut self, key: &str, value: &[u8]) {
        if self.format == LineFormat::Json {
            self.put_quoted(key, |out| out.extend_from_slice(value));
        } else {
            self.put_key(key);
            self.out.extend_from_slice(value);
        }
    }

    /// Appends a number, `true` or `false`.
    pub(in crate::telemetry) fn put_literal(&mut self, key: &str, value: &str) {
        self.put_key(key);
        self.out.extend_from_slice(value.as_bytes());
    }

    /// Appends an integer as a number.
    pub(in crate::telemetry) fn put_integer(&mut self, key: &str, value: impl itoa::Integer) {
        self.put_literal(key, itoa::Buffer::new().format(value));
    }

    /// Appends a value by its `Display` or `Debug`, as a text.
    pub(in crate::telemetry) fn put_formatted(&mut self, key: &str, value: fmt::Arguments<'_>) {
        if let Some(text) = value.as_str() {
            return self.put_text(key, text);
        }
        let put_value = |out: &mut Vec<u8>| {
            let _ = fmt::write(&mut Escaped(out), value);
        };
        if self.format == LineFormat::Json {
            return self.put_quoted(key, put_value);
        }
        self.put_key(key);
        let begin = self.out.len();
        put_value(self.out);
        if !self.out.get(begin..).is_some_and(|text| text.iter().copied().all(is_word_byte)) {
            self.out.insert(begin, b'"');
            self.out.push(b'"');
        }
    }

    fn put_quoted(&mut self, key: &str, put_value: impl FnOnce(&mut Vec<u8>)) {
        self.put_key(key);
        self.out.push(b'"');
        put_value(self.out);
        self.out.push(b'"');
    }

    fn put_key(&mut self, key: &str) {
        match self.format {
            LineFormat::Json => {
                self.out.extend_from_slice(b",\"");
                self.out.extend_from_slice(key.as_bytes());
                if RESERVED_KEYS.contains(&key) {
                    self.out.push(b'_');
                }
                self.out.extend_from_slice(b"\":");
            }
            LineFormat::Human { colour } => {
                self.out.extend_from_slice(if colour { b" \x1b[2m" } else { b" " });
                self.out.extend_from_slice(key.as_bytes());
                self.out.extend_from_slice(if colour { b"=\x1b[0m" } else { b"=" });
            }
        }
    }
}

/// Whether a byte needs no quotes at a terminal.
fn is_word_byte(byte: u8) -> bool {
    !matches!(byte, b' ' | b'=' | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(format: LineFormat) -> String {
        let mut out = Vec::new();
        let mut fields = LineFields { out: &mut out, format };
        fields.put_text("peer", "bob");
        fields.put_text("error", "a \"b\"\n");
        fields.put_text("empty", "");
        fields.put_plain("amount", b"100");
        fields.put_integer("count", 7);
        fields.put_formatted("code", format_args!("{}", 7));
        fields.put_formatted("words", format_args!("{} {}\n", 7, 8));
        fields.put_text("level", "mine");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pairs_in_both_formats() {
        assert_eq!(
            pairs(LineFormat::Json),
            ",\"peer\":\"bob\",\"error\":\"a \\\"b\\\"\\n\",\"empty\":\"\",\"amount\":\"100\",\"count\":7,\
             \"code\":\"7\",\"words\":\"7 8\\n\",\"level_\":\"mine\""
        );
        assert_eq!(
            pairs(LineFormat::Human { colour: false }),
            " peer=bob error=\"a \\\"b\\\"\\n\" empty=\"\" amount=100 count=7 code=7 words=\"7 8\\n\" level=mine"
        );
    }
}
