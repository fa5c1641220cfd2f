//! What docs/RELIABILITY.md says about mutants: survivors that are accepted exist, and have a reason; the score is that
//! of `tests/mutants/score.txt`, which `tests/mutants/run.py` writes.

use std::collections::{BTreeMap, BTreeSet};

use super::source::sources;
use super::{read, repository};

const LIST: &str = "### Accepted survivors";

/// Words of a reason, at least: `equivalent` alone says nothing.
const REASON_WORDS_MIN: usize = 5;

/// One item of the list: a file below `src`, what survives in it with its number, and the reason.
struct Item {
    file: String,
    mutants: Vec<(String, u64)>,
    reason: String,
}

/// `` `file`: `mutant`, `mutant` (2 times): the reason `` with any line breaks.
fn item(text: &str) -> Option<Item> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (file, mut rest) = text.strip_prefix('`')?.split_once("`: `")?;
    let mut mutants = Vec::new();
    loop {
        let (mutant, after) = rest.split_once('`')?;
        let (times, after) = match after.strip_prefix(" (") {
            Some(number) => {
                let (number, after) = number.split_once(" times)")?;
                (number.parse().ok()?, after)
            }
            None => (1, after),
        };
        mutants.push((mutant.to_owned(), times));
        match after.strip_prefix(", `") {
            Some(next) => rest = next,
            None => {
                let (file, reason) = (file.to_owned(), after.strip_prefix(": ")?.to_owned());
                return Some(Item { file, mutants, reason });
            }
        }
    }
}

fn items(page: &str) -> Vec<Item> {
    let (_, list) = page.split_once(LIST).unwrap_or_else(|| panic!("no {LIST}"));
    let list = list.split("\n#").next().unwrap_or_default();
    let items = list.split("\n- ").skip(1).map(|text| {
        let text = text.split("\n\n").next().unwrap_or_default();
        item(text).unwrap_or_else(|| panic!("this is no file, mutants and a reason: {text}"))
    });
    items.collect()
}

/// The function that a mutant changes, by its own name: `replace a::F::of -> bool with true`, or `... in a::F::of`.
fn function(mutant: &str) -> Option<&str> {
    let path = match mutant.rsplit_once(" in ") {
        Some((_, path)) => path,
        None => {
            let after = mutant.strip_prefix("replace ")?;
            let end = [" -> ", " with "].iter().filter_map(|end| after.find(end)).min()?;
            after.get(..end)?
        }
    };
    path.rsplit("::").next()
}

/// Each file of the score with its five numbers; `None` if its mutants were not tested yet.
fn score() -> BTreeMap<String, Option<[u64; 5]>> {
    let text = read(&repository().join("tests/mutants/score.txt"));
    let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [blob, file, numbers @ ..] = words.as_slice() else { panic!("no row: {line}") };
        let is_tested = numbers != ["untested"];
        let is_blob = blob.len() == 40 && blob.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_blob || !is_tested && *blob == "-", "no contents of a file: {line}");
        let numbers: Vec<u64> = numbers.iter().filter_map(|number| number.parse().ok()).collect();
        let numbers: Option<[u64; 5]> = numbers.try_into().ok();
        assert_eq!(numbers.is_some(), is_tested, "no five numbers: {line}");
        ((*file).to_owned(), numbers)
    });
    rows.collect()
}

#[test]
fn accepted_mutants_are_of_functions_that_exist_and_have_a_reason() {
    let page = read(&repository().join("docs/RELIABILITY.md"));
    let sources = sources();
    for Item { file, mutants, reason } in items(&page) {
        let source = sources.iter().find(|source| source.path.to_str() == Some(file.as_str()));
        let source = source.unwrap_or_else(|| panic!("RELIABILITY.md names {file}"));
        let is_short = reason.split(' ').count() < REASON_WORDS_MIN;
        assert!(!is_short, "{file}: say why no test should fail: {reason}");
        for (mutant, _) in mutants {
            let name = function(&mutant).unwrap_or_else(|| panic!("{file}: no function: {mutant}"));
            let declared = [format!("fn {name}("), format!("fn {name}<")];
            let is_there = declared.iter().any(|declared| source.code.contains(declared));
            assert!(is_there, "{file} has no function {name}: {mutant}");
        }
    }
}

#[test]
fn the_score_is_that_of_the_last_runs() {
    let page = read(&repository().join("docs/RELIABILITY.md"));
    let score = score();
    let mut accepted: BTreeMap<String, u64> = BTreeMap::new();
    for Item { file, mutants, .. } in items(&page) {
        let times: u64 = mutants.iter().map(|(_, times)| times).sum();
        *accepted.entry(format!("src/{file}")).or_default() += times;
    }
    for (file, numbers) in &score {
        let listed = accepted.remove(file).unwrap_or(0);
        let &[mutants, caught, timeouts, unviable, survivors] =
            numbers.as_ref().unwrap_or(&[0, 0, 0, 0, listed]);
        assert_eq!(survivors, listed, "{file}: RELIABILITY.md lists other survivors");
        let is_sum = numbers.is_none() || mutants == caught + timeouts + unviable + survivors;
        assert!(is_sum, "{file}: the numbers do not add up");
    }
    assert!(accepted.is_empty(), "files without a score: {accepted:?}");

    let rooms: BTreeSet<&str> = score.keys().filter_map(|file| file.split('/').nth(1)).collect();
    for room in rooms {
        let prefix = format!("src/{room}/");
        let of_room = score.iter().filter(|(file, _)| file.starts_with(&prefix));
        let all: Vec<&Option<[u64; 5]>> = of_room.map(|(_, row)| row).collect();
        let tested: Vec<&[u64; 5]> = all.iter().filter_map(|row| row.as_ref()).collect();
        let sums = [0, 1, 2, 3, 4].map(|column: usize| -> String {
            tested.iter().filter_map(|row| row.get(column)).sum::<u64>().to_string()
        });
        let row =
            format!("\n| `{room}` | {} of {} | {} |\n", tested.len(), all.len(), sums.join(" | "));
        assert!(page.contains(&row), "RELIABILITY.md lacks this row:{row}");
    }
}

#[test]
fn items_and_functions_are_read() {
    let read =
        item("`a/b.rs`: `replace > with >= in\n  F::of`, `delete ! in g` (2 times): why `x`.");
    let read = read.map(|item| (item.file, item.mutants, item.reason));
    let mutants =
        vec![("replace > with >= in F::of".to_owned(), 1), ("delete ! in g".to_owned(), 2)];
    assert_eq!(read, Some(("a/b.rs".to_owned(), mutants, "why `x`.".to_owned())));
    assert!(item("`a/b.rs`: no mutant.").is_none());
    for (mutant, name) in [
        (
            "replace <impl FromStr for Rate>::from_str -> Result<Self, E> with Ok(Default::default())",
            "from_str",
        ),
        ("replace Ledger::book with ()", "book"),
        ("replace match guard a > 0 with true in Conversion::convert", "convert"),
    ] {
        assert_eq!(function(mutant), Some(name));
    }
}
