//! Messages for a text that is not YAML, or not the YAML of a configuration, with the usual reasons.
//!
//! No message repeats the content of the file: if its structure is broken, any text may be a secret.

use saphyr_parser::ScanError;

use super::diagnostics::DiagnosticSink;
use super::location::Location;
use super::redact;
use super::value::Value;

/// The line of a control character, which YAML forbids (section 5.1). The parser would silently stop at a NUL.
pub fn control_character(text: &str) -> Option<Location> {
    let bad = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
    let position = text.bytes().position(bad)?;
    let lines = text.bytes().take(position).filter(|byte| *byte == b'\n').count();
    Some(Location::line(lines + 1))
}

/// The line of a directive `%YAML` of another major version (YAML 1.2.2, section 6.8.1). The parser accepts any
/// version.
pub fn unknown_version(text: &str) -> Option<Location> {
    let directives = text.trim_start_matches('\u{feff}').lines().enumerate();
    let mut directives =
        directives.take_while(|(_, line)| line.is_empty() || line.starts_with(['%', '#']));
    let unknown = |line: &str| {
        line.strip_prefix("%YAML").is_some_and(|version| !version.trim_start().starts_with("1."))
    };
    directives.find(|(_, line)| unknown(line)).map(|(number, _)| Location::line(number + 1))
}

/// Reports an error of the parser with its usual reason.
pub fn problem(text: &str, error: &ScanError, report: &mut DiagnosticSink) {
    let line = error.marker().line();
    // At the end of the file the parser is one line too far.
    let line = line.min(text.lines().count()).max(1);
    let source = |line: usize| text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let indented_by_tab =
        |line: usize| source(line).chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t');
    // The reason may stand one line before or after.
    let near = [line, line + 1, line.saturating_sub(1).max(1)];
    let (line, help) = if let Some(tabbed) = near.into_iter().find(|line| indented_by_tab(*line)) {
        (tabbed, "the line is indented with a tab; YAML wants spaces")
    } else if near.into_iter().any(|line| unquoted_variable(source(line))) {
        (line, "inside { } and [ ] a variable must be in quotes: \"${NAME}\"")
    } else if error.info().contains("unknown anchor") {
        (line, "an *alias needs an &anchor above it; a text that starts with * must be in quotes")
    } else if error.info().contains("unexpected character") {
        (line, "a text that starts with @, ` or % must be in quotes")
    } else if error.info().contains("quoted scalar") {
        (line, "a quote that opens here is not closed, or its text is indented less than its key")
    } else if error.info().contains("flow") {
        (line, "a [ or { is not closed, or a comma is missing")
    } else {
        (
            line,
            "look for a missing colon or space after it, or wrong indentation, here or just above",
        )
    };
    // This is the only text of the parser that quotes the file.
    let info = match error.info() {
        quoted if quoted.starts_with("unexpected character") => "unexpected character",
        info => info,
    };
    report.problem(Location::line(line), None, format!("not valid YAML: {info}"), help);
}

/// `{a: ${B}}` or `[${B}]`, where YAML takes the braces of the variable for its own.
fn unquoted_variable(line: &str) -> bool {
    let Some(variable) = line.find("${") else { return false };
    let before = line.get(..variable).expect("`find` gave this position");
    before.contains(['{', '[']) && !before.ends_with(['"', '\''])
}

/// Reports a root that is not a mapping.
pub fn not_a_mapping(root: &Value, report: &mut DiagnosticSink) {
    let found = redact::found(root);
    report.problem(
        Location::line(root.at.line as usize),
        None,
        format!("expected keys and values, such as nodeId: alice, found {found}"),
        "a colon and a space stand between a key and its value",
    );
}
