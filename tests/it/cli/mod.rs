//! Every command as a user runs it: the built program, its output, its exit code.

mod network;
mod offline;
mod pay;
mod trace;

use std::process::{Command, Output};

use crate::support::{PROGRAM, run};

/// Runs a command to its end, without an environment, in the repository.
fn command(arguments: &[&str]) -> Output {
    run(Command::new(PROGRAM).args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR")))
}
