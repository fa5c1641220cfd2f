//! YAML tags (`!!str`, `!local`, `!<verbatim>`).
//!
//! Keys decide the types of values, so a tag can only agree or contradict. A tag that agrees has no effect. Every other
//! tag is a mistake, as it gives the text another meaning: `!!binary YWJj` stands for `abc`.

use saphyr_parser::Tag;

/// The node of YAML that a tag belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tagged<'a> {
    List,
    Map,
    /// A scalar, with its text.
    Scalar(&'a str),
    /// A scalar that is a key.
    Key(&'a str),
}

/// The effect of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagMeaning {
    /// None.
    Same,
    /// The value is a text, even if it is written like null: `!!str null`.
    Text,
    /// The value is something else than its text. Only types of YAML are named: any other tag may be a secret that
    /// starts with an exclamation mark.
    Contradiction(Option<&'static str>),
}

/// The types of YAML.
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

/// The meaning of a tag at its place.
pub(super) fn meaning_of(tag: &Tag, at: Tagged<'_>) -> TagMeaning {
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

/// Whether a text without quotes is null.
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
