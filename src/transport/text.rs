//! Text that a peer chose, made fit for a log line.

/// The most characters of a peer's text that are shown.
const SHOWN_MAX: usize = 160;

/// `bytes` as text: control characters and what is not UTF-8 are escaped, and the rest of a long text is left out.
pub fn shown(bytes: &[u8]) -> String {
    // Cut before looking at it, so that the work is bounded too. Four bytes per character are the most.
    let cut = bytes.get(..SHOWN_MAX * 4).unwrap_or(bytes);
    let mut text = String::new();
    let mut characters = 0;
    for chunk in cut.utf8_chunks() {
        for character in chunk.valid().chars() {
            if characters == SHOWN_MAX {
                text.push_str("...");
                return text;
            }
            text.extend(character.escape_debug());
            characters += 1;
        }
        for byte in chunk.invalid() {
            if characters == SHOWN_MAX {
                text.push_str("...");
                return text;
            }
            text.extend(std::ascii::escape_default(*byte).map(char::from));
            characters += 1;
        }
    }
    if cut.len() < bytes.len() {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(shown(bytes), expected);
    }

    #[test]
    fn what_a_peer_says_cannot_leave_its_line_or_fill_the_log() {
        check(b"", "");
        check(b"invalid auth_token", "invalid auth_token");
        check("gr\u{fc}n".as_bytes(), "gr\u{fc}n");
        check(b"a\nb\x1b[31m\"", "a\\nb\\u{1b}[31m\\\"");
        check(b"a\xffb", "a\\xffb");
        check(&[b'x'; SHOWN_MAX], &"x".repeat(SHOWN_MAX));
        check(&[b'x'; SHOWN_MAX + 1], &format!("{}...", "x".repeat(SHOWN_MAX)));
        check("\u{1f600}".repeat(60_000).as_bytes(), &format!("{}...", "\u{1f600}".repeat(160)));
        check(&[0xff; 10_000], &format!("{}...", "\\xff".repeat(SHOWN_MAX)));
    }
}
