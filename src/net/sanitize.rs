//! Sanitizes foreign texts for a log line, a terminal or a page. Every text that a peer or a client chooses passes here
//! before it is shown.

/// The reason of an IO error, as text.
pub fn describe_io_error(kind: std::io::ErrorKind) -> String {
    match kind {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        kind => kind.to_string(),
    }
}

/// The text of an error and of its causes. No `Display` of this program repeats its `source`.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// The most characters of a peer's text in a log line.
const LOGGED_CHARS_MAX: usize = 160;

/// The most characters of a foreign text that a tool prints.
const PRINTED_CHARS_MAX: usize = 300;

/// Whether a character is visible and moves nothing: no control character, none that changes the direction of writing,
/// ends a line, or is invisible.
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The most characters of a line that a node answers to its operator: what is found, and what to do.
const ANSWER_CHARS_MAX: usize = 4_000;

/// A foreign text on one line and harmless to a terminal. Quotes are kept.
pub fn sanitize(text: &str) -> String {
    sanitize_up_to(PRINTED_CHARS_MAX, text)
}

/// The same of a text in which a node explains something to its operator, and which is longer.
pub fn sanitize_answer(text: &str) -> String {
    sanitize_up_to(ANSWER_CHARS_MAX, text)
}

fn sanitize_up_to(chars_max: usize, text: &str) -> String {
    let mut out = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == chars_max {
            out.push('…');
            break;
        }
        match is_harmless(character) {
            true => out.push(character),
            false => out.extend(character.escape_default()),
        }
    }
    out
}

/// JSON that is harmless to a terminal: other characters in its strings become `\u....`.
pub fn sanitize_json(json: String) -> String {
    // JSON has line breaks only outside of strings.
    let stays = |character: char| is_harmless(character) || character == '\n';
    if json.chars().all(stays) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match stays(character) {
            true => out.push(character),
            false => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}

/// `bytes` as text for a log line: control characters and invalid UTF-8 are escaped, and a long text is truncated.
pub fn sanitize_bytes(bytes: &[u8]) -> String {
    // Truncated first, so that the work is bounded too. A character has at most four bytes.
    let cut = bytes.get(..LOGGED_CHARS_MAX * 4).unwrap_or(bytes);
    let escape = |character: char| match is_harmless(character) {
        true => character.escape_debug().to_string(),
        false => character.escape_default().to_string(),
    };
    let characters = cut.utf8_chunks().flat_map(|chunk| {
        let invalid = chunk.invalid().iter().map(|byte| byte.escape_ascii().to_string());
        chunk.valid().chars().map(escape).chain(invalid)
    });
    let mut text: String = characters.clone().take(LOGGED_CHARS_MAX).collect();
    if cut.len() < bytes.len() || characters.count() > LOGGED_CHARS_MAX {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(sanitize_bytes(bytes), expected);
    }

    #[test]
    fn a_text_of_a_peer_stays_on_its_line_and_is_bounded() {
        check(b"", "");
        check(b"invalid auth_token", "invalid auth_token");
        check("gr\u{fc}n".as_bytes(), "gr\u{fc}n");
        check(b"a\nb\x1b[31m\"", "a\\nb\\u{1b}[31m\\\"");
        check(b"a\xffb", "a\\xffb");
        check(&[b'x'; LOGGED_CHARS_MAX], &"x".repeat(LOGGED_CHARS_MAX));
        check(&[b'x'; LOGGED_CHARS_MAX + 1], &format!("{}...", "x".repeat(LOGGED_CHARS_MAX)));
        check("\u{1f600}".repeat(60_000).as_bytes(), &format!("{}...", "\u{1f600}".repeat(160)));
        check(&[0xff; 10_000], &format!("{}...", "\\xff".repeat(LOGGED_CHARS_MAX)));
    }

    /// One character of each kind that moves the cursor, is invisible, or changes the direction.
    const HARMFUL: &str = "\0\u{7}\u{8}\t\n\r\u{1b}\u{7f}\u{80}\u{85}\u{9b}\u{9f}\u{ad}\u{61c}\u{200b}\u{200e}\u{2028}\u{202e}\u{2066}\u{2069}\u{feff}\u{e0041}";

    #[test]
    fn foreign_texts_cannot_control_the_terminal() {
        assert_eq!(
            sanitize("no route für \"dich\" \\ 你好 🎉"),
            "no route für \"dich\" \\ 你好 🎉"
        );
        assert_eq!(sanitize("a\n\u{1b}[2Jb\u{202e}"), "a\\n\\u{1b}[2Jb\\u{202e}");
        assert_eq!(sanitize(&"x".repeat(400)).chars().count(), 301);
        for character in HARMFUL.chars() {
            assert!(!is_harmless(character), "{character:?}");
            let text = format!("a{character}b");
            assert!(sanitize(&text).chars().all(is_harmless), "{text:?}");
            assert!(sanitize_bytes(text.as_bytes()).chars().all(is_harmless), "{text:?}");
        }
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ "a": HARMFUL, "ü": ["你好", 1, null] });
        for text in [format!("{value}"), format!("{value:#}")] {
            let text = sanitize_json(text);
            assert!(text.chars().all(|c| is_harmless(c) || c == '\n'), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
        assert_eq!(sanitize_json("{\"a\":\"b\"}".to_owned()), "{\"a\":\"b\"}");
    }
}
