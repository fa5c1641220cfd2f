//! Tags (`!!str`, `!local`, `!<verbatim>`): which of them say what is true anyway.
//!
//! Types come from the keys, so a tag that names a type can only agree or contradict. Where it agrees it has no effect;
//! every other tag is a mistake, because it says that the text is not what is meant: `!!binary YWJj` stands for `abc`.

use saphyr_parser::Tag;

/// What a tag stands at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tagged<'a> {
    List,
    Map,
    /// A scalar, with its text.
    Scalar(&'a str),
    /// A scalar that is a key.
    Key(&'a str),
}

/// What a tag makes of what it stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagMeaning {
    /// What it is without the tag.
    Same,
    /// A text, also where it is written like nothing: `!!str null`.
    Text,
    /// Something else than its text. The type is one of YAML; others are not named, as they may be a secret that starts
    /// with an exclamation mark.
    Contradiction(Option<&'static str>),
}

/// The types that YAML knows.
const TYPES: [&str; 15] = [
    "str",
    "null",
    "bool",
    "int",
    "float",
    "seq",
    "map",
    "binary",
    "timestamp",
    "set",
    "omap",
    "pairs",
    "merge",
    "value",
    "yaml",
];

/// What a tag means at its place.
pub(super) fn meaning(tag: &Tag, at: Tagged<'_>) -> TagMeaning {
    let full = format!("{}{}", tag.handle, tag.suffix);
    // The tag `!` forbids guessing a type.
    let name = if full == "!" { None } else { full.strip_prefix("tag:yaml.org,2002:") };
    if full != "!" && name.is_none() {
        return TagMeaning::Contradiction(None);
    }
    let agrees = match (name, at) {
        (None | Some("str"), Tagged::Scalar(_) | Tagged::Key(_)) => return TagMeaning::Text,
        (None, _) | (Some("seq"), Tagged::List) | (Some("map"), Tagged::Map) => true,
        (Some("merge"), Tagged::Key(text)) => text == "<<",
        (Some("null"), Tagged::Scalar(text)) => is_null(text),
        (Some("bool"), Tagged::Scalar(text)) => {
            matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
        }
        (Some("int"), Tagged::Scalar(text)) => is_integer(text),
        (Some("float"), Tagged::Scalar(text)) => is_decimal(text),
        _ => false,
    };
    match agrees {
        true => TagMeaning::Same,
        false => TagMeaning::Contradiction(TYPES.into_iter().find(|known| Some(*known) == name)),
    }
}

/// Nothing, as it may be written without quotes.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_decimal(text: &str) -> bool {
    let number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    number && text.parse::<f64>().is_ok()
}
