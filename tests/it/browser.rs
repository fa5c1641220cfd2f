//! The page in a browser: a real network from `up`, real packets, and what a reader sees and does.
//!
//! This file runs the scenarios of `tests/browser` with Node.js and Debian's Chromium; the variable `CHROMIUM` names
//! another one. Pictures of all views are in `target/pictures` afterwards. `BLESS=1` makes the picture of the README
//! again.

use std::path::Path;
use std::process::Command;

use crate::interop;
use crate::support::{PROGRAM, combined_output, print_line, run, skip, text};

const DEBIANS: &str = "/usr/bin/chromium";

#[test]
fn the_page_shows_packets_and_why_they_fail() {
    let browser = std::env::var("CHROMIUM").unwrap_or_else(|_| DEBIANS.to_owned());
    if !Path::new(&browser).exists() {
        return skip("the browser suite", &format!("there is no {browser} (Debian's `chromium`)"));
    }
    let folder = match interop::browser_packages() {
        Ok(folder) => folder,
        Err(why) => return skip("the browser suite", &why),
    };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut node = Command::new("node");
    // One file after the other: a browser and a network are enough for a small machine. The time limit is that of a
    // whole file, and only ends what hangs: each wait has a deadline of its own.
    node.args(["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-timeout=900000"])
        .env("ILP_CONNECTOR_BIN", PROGRAM)
        .env("CHROMIUM", browser)
        .env("PICTURES", repository.join("target/pictures"))
        .current_dir(&folder);
    if std::env::var_os("BLESS").is_some() {
        node.env("PICTURE_OF_README", repository.join("docs/images/page.webp"));
    }
    let output = run(&mut node);
    assert!(output.status.success(), "{}", combined_output(&output));
    let printed = text(&output.stdout);
    let times = printed.lines().filter(|line| line.contains("after the kill"));
    times.for_each(|line| print_line(&format!("browser: a killed node is {}", line.trim())));
}
