//! The variables in the text of a configuration file: `${NAME}` and `${NAME:-default}`.

use crate::config::Environment;

/// One variable of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    /// The text after `:-`.
    pub(super) default: Option<String>,
}

/// Variables that the output sets for every node.
const SET_FOR_EVERY_NODE: &[&str] =
    &["CONFIG_FILE", "NODE_ID", "BTP_SERVER_PORT", "HEALTH_CHECK_PORT", "LOG_LEVEL"];

/// All variables of a text, in order, each once. The text is not parsed as YAML, so a variable in a comment behind a
/// value counts too, which does no harm.
pub(super) fn find_variables(text: &str) -> Vec<Variable> {
    let mut found: Vec<Variable> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("${") {
            rest = after;
            // `$${` is a dollar and a brace.
            let dollars = before.bytes().rev().take_while(|b| *b == b'$').count();
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let Some((name, tail)) = end.and_then(|end| after.split_at_checked(end)) else {
                continue;
            };
            if dollars % 2 == 1 || name.is_empty() || SET_FOR_EVERY_NODE.contains(&name) {
                continue;
            }
            let default = tail.strip_prefix(":-").and_then(text_before_brace);
            if default.is_none() && !tail.starts_with('}') {
                continue;
            }
            match found.iter_mut().find(|known| known.name == name) {
                Some(known) if known.default.is_none() => known.default = default,
                Some(_) => {}
                None => found.push(Variable { name: name.to_owned(), default }),
            }
        }
    }
    found
}

/// The text before the closing brace; defaults may contain variables.
fn text_before_brace(text: &str) -> Option<String> {
    let mut depth = 0_usize;
    let mut last = ' ';
    for (index, c) in text.char_indices() {
        match c {
            '{' if last == '$' => depth += 1,
            '}' if depth == 0 => return text.get(..index).map(str::to_owned),
            '}' => depth -= 1,
            _ => {}
        }
        last = c;
    }
    None
}

/// Values to load the file with: those of the environment, and placeholders for secrets that will be set later.
pub(super) fn values_for_loading(variables: &[Variable], environment: &Environment) -> Environment {
    let value = |variable: &Variable| {
        let set = environment.get(&variable.name).filter(|value| !value.is_empty());
        match (set, &variable.default) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(_)) => None,
            (None, None) => Some(format!("to-be-set-{}", variable.name)),
        }
    };
    variables
        .iter()
        .filter_map(|variable| Some((variable.name.clone(), value(variable)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_text() {
        fn check(text: &str, expected: &[(&str, Option<&str>)]) {
            let found = find_variables(text);
            let found: Vec<_> =
                found.iter().map(|v| (v.name.as_str(), v.default.as_deref())).collect();
            assert_eq!(found, expected, "{text}");
        }
        check("a: ${A} ${B:-b c}", &[("A", None), ("B", Some("b c"))]);
        check("a: ${A}\nb: ${A:-x}\nc: ${A:-y}", &[("A", Some("x"))]);
        check("a: ${A:-${B:-b}}", &[("A", Some("${B:-b}")), ("B", Some("b"))]);
        check("a: $${A} $A ${A", &[]);
        check("a: ${} ${A-b} ${NODE_ID} ${A:-b", &[]);
        check("# ${A}\n  # ${B}", &[]);
    }

    #[test]
    fn a_file_can_be_read_before_its_secrets_are_set() {
        let variables = find_variables("${A} ${B:-b} ${C} ${D}");
        let environment =
            Environment::from([("C".into(), "c".into()), ("D".into(), String::new())]);
        let values = values_for_loading(&variables, &environment);
        assert_eq!(values.get("A").map(String::as_str), Some("to-be-set-A"));
        assert_eq!(values.get("B"), None);
        assert_eq!(values.get("C").map(String::as_str), Some("c"));
        assert_eq!(values.get("D").map(String::as_str), Some("to-be-set-D"));
    }
}
