//! Values in messages: short, on one line, and only if they cannot be secrets.
//!
//! A typing mistake moves texts: a line that lost its colon becomes part of the value above it, an item of a list, or a
//! key. So a message does not show a text just because its key is harmless. It shows what fits the key ([`of_key`]): a
//! number for a number, a near word for a word, the first word of a name. For all else it names the place and the kind
//! ([`found`]).

use super::keys;
use super::value::{Map, Value, ValueData};
use super::value_kind::ValueKind;
use crate::net::MASK;
use crate::telemetry::is_meant_as_level;

/// Characters of a value that a message shows.
const SHOWN_MAX: usize = 60;

/// Digits of a plausible port.
const SHOWN_PORT: usize = 6;

/// Schemes of URLs of peers, servers and databases, without `btp+`.
const SCHEMES: [&str; 6] = ["ws", "wss", "http", "https", "postgres", "postgresql"];

/// Characters of a number with an exponent.
const SHOWN_NUMBER: usize = 24;

/// Letters of a word that messages show, although it is none of those that are allowed.
const SHOWN_WORD: usize = 8;

/// Words of other programs for the words that our keys may hold.
const OTHER_WORDS: [(&str, &str); 17] = [
    ("sibling", "peer"),
    ("neighbour", "peer"),
    ("neighbor", "peer"),
    ("upstream", "parent"),
    ("provider", "parent"),
    ("downstream", "child"),
    ("client", "child"),
    ("customer", "child"),
    ("ws", "btp"),
    ("websocket", "btp"),
    ("https", "http"),
    ("bearer", "simple"),
    ("basic", "simple"),
    ("fixed", "static"),
    ("ccp", "dynamic"),
    ("write", "operate"),
    ("admin", "operate"),
];

/// Letters of a plausible unit: `30sec`.
const SHOWN_UNIT: usize = 3;

/// A text in quotes, escaped and shortened.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// The value of a key, if it is plausible for the key. Any other text may be a secret.
pub fn of_key(kind: ValueKind, text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let plausible = match kind {
        ValueKind::Secret | ValueKind::Secrets | ValueKind::Text => false,
        // The names of this program itself are no secrets.
        _ if keys::is_known_word(text) || keys::is_known(text) => true,
        ValueKind::Url | ValueKind::HttpUrl => return url(text),
        ValueKind::Store if text.contains("//") => return url(text),
        ValueKind::Integer(..)
        | ValueKind::Millis(..)
        | ValueKind::Port
        | ValueKind::Amount
        | ValueKind::Balance
        | ValueKind::Priority
        | ValueKind::Rate
        | ValueKind::Share => is_like_a_number(text),
        ValueKind::Bool => {
            let words = ["true", "false", "yes", "no", "on", "off"];
            is_like_a_number(text) || is_meant_as_word(text, &words)
        }
        ValueKind::Choice(words) => is_meant_as_word(text, words),
        ValueKind::WordOrMap(word, _) => is_meant_as_word(text, &[word]),
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

/// Whether a text where one of a few words belongs is meant as one: it is short and has only letters, as with levels of
/// the log, or it is nearly one of them, or other programs call one of them so.
fn is_meant_as_word(text: &str, words: &[&str]) -> bool {
    let is_short =
        text.len() <= SHOWN_WORD && text.bytes().all(|letter| letter.is_ascii_lowercase());
    is_short || is_near(text, words) || word_for(text).is_some_and(|word| words.contains(&word))
}

/// Whether a text is nearly one of the words. `false authToken hunter2` only begins like one.
fn is_near(text: &str, words: &[&str]) -> bool {
    !text.contains(char::is_whitespace)
        && (nearest(&text.to_ascii_lowercase(), words.iter().copied()).is_some()
            || words.iter().any(|word| word.eq_ignore_ascii_case(text)))
}

/// A name, an address or a path, up to the first character that none of them has: the next line may follow without its
/// colon, as in `alice authToken hunter2` and `alice authToken=hunter2`.
pub fn name(text: &str) -> String {
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

/// A URL with a mistake: scheme, host and port, if they are recognised for certain.
pub fn url(text: &str) -> String {
    // No URL has these characters. The rest may be the next line of the file.
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return MASK.to_owned();
    }
    let (scheme, rest) = match text.split_once("//") {
        Some((scheme, rest)) => (format!("{scheme}//"), rest),
        None => (String::new(), text),
    };
    // A token may contain characters that end a host: all before the last @ is the user part.
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
    // Without scheme, user and port it may be any word, and after an unknown scheme any text.
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

/// The kind of a value that stands in the wrong place. Its content is not shown.
pub fn found(value: &Value) -> &'static str {
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

/// A key in a path: shown only if it is known, or nearly. `authToken hunter2` is a key for YAML, and so is a secret
/// before a colon.
pub fn key(text: &str) -> String {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let first = text.split(|c| !is_of_a_name(c)).next().expect("a split has a first part");
    if !keys::is_known(first) && !is_probable_typo(first) {
        return MASK.to_owned();
    }
    // A colon is missing, and what follows may be a secret.
    if first.len() < text.len() { format!("{first}…") } else { first.to_owned() }
}

/// Whether a text is so near to the name of a key that it is probably a typing mistake.
pub fn is_probable_typo(text: &str) -> bool {
    const EDITS_MAX: usize = 2;
    let wanted = without_case_and_marks(text);
    super::key_names::is_synonym(text)
        || keys::names().any(|known| {
            let edits = strsim::damerau_levenshtein(&wanted, &without_case_and_marks(known));
            edits <= EDITS_MAX.min(known.len() / 3).max(usize::from(known.len() > 2))
        })
}

/// `btp_server_port` and `btpServerPort` are one name.
fn without_case_and_marks(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// The name of a variable in `${...}`. A secret may contain `${` by chance, so only capitals, digits and `_` are shown.
pub fn variable(name: &str) -> Option<&str> {
    let usual = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (name.len() <= SHOWN_MAX && name.chars().all(usual)).then_some(name)
}

/// The nearest of the known names, if one is near enough.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = without_case_and_marks(text);
    known
        .into_iter()
        .map(|name| (distance(&wanted, &without_case_and_marks(name)), name))
        .filter(|(distance, name)| {
            // Most of both names must be the same.
            *distance <= (name.len().max(wanted.len()) / 3).max(1)
                && *distance < name.len().min(wanted.len())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The word of this program for a word of others.
fn word_for(other: &str) -> Option<&'static str> {
    let found = OTHER_WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(other));
    found.map(|(_, word)| *word)
}

/// The word among `known` that is probably meant: the one that other programs call `text`, or the nearest one.
pub fn meant_word<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    let same = word_for(text).and_then(|word| known.iter().find(|known| **known == word).copied());
    same.or_else(|| nearest(text, known.iter().copied()))
}

/// The help for a name that is not among `names`: the one that was probably meant, and all of them.
pub fn did_you_mean(name: &str, plural: &str, names: &[&str]) -> String {
    let all = format!("{plural}: {}", list(names.iter().copied()));
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near}? ({all})"),
        None => all,
    }
}

/// Edits between two names; 1 if one is the beginning of the other.
fn distance(a: &str, b: &str) -> usize {
    const TELLING: usize = 4;
    let begins = a.len().min(b.len()) >= TELLING && (a.starts_with(b) || b.starts_with(a));
    let edits = strsim::damerau_levenshtein(a, b);
    if begins { edits.min(1) } else { edits }
}

/// The names in one line, shortened: `a, b, c and 7 more`.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
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
        check(words, "batched", "\"batched\"");
        // A short word of letters is no secret where one of three words belongs; anything else may be.
        check(words, "sibling", "\"sibling\"");
        check(words, "downstream", "\"downstream\"");
        check(words, "sibling2", "***");
        check(words, "Sibling", "\"Sibling\"");
        check(words, "Passwort", "***");
        check(words, "correcthorse", "***");
        check(words, "sibling hunter", "***");
        check(ValueKind::Bool, "maybe", "\"maybe\"");
        check(ValueKind::WordOrMap("manual", &[]), "hunter2", "***");
        check(ValueKind::WordOrMap("manual", &[]), "engine", "\"engine\"");
        check(ValueKind::HttpUrl, "settleThreshold", "\"settleThreshold\"");
        check(ValueKind::Secret, "batched", "***");
        check(words, "parent authToken hunter2", "***");
        check(ValueKind::Id, "bobb", "\"bobb\"");
        check(ValueKind::Id, "bob authToken hunter2", "\"bob…\"");
        check(ValueKind::Id, "bob authToken=hunter2", "\"bob…\"");
        check(ValueKind::Host, "127.0.0.1:80", "\"127.0.0.1…\"");
        check(ValueKind::Host, "300.0.0.1", "300.0.0.1");
        check(ValueKind::Host, "u:hunter2@h", "***");
        check(ValueKind::Address, "test.a\nhunter2", "\"test.a…\"");
        check(ValueKind::File, "/run/x.pem", "\"/run/x.pem\"");
        check(ValueKind::Store, "/x/b.db", "\"/x/b.db\"");
        check(ValueKind::Store, "postgres://u:hunter2@h:0/d", "\"postgres://***@h:0/…\"");
        check(ValueKind::Store, "postgres://u:hunter2/x@h/d", "\"postgres://***@h/…\"");
        check(ValueKind::Store, "postgres://u:hunter2#x@h/d?sslmode=x", "\"postgres://***@h/…\"");
        check(ValueKind::Store, "postgres://u:hunter2", "\"postgres://***\"");
        check(ValueKind::Store, "postgres:u:hunter2@h", "***");
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
    fn texts_that_are_not_keys_are_not_shown() {
        let check = |given: &str, expected: &str| assert_eq!(key(given), expected);
        check("authToken", "authToken");
        check("autToken", "autToken");
        check("btp_server_port", "btp_server_port");
        check("authToken hunter2", "authToken…");
        check("events", "events");
        check("secretFiles", "secretFiles");
        check("password", "password");
        check("hunter2", "***");
        check("secret-hunter2", "***");
        check("tokenhunter2", "***");
        check("", "***");
    }

    #[test]
    fn the_words_of_other_programs_are_words_of_ours() {
        let known: Vec<&str> = keys::choices().collect();
        for (other, word) in OTHER_WORDS {
            assert!(known.contains(&word) && !known.contains(&other), "{other} is {word}");
        }
        let words = ["parent", "peer", "child"];
        assert_eq!(meant_word("Sibling", &words), Some("peer"));
        assert_eq!(meant_word("perent", &words), Some("parent"));
        assert_eq!(meant_word("sibling", &["simple", "jwt"]), None);
        assert_eq!(meant_word("zebra", &words), None);
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
