//! What a release consists of: the archive, and the workflow that builds and publishes all of it.

use std::process::Command;

use crate::process::temp_folder;
use crate::support::{PROGRAM, run_successfully, skip};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// The schema of workflows, and a linter that also looks for what an attacker could use.
#[test]
fn linters_accept_the_workflow() {
    let linters: [&[&str]; 2] = [
        &["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        &["zizmor", "--offline", "--no-progress", "--persona", "auditor"],
    ];
    for linter in linters {
        if Command::new(linter[0]).arg("--version").output().is_err() {
            return skip("the workflow", &format!("{} is not installed", linter[0]));
        }
        let mut command = Command::new(linter[0]);
        command.args(&linter[1..]).arg(".github/workflows/release.yml").current_dir(REPOSITORY);
        run_successfully(&mut command);
    }
}

/// The form of issues, and that it asks for the archive of `report`.
#[test]
fn the_form_of_issues_is_one_and_asks_for_a_report() {
    let form = format!("{REPOSITORY}/.github/ISSUE_TEMPLATE/bug.yml");
    let text = std::fs::read_to_string(&form).unwrap();
    assert!(text.contains("ilp-connector report FILE"), "{text}");
    if Command::new("check-jsonschema").arg("--version").output().is_err() {
        return skip("the form of issues", "check-jsonschema is not installed");
    }
    let schema = ["--builtin-schema", "vendor.github-issue-forms"];
    run_successfully(Command::new("check-jsonschema").args(schema).arg(form));
}

#[test]
fn the_archive_has_a_program_that_runs_its_manual_and_completions() {
    if Command::new("dpkg-shlibdeps").arg("--version").output().is_err() {
        return skip("the archive", "dpkg-dev is not installed");
    }
    let folder = temp_folder();
    let script = format!("{REPOSITORY}/packaging/release/build.sh");
    let printed = run_successfully(Command::new(script).arg(folder.path()).arg(PROGRAM));
    let files: Vec<&str> = printed.lines().collect();
    let [archive, package] = files[..] else { panic!("{printed}") };
    assert!(archive.ends_with("-linux.tar.gz") && package.ends_with(".deb"), "{printed}");
    let listed = run_successfully(Command::new("tar").args(["--list", "--file", archive]));
    let top = listed.lines().next().unwrap().trim_end_matches('/').to_owned();
    for file in [
        "ilp-connector",
        "man/ilp-connector-up.1",
        "completions/ilp-connector.bash",
        "examples/linear-3.yaml",
        "LICENSE",
    ] {
        assert!(listed.lines().any(|line| line == format!("{top}/{file}")), "{file}: {listed}");
    }
    assert!(!listed.contains("node_modules") && !listed.contains("/books/"), "{listed}");
    let extract = ["--extract", "--file", archive, "--directory"];
    run_successfully(Command::new("tar").args(extract).arg(folder.path()));
    let extracted = folder.path().join(top);
    let mut check = Command::new(extracted.join("ilp-connector"));
    check.args(["check", "examples/linear-3.yaml"]).current_dir(&extracted);
    assert!(run_successfully(&mut check).contains("ok, a network of 3 nodes"));
}
