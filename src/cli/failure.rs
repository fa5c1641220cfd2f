//! Why a command ends without success, and the exit code that says so.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::Problems;

/// Wrong usage or configuration: `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

/// Why a command ends without success.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command line, or what it names, makes no sense: exit code 64.
    #[error("{0}")]
    Usage(String),
    /// The configuration has mistakes: exit code 64.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// It did not work: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It did not work, and the command has said all there is to say: exit code 1.
    #[error("failed")]
    Told,
    /// The same for wrong usage or configuration: exit code 64.
    #[error("wrong usage or configuration")]
    ToldUsage,
    /// The output cannot be written. A reader that went away (`| head`) is no error.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Tells standard error, one `error: ` line for each mistake, and the exit code.
    pub(super) fn report(&self, to: &mut dyn Write) -> ExitCode {
        let (text, code) = match self {
            Failure::Usage(text) => (text.clone(), USAGE),
            Failure::Configuration(problems) => (problems.to_string(), USAGE),
            Failure::Failed(text) => (text.clone(), 1),
            Failure::Told => return ExitCode::FAILURE,
            Failure::ToldUsage => return ExitCode::from(USAGE),
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Failure::Output(_) => (self.to_string(), 1),
        };
        for line in text.lines() {
            // Nobody is left to tell if this fails.
            let _ = writeln!(to, "error: {line}");
        }
        ExitCode::from(code)
    }
}

/// What clap says of the command line: help and version are no failure, everything else is wrong usage.
pub(super) fn of_clap(error: &clap::Error) -> ExitCode {
    // It fails only if the reader went away.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_code_and_its_line() {
        fn check(failure: &Failure, text: &str, code: u8) {
            let mut told = Vec::new();
            let reported = failure.report(&mut told);
            assert_eq!(String::from_utf8(told).unwrap(), text);
            assert_eq!(format!("{reported:?}"), format!("{:?}", ExitCode::from(code)));
        }
        check(&Failure::Usage("no".into()), "error: no\n", 64);
        check(&Failure::Failed("a\nb".into()), "error: a\nerror: b\n", 1);
        check(&Failure::Told, "", 1);
        check(&Failure::ToldUsage, "", 64);
        check(&Failure::Output(io::ErrorKind::BrokenPipe.into()), "", 0);
        let full = Failure::Output(io::ErrorKind::StorageFull.into());
        check(&full, "error: cannot write the output: no storage space\n", 1);
    }
}
