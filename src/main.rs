//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    ilp_connector::main(std::env::args_os())
}
