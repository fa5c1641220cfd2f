//! The soak of real processes (`tests/soak`): its judgements notice what must not be, and docs/RELIABILITY.md names
//! each kind of fault. `.ci/run` runs the soak itself.

use std::collections::BTreeSet;
use std::process::Command;

use super::{read, repository};
use crate::support::{combined_output, run, run_successfully, skip};

/// The program, or nothing if there is no Python; then the test is skipped.
fn python(test: &str, script: &str) -> Option<Command> {
    if Command::new("python3").arg("--version").output().is_err() {
        skip(test, "python3 is not installed");
        return None;
    }
    let mut command = Command::new("python3");
    // No compiled files beside the sources.
    command.arg("-B").arg(repository().join("tests/soak").join(script));
    Some(command)
}

#[test]
fn a_soak_notices_what_must_not_be() {
    let Some(mut tests) = python("the tests of the soak", "checks_test.py") else { return };
    let output = run(&mut tests);
    assert!(output.status.success(), "{}", combined_output(&output));
}

#[test]
fn the_page_names_each_kind_of_fault_of_a_soak() {
    let name = "the kinds of faults of the soak";
    let Some(mut plan) = python(name, "run.py") else { return };
    let printed = run_successfully(plan.args(["--plan", "--minutes", "30", "--seed", "1"]));
    // `   12.0 s  full disk  a     2.0 s`
    let lines = printed.lines().filter_map(|line| line.split_once(" s  "));
    let planned: BTreeSet<&str> =
        lines.filter_map(|(_, fault)| fault.split("  ").next()).map(str::trim).collect();
    let page = read(&repository().join("docs/RELIABILITY.md"));
    let (_, section) = page.split_once("\n## A soak of real processes").expect("the section");
    let rows = section.lines().skip_while(|line| !line.starts_with("| fault |")).skip(2);
    let named: BTreeSet<&str> = rows
        .take_while(|line| line.starts_with('|'))
        .filter_map(|row| row.split('`').nth(1))
        .collect();
    assert!(planned.len() > 10, "{printed}");
    assert_eq!(named, planned);
}
