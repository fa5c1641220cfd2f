//! Escapes text so that it cannot leave its JSON string, its line, or move the cursor of a terminal.

use std::fmt;

/// Writes through [`escape`].
pub(super) struct Escaped<'a>(pub(super) &'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Appends `text` as the inside of a JSON string. In addition to what JSON requires, this escapes DEL, the C1 controls,
/// and the characters that change a line's direction or break it.
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
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// ASCII that stands for itself in a JSON string.
fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
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
    fn escaped_text_stays_in_its_string() {
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
}
