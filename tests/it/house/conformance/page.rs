//! The page itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Judged;
use super::named::Test;
use super::outcome::Run;

/// The result of a row whose tests no run has been seen of.
pub(super) const NOT_RUN: &str = "not run";
const NOT_BUILT: &str = "not built";

const INTRODUCTION: &str = "\
# Conformance

What the Interledger RFCs, and the implementations in use, require of a connector; which tests check it; and their
results. The rows are data (`tests/vectors/checklist.json`), the tests name theirs (`..._rows_52_54_55_60`), and this page
is generated from both. A row without a test or a reason fails the build. So does a test that names an unknown row, and
a page that differs from the run of all tests.

The tests are black-box tests: a running node, and scripted peers or other implementations on real sockets. Those named
`...::tests::...` are unit tests.

*Strength* is MUST, SHOULD or MUST NOT as in the source, in lower case if the source has it so; *C* is a choice where texts are
silent or disagree. RFCs are those of [interledger/rfcs](https://github.com/interledger/rfcs); JS, rs and Java stand for the behaviour of
interledgerjs, interledger-rs and the Java connector.

To refresh the results, run the tests with nothing skipped, and generate the page from their output:

<!-- not tested: this runs all other tests -->
```sh
CI=true cargo test --workspace --locked --no-fail-fast > target/tests.txt
CONFORMANCE_RUN=target/tests.txt BLESS=1 cargo test --locked --test it house::conformance
```
";

/// The page for these rows. What no run tells is taken from the page as it was.
pub(super) fn render(
    sections: &[(String, Vec<Judged>)],
    run: Option<&Run>,
    before: &str,
) -> String {
    let before = results_of(before);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tables = String::new();
    for (name, rows) in sections {
        let _ = write!(
            tables,
            "\n## {name}\n\n| # | requirement | source | strength | tests | result |\n|---|---|---|---|---|---|\n"
        );
        for Judged { row, tests } in rows {
            let cell = cell(tests);
            let result = match (&row.not_built, run) {
                (Some(_), _) => NOT_BUILT,
                (None, Some(run)) => run.result(tests),
                (None, None) => {
                    let known = before.get(&row.row).filter(|(tests, _)| *tests == cell);
                    known.map_or(NOT_RUN, |(_, result)| result)
                }
            };
            *counts.entry(result).or_default() += 1;
            let requirement = match (&row.otherwise, &row.not_built) {
                (Some(why), _) => format!("{}. **Otherwise:** {why}", row.requirement),
                (None, Some(why)) => format!("{}. **Not built:** {why}", row.requirement),
                (None, None) => row.requirement.clone(),
            };
            let _ = writeln!(
                tables,
                "| {} | {requirement} | {} | {} | {cell} | {result} |",
                row.row, row.source, row.strength
            );
        }
    }
    let total: usize = counts.values().sum();
    let counts: Vec<_> = counts.iter().map(|(result, count)| format!("{count} {result}")).collect();
    format!("{INTRODUCTION}\nOf {total} rows: {}.\n{tables}", counts.join(", "))
}

fn cell(tests: &[Test]) -> String {
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
