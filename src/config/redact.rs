//! Values as messages show them: short, on one line, and only where they can be no secret.
//!
//! A mistake of typing moves texts to places where they do not belong: a line that lost its colon becomes part of the
//! value above it, or an item of a list, or a key. So no message shows a text just because its key is harmless. It shows
//! what the key could have meant ([`of_key`]): a number for a number, a near word for a word, the first word of a name.
//! Everything else is named by its place and its kind ([`found`]).

use super::keys;
use super::secret::MASK;
use super::value::{Map, Value, ValueData};
use super::value_kind::ValueKind;
use crate::telemetry::is_meant_as_level;

/// Characters of a value that a message shows.
const SHOWN_MAX: usize = 60;

/// Digits that can be meant as a port.
const SHOWN_PORT: usize = 6;

/// What URLs of peers and servers begin with, perhaps with `btp+` before it.
const SCHEMES: [&str; 4] = ["ws", "wss", "http", "https"];

/// Characters of a number with an exponent.
const SHOWN_NUMBER: usize = 24;

/// Letters that can be meant as a unit: `30sec`.
const SHOWN_UNIT: usize = 3;

/// A text in quotes, escaped and shortened.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// The value of a key, as far as it is what the key could hold. What else stands there may be a secret.
pub(super) fn of_key(kind: ValueKind, text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let plausible = match kind {
        ValueKind::Secret | ValueKind::Secrets | ValueKind::Text => false,
        ValueKind::Url | ValueKind::HttpUrl => return url(text),
        ValueKind::Integer(..)
        | ValueKind::Millis(..)
        | ValueKind::Port
        | ValueKind::Amount
        | ValueKind::Balance
        | ValueKind::Priority
        | ValueKind::Rate => is_like_a_number(text),
        ValueKind::Bool => {
            is_like_a_number(text) || is_near(text, &["true", "false", "yes", "no", "on", "off"])
        }
        ValueKind::Choice(words) => is_near(text, words),
        ValueKind::LogLevel => {
            let mut words = text.split([',', '=', ':']).map(str::trim);
            if !words.all(|word| word.is_empty() || is_meant_as_level(word)) {
                return MASK.to_owned();
            }
            return name(text);
        }
        _ => return name(text),
    };
    match plausible {
        false => MASK.to_owned(),
        true if is_number(text) || matches!(text, "true" | "false") => text.to_owned(),
        true => quoted(text),
    }
}

fn is_number(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.len() <= SHOWN_MAX
}

/// Digits with signs and separators, perhaps with a unit behind them.
fn is_like_a_number(text: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | ',' | '_' | '\'');
    let unit = text.trim_start_matches("0x").trim_start_matches(digit);
    let letters = |c: char| c.is_ascii_alphabetic() || c == '%';
    text == "true"
        || text == "false"
        || (text.len() <= SHOWN_NUMBER && text.parse::<f64>().is_ok())
        || (text.len() <= SHOWN_MAX && unit.len() <= SHOWN_UNIT && unit.chars().all(letters))
}

/// A word that is meant: `false authToken hunter2` begins like one, and is none.
fn is_near(text: &str, words: &[&str]) -> bool {
    !text.contains(char::is_whitespace)
        && (nearest(&text.to_ascii_lowercase(), words.iter().copied()).is_some()
            || words.iter().any(|word| word.eq_ignore_ascii_case(text)))
}

/// A name, an address or a path. A line that lost its colon ends up behind it: `alice authToken hunter2`,
/// `alice authToken=hunter2`; so nothing is shown from there on.
pub(super) fn name(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    // The user part of a URL.
    if text.contains('@') {
        return MASK.to_owned();
    }
    let end = |c: char| c.is_whitespace() || c.is_control() || "=\"'`,;{}[]#&*!|>%$:".contains(c);
    match text.split_once(end) {
        None if is_number(text) => text.to_owned(),
        None => quoted(text),
        Some(("", _)) => MASK.to_owned(),
        Some((first, _)) => {
            quoted(&format!("{}…", first.chars().take(SHOWN_MAX).collect::<String>()))
        }
    }
}

/// What was to be a URL: scheme, host and port, where they are recognised for certain.
pub(super) fn url(text: &str) -> String {
    // No URL has them: what stands behind may be the next line of the file.
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return MASK.to_owned();
    }
    let (scheme, rest) = match text.split_once("//") {
        Some((scheme, rest)) => (format!("{scheme}//"), rest),
        None => (String::new(), text),
    };
    // A token may hold what ends a host: everything before the last @ is the user part.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{MASK}@"), rest),
        None => (String::new(), rest),
    };
    let scheme = match scheme.bytes().all(|b| b.is_ascii_alphabetic() || b":/+".contains(&b)) {
        true => scheme,
        false => return MASK.to_owned(),
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let in_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = host.chars().all(in_host)
        || host.strip_prefix('[').is_some_and(|ip| {
            ip.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | ']' | '%'))
        });
    let is_port = port
        .is_none_or(|port| port.len() <= SHOWN_PORT && port.bytes().all(|b| b.is_ascii_digit()));
    // Without scheme, user and port a word is just a word; and behind no scheme that is known there is no host for certain.
    let is_url = !scheme.is_empty() || port.is_some() || !user.is_empty();
    let meant = scheme.trim_end_matches(['/', ':']).to_ascii_lowercase();
    let is_url = is_url
        && (scheme.is_empty() || nearest(meant.trim_start_matches("btp+"), SCHEMES).is_some());
    if !(is_host && is_port && is_url) {
        return match scheme.is_empty() {
            true => MASK.to_owned(),
            false => quoted(&format!("{scheme}{MASK}")),
        };
    }
    let path = if path.len() > 1 { "/…" } else { path };
    quoted(&format!("{scheme}{user}{authority}{path}"))
}

/// What kind of thing a value is. What it holds is not shown: it stands where something else was expected.
pub(super) fn found(value: &Value) -> &'static str {
    match &value.data {
        ValueData::Null | ValueData::Broken => "nothing",
        ValueData::Text(text) if text.is_empty() => "an empty text",
        ValueData::Text(_) => "a text",
        ValueData::List(list) if list.is_empty() => "an empty list",
        ValueData::Map(Map(entries)) if entries.is_empty() => "an empty mapping",
        ValueData::List(_) => "a list",
        ValueData::Map(_) => "a mapping",
    }
}

/// A key as a path shows it: only one that is known, or a slip of the finger away from a known one. `authToken hunter2`
/// is a key for YAML, and so is a secret that stands before a colon.
pub(super) fn key(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let first = text.split(|c| !plain(c)).next().unwrap_or_default();
    if !keys::is_known(first) && !is_slip(first) {
        return MASK.to_owned();
    }
    // A colon is missing, and what follows may be a secret.
    if first.len() < text.len() { format!("{first}…") } else { first.to_owned() }
}

/// Whether a text is so near to the name of a key that it is meant as one.
pub(super) fn is_slip(text: &str) -> bool {
    const EDITS_MAX: usize = 2;
    let wanted = plain(text);
    super::key_names::is_synonym(text)
        || keys::names().any(|known| {
            let edits = strsim::damerau_levenshtein(&wanted, &plain(known));
            edits <= EDITS_MAX.min(known.len() / 3).max(usize::from(known.len() > 2))
        })
}

/// `btp_server_port` and `btpServerPort` are one name.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// The name of a variable that `${...}` refers to. In a secret that holds `${` it is a part of the secret, so only what
/// looks like a variable is shown: capitals, digits and `_`.
pub(super) fn variable(name: &str) -> Option<&str> {
    let usual = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (name.len() <= SHOWN_MAX && name.chars().all(usual)).then_some(name)
}

/// The nearest of the known names, where one is near enough to have been meant.
pub(super) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
    const SHOWN: usize = 60;
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
    fn a_value_is_shown_where_it_is_what_its_key_could_hold() {
        let check = |kind: ValueKind, given: &str, expected: &str| {
            assert_eq!(of_key(kind, given), expected, "{kind:?}");
        };
        for given in ["hunter2", "a b", "7"] {
            check(ValueKind::Secret, given, "***");
            check(ValueKind::Text, given, "***");
        }
        check(ValueKind::Secret, "", "\"\"");
        for (given, shown) in [
            ("70000", "70000"),
            ("-1.5", "-1.5"),
            ("abc", "\"abc\""),
            ("30s", "\"30s\""),
            ("1_000", "\"1_000\""),
            ("0x10", "\"0x10\""),
            ("1e6", "\"1e6\""),
            ("true", "true"),
            ("hunter2", "***"),
            ("30 authToken hunter2", "***"),
            ("[1, 2]", "***"),
        ] {
            check(ValueKind::Port, given, shown);
        }
        check(ValueKind::Bool, "yes", "\"yes\"");
        check(ValueKind::Bool, "1", "1");
        check(ValueKind::Bool, "hunter2", "***");
        check(ValueKind::Bool, "false authToken hunter2", "***");
        let words = ValueKind::Choice(&["parent", "peer", "child"]);
        check(words, "perent", "\"perent\"");
        check(words, "hunter2", "***");
        check(words, "parent authToken hunter2", "***");
        check(ValueKind::Id, "bobb", "\"bobb\"");
        check(ValueKind::Id, "bob authToken hunter2", "\"bob…\"");
        check(ValueKind::Id, "bob authToken=hunter2", "\"bob…\"");
        check(ValueKind::Host, "127.0.0.1:80", "\"127.0.0.1…\"");
        check(ValueKind::Host, "u:hunter2@h", "***");
        check(ValueKind::Address, "test.a\nhunter2", "\"test.a…\"");
        check(ValueKind::File, "/run/x.pem", "\"/run/x.pem\"");
        check(ValueKind::Id, "=hunter2", "***");
        check(ValueKind::LogLevel, "info,ilp_connector=loud", "\"info…\"");
        check(ValueKind::LogLevel, "verbose", "\"verbose\"");
        check(ValueKind::LogLevel, "correct-horse", "***");
        check(ValueKind::LogLevel, "info,correct-horse=debug", "***");
        check(ValueKind::Id, &"x".repeat(61), &format!("\"{}…\"", "x".repeat(60)));
    }

    #[test]
    fn urls_hold_no_token() {
        let check = |given: &str, expected: &str| assert_eq!(url(given), expected, "{given}");
        check("http://b:3000/", "\"http://b:3000/\"");
        check("http://b:3000/hunter2?token=hunter2", "\"http://b:3000/…\"");
        check("http//u:hunter2@b:3000", "\"http//***@b:3000\"");
        check("b:70000", "\"b:70000\"");
        check("ws://u:hunter2#b", "\"ws://***\"");
        check("ws://u:x@hunter2@b:1", "\"ws://***@b:1\"");
        check("ws://u:a/hunter2@b:1", "\"ws://***@b:1\"");
        check("u:hunter2@h:3000", "\"***@h:3000\"");
        check("ws:u:hunter2", "***");
        check("token://hunter2", "\"token://***\"");
        check("wws://b", "\"wws://b\"");
        check("ws://b:123456789", "\"ws://***\"");
        check("ws://[::1", "\"ws://[::1\"");
        check("ws://[::1]:80", "\"ws://[::1]:80\"");
        check("hunter2", "***");
        check("hunter2//x", "***");
        check("ws://b hunter2", "***");
        check("x1 @hunter2", "***");
        check("", "***");
    }

    #[test]
    fn keys_that_are_none_are_not_shown() {
        let check = |given: &str, expected: &str| assert_eq!(key(given), expected);
        check("authToken", "authToken");
        check("autToken", "autToken");
        check("btp_server_port", "btp_server_port");
        check("authToken hunter2", "authToken…");
        check("password", "password");
        check("hunter2", "***");
        check("secret-hunter2", "***");
        check("tokenhunter2", "***");
        check("", "***");
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
