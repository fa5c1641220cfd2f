//! The page as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::RowReport;
use super::named::Test;
use super::outcome::Run;
use super::rules::Rule;

/// The result of a row whose tests have not run.
pub(super) const NOT_RUN: &str = "not run";
const NOT_BUILT: &str = "not built";

const INTRODUCTION: &str = "\
# Conformance

What the Interledger RFCs, and the implementations in use, require of a connector; where the program does it; which tests
cover it; and their results. The page is generated: requirements are data (`tests/vectors/checklist.json`), a comment cites
each rule at its place (`RFC 27 \"Error Codes\": ... [row 21]`), and names of tests end with rows
(`..._rows_52_54_55_60`). The build fails if a row lacks a place or a test without a reason, if a citation names a row, an
RFC or a heading that does not exist, or if this page is stale.

The tests are black-box tests: a running node, and scripted peers or other implementations on real sockets. Those named
`...::tests::...` are unit tests.

*Strength* is MUST, SHOULD or MUST NOT as in the source, in lower case if the source has it so; *C* is a choice where texts are
silent or disagree. RFCs are those of [interledger/rfcs](https://github.com/interledger/rfcs); JS, rs and Java stand for the behaviour of
interledgerjs, interledger-rs and the Java connector.

After a change of citations or names of tests, generate the page (results of unchanged tests stay):

<!-- not tested: this overwrites the page -->
```sh
BLESS=1 cargo test --locked --test it house::conformance
```

To refresh the results, run all tests with nothing skipped, and generate the page from their output:

<!-- not tested: this runs all other tests -->
```sh
CI=true cargo test --workspace --locked --no-fail-fast > target/tests.txt
CONFORMANCE_RUN=target/tests.txt BLESS=1 cargo test --locked --test it house::conformance
```
";

/// The page of these rows and rules. Without a run, results are those of the old page.
pub(super) fn render(
    sections: &[(String, Vec<RowReport>)],
    rules: &[Rule],
    run: Option<&Run>,
    before: &str,
) -> String {
    let before = results_of(before);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tables = String::new();
    for (name, reports) in sections {
        let _ = write!(
            tables,
            "\n## {name}\n\n| # | requirement | source | strength | rule and place | tests | result |\n|---|---|---|---|---|---|---|\n"
        );
        for RowReport { row, rules, tests } in reports {
            let tests_cell = links_to_tests(tests);
            let result = match (&row.not_built, run) {
                (Some(_), _) => NOT_BUILT,
                (None, Some(run)) => run.result(tests),
                (None, None) => {
                    let known = before.get(&row.row).filter(|(tests, _)| *tests == tests_cell);
                    known.map_or(NOT_RUN, |(_, result)| result)
                }
            };
            *counts.entry(result).or_default() += 1;
            let requirement = match (&row.otherwise, &row.not_built) {
                (Some(why), _) => format!("{}. **Otherwise:** {why}", row.requirement),
                (None, Some(why)) => format!("{}. **Not built:** {why}", row.requirement),
                (None, None) => row.requirement.clone(),
            };
            let places = match &row.no_place {
                Some(why) => format!("no single place: {why}"),
                None => rules.iter().map(cited_rule).collect::<Vec<_>>().join("<br>"),
            };
            let _ = writeln!(
                tables,
                "| {} | {requirement} | {} | {} | {places} | {tests_cell} | {result} |",
                row.row, row.source, row.strength
            );
        }
    }
    let total: usize = counts.values().sum();
    let counts: Vec<_> = counts.iter().map(|(result, count)| format!("{count} {result}")).collect();
    let others = other_rules(rules);
    format!("{INTRODUCTION}\nOf {total} rows: {}.\n{tables}{others}", counts.join(", "))
}

/// The rules of RFCs without a row, in the order of RFCs.
fn other_rules(rules: &[Rule]) -> String {
    let mut others: Vec<&Rule> = rules.iter().filter(|rule| rule.rows.is_empty()).collect();
    others.sort_by_key(|rule| rule.sources.first().map_or(0, |(rfc, _)| *rfc));
    let mut table = String::new();
    if !others.is_empty() {
        table.push_str("\n## Other rules\n\nRules that the program cites and no row is about.\n\n| source | rule and place |\n|---|---|\n");
    }
    for rule in others {
        let _ = writeln!(table, "| {} | {} |", sources(rule), rule_and_place(rule));
    }
    table
}

fn sources(rule: &Rule) -> String {
    let sources = rule.sources.iter().map(|(rfc, heading)| format!("RFC {rfc} {heading}"));
    sources.collect::<Vec<_>>().join(", ")
}

/// `RFC 27 Error Codes: the rule (place)`.
fn cited_rule(rule: &Rule) -> String {
    match rule.sources.is_empty() {
        true => rule_and_place(rule),
        false => format!("{}: {}", sources(rule), rule_and_place(rule)),
    }
}

fn rule_and_place(rule: &Rule) -> String {
    let Rule { sentence, place, file, .. } = rule;
    format!("{} ([`{place}`](../{file}))", sentence.replace('|', "\\|"))
}

fn links_to_tests(tests: &[Test]) -> String {
    let links = tests.iter().map(|test| format!("[`{}`](../{})", test.name, test.file));
    links.collect::<Vec<_>>().join("<br>")
}

/// Tests and result of each row of the page.
fn results_of(page: &str) -> BTreeMap<u16, (&str, &str)> {
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [number, .., tests, result] = cells.as_slice() else { return None };
        Some((number.parse().ok()?, (*tests, *result)))
    });
    rows.collect()
}

#[test]
fn a_result_stays_while_the_tests_stay() {
    let page =
        "| 1 | a | b | C | [`t`](../x) | passed |\n| x |\n| 2 | a | b | C |  | not built |\n";
    let results = results_of(page);
    assert_eq!(results.get(&1), Some(&("[`t`](../x)", "passed")));
    assert_eq!(results.len(), 2);
}
