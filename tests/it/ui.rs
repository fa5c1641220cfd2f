//! The modules of the page without a browser: `tests/ui` runs with Node.js, and TypeScript checks the types.

use std::process::Command;

use crate::interop::ui_packages;
use crate::support::{combined_output, run, skip};

#[test]
fn the_modules_of_the_page_pass_their_tests() {
    let folder = match ui_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the tests of the page's modules", &why),
    };
    let output = run(Command::new("node")
        .args(["--test", "--test-reporter=spec", "--test-timeout=120000"])
        .current_dir(&folder));
    assert!(output.status.success(), "{}", combined_output(&output));
}
