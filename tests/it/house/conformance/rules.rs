//! Rules cited where the source implements them: `RFC 27 "Prepare": one sentence. [row 17]`.
//!
//! A citation is a sentence of a comment that begins with RFCs and their headings, or ends with rows of the checklist,
//! or both. A rule from elsewhere (CCP, other implementations, our own decisions) has rows only.

use std::path::Path;

use super::super::source::{files_below, sources};
use super::super::{read, repository};
use super::named::{module_of, rows_of};

/// A rule and the place that implements it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// RFCs with a heading each.
    pub(super) sources: Vec<(u16, String)>,
    pub(super) sentence: String,
    pub(super) rows: Vec<u16>,
    /// The path from the root of the repository.
    pub(super) file: String,
    /// `routing::table::find`, or the module alone if the rule is about the whole file.
    pub(super) place: String,
}

impl Rule {
    /// The cited headings that the RFCs do not have. A citation may shorten a heading: "Prepare" for "ILP Prepare".
    pub(super) fn unknown_headings(&self, known: &[(u16, String)]) -> Vec<String> {
        let letters = |text: &str| text.replace(|c: char| !c.is_alphanumeric(), "").to_lowercase();
        let is_known = |(rfc, heading): &&(u16, String)| {
            let heading = letters(heading);
            known.iter().any(|(number, known)| number == rfc && letters(known).contains(&heading))
        };
        let unknown = self.sources.iter().filter(|source| !is_known(source));
        let message = |(rfc, heading): &(u16, String)| {
            let file = &self.file;
            format!("{file}: RFC {rfc} has no {heading:?} in tests/vectors/rfc_headings.txt")
        };
        unknown.map(message).collect()
    }
}

/// All rules that the program cites, file by file. Comments of tests are not read.
pub(super) fn rules() -> Vec<Rule> {
    let src = sources().into_iter().map(|source| repository().join("src").join(source.path));
    let crates = files_below(&repository().join("crates"), "rs").into_iter();
    let files = src.chain(crates.filter(|file| !file.ends_with("tests.rs")));
    files.flat_map(|file| rules_of(&relative(&file), &read(&file))).collect()
}

/// Number and heading on each line of the list.
pub(super) fn headings() -> Vec<(u16, String)> {
    let text = read(&repository().join("tests/vectors/rfc_headings.txt"));
    let headings = text.lines().map(|line| {
        let (number, heading) = line.split_once(' ').unwrap_or_default();
        (number.parse().unwrap_or_else(|_| panic!("no number: {line}")), heading.to_owned())
    });
    headings.collect()
}

fn relative(file: &Path) -> String {
    file.strip_prefix(repository()).unwrap_or(file).display().to_string()
}

/// The rules of one file, up to its tests.
fn rules_of(file: &str, text: &str) -> Vec<Rule> {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines: Vec<&str> = code.lines().collect();
    let mut rules = Vec::new();
    let mut next = 0;
    while next < lines.len() {
        let first = next;
        let Some((mark, _)) = comment(lines[first]) else {
            next += 1;
            continue;
        };
        let mut paragraph = String::new();
        while let Some((_, words)) =
            lines.get(next).and_then(|line| comment(line)).filter(|(other, _)| *other == mark)
        {
            next += 1;
            paragraph.push_str(words);
            paragraph.push(' ');
            if words.is_empty() {
                break;
            }
        }
        let place = || {
            let item = if mark == "//!" { None } else { item(&lines, first, next) };
            let module = module_of(&file.replace("crates/oer-codec/src", "src/oer_codec"));
            let module = module.trim_end_matches("::lib").to_owned();
            item.map_or(module.clone(), |item| format!("{module}::{item}"))
        };
        for sentence in sentences(&paragraph) {
            if let Some((sources, words, rows)) = citation(&sentence) {
                let (sentence, file) = (words.to_owned(), file.to_owned());
                rules.push(Rule { sources, sentence, rows, file, place: place() });
            }
        }
    }
    rules
}

/// The mark and the text of a comment line.
fn comment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let mark = ["//!", "///", "//"].into_iter().find(|mark| line.starts_with(mark))?;
    Some((mark, line[mark.len()..].trim()))
}

/// The item that these comment lines document, or that contains them.
fn item<'a>(lines: &[&'a str], first: usize, next: usize) -> Option<&'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_code = |line: &&&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("//") && !line.starts_with("#[")
    };
    let below = lines[next..].iter().find(is_code)?;
    let depth = indent(lines[first]);
    let mut above = lines[..first].iter().rev().filter(|line| !line.trim().is_empty());
    declared(below)
        .or_else(|| above.find_map(|line| declared(line).filter(|_| indent(line) < depth)))
}

/// The name that a line declares as a function, type, module or constant.
fn declared(line: &str) -> Option<&str> {
    let is_end = |c: char| !c.is_alphanumeric() && c != '_';
    let mut words = line.split(|c: char| c.is_whitespace() || c == '(' || c == '<');
    let kinds = ["fn", "struct", "enum", "trait", "type", "mod", "const", "static", "macro_rules!"];
    let qualifiers = ["pub", "crate)", "super)", "async", "unsafe", ""];
    let kind = words.find(|word| !qualifiers.contains(word))?;
    let name = words.find(|word| !["fn", "unsafe", ""].contains(word))?;
    let name = name.split(is_end).next().filter(|name| !name.is_empty())?;
    kinds.contains(&kind).then_some(name)
}

/// The sentences of a paragraph, each with the rows in brackets that follow it.
fn sentences(paragraph: &str) -> Vec<String> {
    let mut sentences = vec![String::new()];
    let (mut is_quoted, mut is_end) = (false, false);
    for word in paragraph.split_whitespace() {
        if is_end && !word.starts_with("[row") {
            sentences.push(String::new());
        }
        let is_in_rows = word.starts_with("[row")
            || sentences.last().is_some_and(|last| last.rfind("[row") > last.rfind(']'));
        is_quoted ^= word.matches('"').count() % 2 == 1;
        is_end = !is_quoted && (word.ends_with('.') || is_in_rows && word.contains(']'));
        if let Some(last) = sentences.last_mut() {
            last.push_str(word);
            last.push(' ');
        }
    }
    sentences
}

type Citation<'a> = (Vec<(u16, String)>, &'a str, Vec<u16>);

/// The RFCs, rule and rows of a sentence with RFCs or rows.
fn citation(sentence: &str) -> Option<Citation<'_>> {
    let (words, rows) =
        sentence.split_once("[row").map_or((sentence, Vec::new()), |(words, rest)| {
            let rows = rest.split(']').next().unwrap_or_default();
            (words, rows_of(&format!("row {}", rows.trim_start_matches('s'))))
        });
    let begin = words.find("RFC ");
    let (sources, rule) =
        begin.and_then(|begin| sources_of(&words[begin..])).unwrap_or((Vec::new(), words));
    let is_citation = !sources.is_empty() || sentence.contains("[row");
    is_citation.then(|| (sources, rule.trim().trim_end_matches('.'), rows))
}

/// The RFCs and headings of `RFC 27 "Flow", "Error Codes", RFC 34 "Links": a rule`, and the rule.
fn sources_of(text: &str) -> Option<(Vec<(u16, String)>, &str)> {
    let mut sources = Vec::new();
    let (mut rest, mut rfc) = (text, 0);
    loop {
        rest = rest.trim_start_matches([',', ' ']).trim_start_matches("and ");
        if let Some(number) = rest.strip_prefix("RFC ") {
            let (digits, after) = number.split_once(' ')?;
            (rfc, rest) = (digits.parse().ok()?, after);
        }
        let (heading, after) = rest.strip_prefix('"')?.split_once('"')?;
        sources.push((rfc, heading.to_owned()));
        match after.strip_prefix(':') {
            Some(rule) => return Some((sources, rule)),
            None => rest = after,
        }
    }
}

#[test]
fn citations_are_read_with_their_places() {
    let text = "\
//! A file. Every length is short. [row 2]

/// One table. RFC 15 \"Routing\", RFC 34 \"Routing\": the longest prefix wins. [rows 25, 26] More.
pub(crate) const fn find(&self) {
    // No citation of RFC 27 \"Flow\".
    if true {
        // RFC 29 \"5.3.8. StreamMoney Frame\": it closes.
        return;
    }
}
#[cfg(test)]
mod tests {
// A test. [row 3]
";
    let rules = rules_of("src/routing/table.rs", text);
    let found: Vec<_> = rules
        .iter()
        .map(|rule| (rule.place.as_str(), rule.sentence.as_str(), rule.rows.as_slice()))
        .collect();
    let expected: [(_, _, &[u16]); 3] = [
        ("routing::table", "Every length is short", &[2]),
        ("routing::table::find", "the longest prefix wins", &[25, 26]),
        ("routing::table::find", "it closes", &[]),
    ];
    assert_eq!(found, expected);
    let routing = |rfc| (rfc, "Routing".to_owned());
    assert_eq!(rules[1].sources, [routing(15), routing(34)]);
    assert_eq!(rules[1].unknown_headings(&[routing(15)]).len(), 1, "RFC 34 is not in the list");
    let heading = |text: &str| [(29, text.to_owned())];
    assert!(rules[2].unknown_headings(&heading("5.3.8. `StreamMoney` Frame")).is_empty());
}
