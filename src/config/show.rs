//! Values as messages show them: short, on one line, without secrets.

use super::secret::MASK;
use super::value::{Data, Map, Value};

/// Characters of a value that a message shows.
const SHOWN_MAX: usize = 60;

/// Digits that can be meant as a port.
const SHOWN_PORT: usize = 6;

/// A text in quotes, escaped and shortened.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// A scalar's text: numbers as they are, everything else in quotes. User information of a URL is masked.
pub(super) fn text(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.');
    let short = !text.is_empty() && text.len() <= SHOWN_MAX;
    if matches!(text, "true" | "false") || (short && text.chars().all(number)) {
        return text.to_owned();
    }
    // A line that lost its colon is read as part of the value above it: `peer authToken hunter2`.
    if let Some((first, rest)) = text.split_once(char::is_whitespace)
        && sounds_secret(rest)
    {
        return quoted(&format!("{} …", without_credentials(first)));
    }
    quoted(&without_credentials(text))
}

/// `ws://user:token@host` as `ws://***@host`, also where the scheme is misspelt.
fn without_credentials(text: &str) -> String {
    match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, host)) => match before.split_once("//") {
            Some((scheme, _)) => format!("{scheme}//{MASK}@{host}"),
            None => format!("{MASK}@{host}"),
        },
    }
}

/// What was to be a URL. Whatever could be a token is masked, also where the `@` behind it is missing.
pub(super) fn url(text: &str) -> String {
    let masked = without_credentials(text);
    let (scheme, rest) = masked.split_once("//").unwrap_or(("", &masked));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
    if port.bytes().all(|byte| byte.is_ascii_digit()) && port.len() <= SHOWN_PORT {
        return quoted(&masked);
    }
    match scheme {
        "" => MASK.to_owned(),
        scheme => quoted(&format!("{scheme}//{MASK}")),
    }
}

/// What kind of thing a value is, and what it holds: `the list [1, 2]`.
pub(super) fn found(value: &Value) -> String {
    match &value.data {
        Data::Null | Data::Broken => "nothing".into(),
        Data::Text(found) => format!("the text {}", text(found)),
        Data::List(list) if list.is_empty() => "an empty list".into(),
        Data::Map(Map(entries)) if entries.is_empty() => "an empty mapping".into(),
        Data::List(_) => format!("the list {}", flow(value)),
        Data::Map(_) => format!("the mapping {}", flow(value)),
    }
}

/// The value as one short line of YAML, secrets masked.
pub(super) fn flow(value: &Value) -> String {
    let mut out = String::new();
    write_flow(value, &mut out);
    if out.chars().count() > SHOWN_MAX {
        out = out.chars().take(SHOWN_MAX).collect();
        out.push('…');
    }
    out
}

fn write_flow(value: &Value, out: &mut String) {
    if out.len() > SHOWN_MAX {
        return;
    }
    match &value.data {
        Data::Null | Data::Broken => out.push_str("null"),
        Data::Text(text) => out.push_str(&without_credentials(text).replace(char::is_control, " ")),
        Data::List(list) => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_flow(item, out);
            }
            out.push(']');
        }
        Data::Map(Map(entries)) => {
            out.push('{');
            for (index, (name, item)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(&name.text);
                out.push_str(": ");
                if sounds_secret(&name.text) {
                    out.push_str(MASK);
                } else {
                    write_flow(item, out);
                }
            }
            out.push('}');
        }
    }
}

/// Whether a key, perhaps a misspelt one, is likely to hold a secret.
pub(super) fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["token", "secret", "pass", "auth", "key", "cred"].iter().any(|word| key.contains(word))
}

/// The nearest of the known names, where one is near enough to have been meant.
pub(super) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| {
        name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
    };
    let wanted = plain(text);
    known
        .into_iter()
        .map(|name| (distance(&wanted, &plain(name)), name))
        .filter(|(distance, name)| {
            // Most of both names must be the same.
            *distance <= (name.len().max(wanted.len()) / 3).max(1)
                && *distance < name.len().min(wanted.len())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Edits between two names; one where one begins like the other.
fn distance(a: &str, b: &str) -> usize {
    const TELLING: usize = 4;
    let begins = a.len().min(b.len()) >= TELLING && (a.starts_with(b) || b.starts_with(a));
    let edits = strsim::damerau_levenshtein(a, b);
    if begins { edits.min(1) } else { edits }
}

/// The names in a row, shortened: `a, b, c and 7 more`.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 40;
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_and_hold_no_credentials() {
        let check = |given: &str, expected: &str| assert_eq!(text(given), expected);
        check("70000", "70000");
        check("-1.5", "-1.5");
        check("abc", "\"abc\"");
        check("", "\"\"");
        check("a\nb", "\"a\\nb\"");
        check("ws://a:S3CRET@b:1", "\"ws://***@b:1\"");
        check("ws//a:S3@CRET@b:1", "\"ws//***@b:1\"");
        check("a:S3CRET@b:1", "\"***@b:1\"");
        check("peer authToken S3CRET", "\"peer …\"");
        check(&"x".repeat(61), &format!("\"{}…\"", "x".repeat(60)));
    }

    #[test]
    fn urls_hold_no_token() {
        let check = |given: &str, expected: &str| assert_eq!(url(given), expected);
        check("http://b:3000/x", "\"http://b:3000/x\"");
        check("http//u:S3CRET@b:3000", "\"http//***@b:3000\"");
        check("b:70000", "\"b:70000\"");
        check("ws://u:S3CRET#b", "\"ws://***\"");
        check("ws:u:S3CRET", "***");
        check("ws://b:123456789", "\"ws://***\"");
        check("ws://[::1", "\"ws://[::1\"");
        check("", "\"\"");
    }

    #[test]
    fn the_nearest_name() {
        let check = |given: &str, expected: Option<&str>| {
            assert_eq!(nearest(given, ["nodeId", "peers", "routes", "btpServerPort"]), expected);
        };
        check("peer", Some("peers"));
        check("btp_server_port", Some("btpServerPort"));
        check("BtpServerport", Some("btpServerPort"));
        check("nodeID", Some("nodeId"));
        check("colour", None);
        assert_eq!(nearest("x", ["a", "b"]), None);
        assert_eq!(nearest("bobb", ["alice", "bob"]), Some("bob"));
    }
}
