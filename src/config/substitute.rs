//! `${NAME}` and `${NAME:-default}` in the texts of a file.
//!
//! Variables are replaced in values, after YAML was parsed. So the content of a variable cannot change the structure of
//! the file, and is not searched for variables again. `$$` is a dollar; a dollar before anything else is itself. A
//! value that becomes empty is unset, like an empty variable.

use std::sync::Arc;

use super::diagnostics::DiagnosticSink;
use super::location::{PlaceDetails, ValueOrigin};
use super::value::{Value, ValueData};
use super::{Environment, redact};

/// Defaults within defaults.
const DEPTH_MAX: usize = 8;

/// Replaces the variables in every text of a tree.
pub fn substitute(root: &mut Value, environment: &Environment, report: &mut DiagnosticSink) {
    root.edit_all(|value, path| {
        let Some(text) = value.as_text().filter(|text| text.contains('$')) else { return };
        match expand(text, environment, 0) {
            Ok(Expanded { text, variables }) => {
                let unset = text.is_empty() && !variables.is_empty();
                value.data = if unset { ValueData::Null } else { ValueData::Text(text.into()) };
                if !variables.is_empty() {
                    let origin = ValueOrigin::File;
                    let more = PlaceDetails { origin, place: None, variables, file: None };
                    value.at.more = Some(Arc::new(more));
                }
            }
            Err(mistake) => {
                let (what, help) = mistake.message();
                report.at(path, what, help);
                value.data = ValueData::Broken;
            }
        }
    });
}

#[derive(Debug, PartialEq, Eq)]
struct Expanded {
    text: String,
    variables: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Mistake {
    Unclosed,
    Unset(String),
    BadName,
    Unsupported(String),
    TooDeep,
}

impl Mistake {
    fn message(&self) -> (String, String) {
        let forms = "${NAME} and ${NAME:-default} are understood, $$ is a dollar";
        match self {
            Self::Unclosed => ("${ without its }".into(), forms.into()),
            Self::Unset(name) => match redact::variable(name) {
                Some(name) => (
                    format!("the variable {name} is not set"),
                    format!("set it in the environment, or give a default: ${{{name}:-default}}"),
                ),
                None => (
                    "a variable is not set".into(),
                    "set it in the environment, or give a default; its name is not shown, as it is not in capitals and \
                     may be part of a secret, where $$ is a dollar"
                        .into(),
                ),
            },
            Self::BadName => (
                "the text between ${ and } is not the name of a variable".into(),
                format!("names are made of letters, digits and _; {forms}"),
            ),
            Self::Unsupported(name) => {
                let of = redact::variable(name).map(|name| format!(" for the variable {name}"));
                let of = of.unwrap_or_default();
                (format!("unknown form of substitution{of}"), forms.into())
            }
            Self::TooDeep => {
                ("too many defaults within defaults".into(), format!("at most {DEPTH_MAX}"))
            }
        }
    }
}

fn expand(text: &str, environment: &Environment, depth: usize) -> Result<Expanded, Mistake> {
    if depth > DEPTH_MAX {
        return Err(Mistake::TooDeep);
    }
    let mut out = Expanded { text: String::with_capacity(text.len()), variables: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.text.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (inside, after) = split_at_closing_brace(after).ok_or(Mistake::Unclosed)?;
            expand_variable(inside, environment, depth, &mut out)?;
            rest = after;
        } else {
            out.text.push('$');
            rest = after;
        }
    }
    out.text.push_str(rest);
    Ok(out)
}

/// Splits at the `}` that closes a `${` before the text.
fn split_at_closing_brace(text: &str) -> Option<(&str, &str)> {
    let mut open = 0usize;
    let mut dollar = false;
    for (position, character) in text.char_indices() {
        match character {
            '{' if dollar => open += 1,
            '}' if open > 0 => open -= 1,
            '}' => return Some((text.get(..position)?, text.get(position + 1..)?)),
            _ => {}
        }
        dollar = character == '$';
    }
    None
}

fn expand_variable(
    inside: &str,
    environment: &Environment,
    depth: usize,
    out: &mut Expanded,
) -> Result<(), Mistake> {
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = inside.find(|c| !named(c)).unwrap_or(inside.len());
    let (name, operator) = inside.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Mistake::BadName);
    }
    let value = environment.get(name).filter(|value| !value.is_empty());
    out.variables.push(name.to_owned());
    match (value, operator.strip_prefix(":-")) {
        (Some(value), Some(_)) => out.text.push_str(value),
        (Some(value), None) if operator.is_empty() => out.text.push_str(value),
        (None, Some(default)) => {
            let default = expand(default, environment, depth + 1)?;
            out.text.push_str(&default.text);
            out.variables.extend(default.variables);
        }
        (None, None) if operator.is_empty() => return Err(Mistake::Unset(name.into())),
        (_, None) if operator.starts_with([':', '-', '?', '+', '=']) => {
            return Err(Mistake::Unsupported(name.into()));
        }
        (_, None) => return Err(Mistake::BadName),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, Mistake>) {
        let environment = [("A", "1"), ("EMPTY", ""), ("DOLLAR", "${A}"), ("X_2", "x y")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let found = expand(text, &environment, 0).map(|expanded| expanded.text);
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn forms() {
        check("plain", Ok("plain"));
        check("${A}", Ok("1"));
        check("a${A}b${A}c", Ok("a1b1c"));
        check("${X_2:-d}", Ok("x y"));
        check("${NO:-d e}", Ok("d e"));
        check("${NO:-}", Ok(""));
        check("${EMPTY:-d}", Ok("d"));
        check("${NO:-${A}}", Ok("1"));
        check("${NO:-${NO2:-z}}", Ok("z"));
        check("${NO:-a}b}", Ok("ab}"));
        check("ws://${NO:-host}:${A}", Ok("ws://host:1"));
        check("$$", Ok("$"));
        check("$${A}", Ok("${A}"));
        check("$A $", Ok("$A $"));
        // The content of a variable is not searched.
        check("${DOLLAR}", Ok("${A}"));
        check("${A", Err(Mistake::Unclosed));
        check("${NO:-${A}", Err(Mistake::Unclosed));
        check("${NO}", Err(Mistake::Unset("NO".into())));
        check("${EMPTY}", Err(Mistake::Unset("EMPTY".into())));
        check("${}", Err(Mistake::BadName));
        check("${1A}", Err(Mistake::BadName));
        check("${A B}", Err(Mistake::BadName));
        check("${A:?why}", Err(Mistake::Unsupported("A".into())));
        check("${NO-x}", Err(Mistake::Unsupported("NO".into())));
        check(&"${NO:-".repeat(20), Err(Mistake::Unclosed));
        let deep = format!("{}{}", "${NO:-".repeat(12), "}".repeat(12));
        check(&deep, Err(Mistake::TooDeep));
    }
}
