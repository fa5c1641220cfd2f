//! Text that cannot leave its line: escaping, and the key-value pairs of a line, for both formats.

use std::fmt;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// One JSON object a line, for programs.
    Json,
    /// For eyes at a terminal.
    Human {
        /// With colours.
        colour: bool,
    },
}

/// Appends the pairs of one line.
pub(super) struct LineFields<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) format: LineFormat,
}

/// Keys that every line has already; a field of the same name gets a `_` behind it.
const TAKEN: [&str; 5] = ["timestamp", "level", "node", "target", "message"];

impl LineFields<'_> {
    /// A text.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        match self.format {
            LineFormat::Json => {
                self.out.push(b'"');
                escape(self.out, value);
                self.out.push(b'"');
            }
            LineFormat::Human { .. } if is_word(value) => escape(self.out, value),
            LineFormat::Human { .. } => {
                self.out.push(b'"');
                escape(self.out, value);
                self.out.push(b'"');
            }
        }
    }

    /// What is known to need no escaping, such as digits or an account id.
    pub(super) fn plain(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        if self.format == LineFormat::Json {
            self.out.push(b'"');
            self.out.extend_from_slice(value);
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(value);
        }
    }

    /// A number, `true`, `false` or `null`.
    pub(super) fn bare(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.extend_from_slice(value.as_bytes());
    }

    /// A value by its `Display` or `Debug`, as a text.
    pub(super) fn formatted(&mut self, key: &str, value: fmt::Arguments<'_>) {
        if let Some(text) = value.as_str() {
            return self.text(key, text);
        }
        self.key(key);
        if self.format == LineFormat::Json {
            self.out.push(b'"');
            let _ = fmt::write(&mut Escaped(self.out), value);
            self.out.push(b'"');
            return;
        }
        let begin = self.out.len();
        let _ = fmt::write(&mut Escaped(self.out), value);
        if !self.out.get(begin..).is_some_and(|text| text.iter().copied().all(is_word_byte)) {
            self.out.insert(begin, b'"');
            self.out.push(b'"');
        }
    }

    fn key(&mut self, key: &str) {
        match self.format {
            LineFormat::Json => {
                self.out.extend_from_slice(b",\"");
                self.out.extend_from_slice(key.as_bytes());
                if TAKEN.contains(&key) {
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

/// Writes through [`escape`].
pub(super) struct Escaped<'a>(pub(super) &'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Appends `text` as the inside of a JSON string. Beyond what JSON asks, DEL, the C1 controls and the characters that
/// turn a line's direction or break it are escaped, so that no text of a peer moves a terminal's cursor.
pub(super) fn escape(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(is_plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                let code = u32::from(character);
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(
                        HEX_DIGITS.as_bytes().get(code as usize >> shift & 15).map_or(0, |d| *d),
                    );
                }
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

const HEX_DIGITS: &str = "0123456789abcdef";

/// ASCII that stands for itself in a JSON string.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// Needs no quotes at a terminal.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_word_byte)
}

fn is_word_byte(byte: u8) -> bool {
    !matches!(byte, b' ' | b'=' | b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut out = Vec::new();
        escape(&mut out, text);
        assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
        let quoted = format!("\"{}\"", String::from_utf8(out).unwrap());
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text, "it reads back");
    }

    #[test]
    fn nothing_leaves_its_string() {
        check("", "");
        check("plain text, 100 %", "plain text, 100 %");
        check("a\"b\\c", "a\\\"b\\\\c");
        check("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab");
        check("\0\x1b[31m\x7f", "\\u0000\\u001b[31m\\u007f");
        check("\u{85}\u{9b}2J", "\\u0085\\u009b2J");
        check("\u{202e}drow\u{2028}", "\\u202edrow\\u2028");
        check("gr\u{fc}n \u{1f600}", "gr\u{fc}n \u{1f600}");
    }

    #[test]
    fn every_character_reads_back() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        let mut out = vec![b'"'];
        escape(&mut out, &all);
        out.push(b'"');
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), all);
        assert!(out.iter().all(|byte| !byte.is_ascii_control()));
    }

    fn pairs(format: LineFormat) -> String {
        let mut out = Vec::new();
        let mut fields = LineFields { out: &mut out, format };
        fields.text("peer", "bob");
        fields.text("error", "a \"b\"\n");
        fields.text("empty", "");
        fields.plain("amount", b"100");
        fields.bare("count", "7");
        fields.formatted("code", format_args!("{}", 7));
        fields.formatted("words", format_args!("{} {}\n", 7, 8));
        fields.text("level", "mine");
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
