//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ilp_connector::cli::main(std::env::args_os())
}
