//! Failures of commands, and their exit codes.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use super::exit_status::ExitStatus;
use crate::client::{AttemptFailure, ClientError};
use crate::config::{Diagnostics, MASK};
use crate::net::error_chain;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line, or what it names, is wrong: exit code 64.
    #[error("{0}")]
    Usage(String),
    /// The configuration has mistakes: exit code 64.
    #[error(transparent)]
    Configuration(#[from] Diagnostics),
    /// The command failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// The command failed and has reported it already: exit code 1.
    #[error("failed")]
    Reported,
    /// Wrong usage or configuration, reported already: exit code 64.
    #[error("wrong usage or configuration")]
    ReportedUsage,
    /// The output cannot be written: exit code 1, or 0 if the reader closed the pipe, as `| head` does.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// `Ok` on success, else a failure that the command has reported already.
pub fn exit_result(is_success: bool) -> Result<(), Failure> {
    if is_success { Ok(()) } else { Err(Failure::Reported) }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let help = match &error {
            ClientError::Tls(error) => return Self::Usage(error_chain(error)),
            ClientError::Login { failure: Some(AttemptFailure::Refused), .. } => {
                "; user or token differ from those of the node's account"
            }
            ClientError::Login { failure: Some(AttemptFailure::Unreachable), .. } => {
                "; is the node running? (`up` prints a note if it took another port)"
            }
            _ => "",
        };
        Self::Failed(format!("{error}{help}"))
    }
}

impl Failure {
    /// Writes one `error: ` line for each mistake, and returns the exit code.
    pub fn report(&self, to: &mut dyn Write) -> ExitCode {
        let status = self.status();
        let text = match self {
            Self::Usage(text) | Self::Failed(text) => text.clone(),
            Self::Configuration(problems) => problems.to_string(),
            Self::Output(_) if status == ExitStatus::Failure => error_chain(self),
            Self::Reported | Self::ReportedUsage | Self::Output(_) => String::new(),
        };
        for line in text.lines() {
            // Fails only if stderr is closed; then there is nowhere to report it.
            let _ = writeln!(to, "error: {line}");
        }
        ExitCode::from(status.code())
    }

    fn status(&self) -> ExitStatus {
        match self {
            Self::Usage(_) | Self::Configuration(_) | Self::ReportedUsage => ExitStatus::Usage,
            Self::Failed(_) | Self::Reported => ExitStatus::Failure,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitStatus::Success,
            Self::Output(_) => ExitStatus::Failure,
        }
    }
}

/// Prints help, the version, or a usage error of clap, and returns the exit code. clap quotes arguments that it does
/// not understand; those that may be secrets are masked.
pub fn report_clap_error(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // It fails only if the reader closed the pipe.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let secrets = possible_secrets(arguments);
    if secrets.is_empty() {
        let _ = error.print();
    } else {
        let mut text = error.render().to_string();
        for secret in secrets {
            text = text.replace(&secret, MASK);
        }
        let _ = write!(io::stderr(), "{text}");
    }
    ExitCode::from(ExitStatus::Usage.code())
}

/// Arguments that may contain a secret: values of flags whose name suggests one, texts with a user part, and long texts
/// that look random. The longest come first, so that masking a short one cannot leave parts of a long one.
fn possible_secrets(arguments: &[OsString]) -> Vec<String> {
    const LONG: usize = 32;
    let looks_random = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | '_' | '-');
        text.len() >= LONG && text.chars().all(plain) && !text.starts_with("--")
    };
    let suggests_secret = |flag: &str| {
        let flag = flag.to_ascii_lowercase();
        flag.starts_with('-')
            && ["via", "vai", "sec", "tok", "pass", "auth", "key", "cred"]
                .iter()
                .any(|word| flag.contains(word))
    };
    let mut secrets = Vec::new();
    let mut previous = "";
    let texts: Vec<_> = arguments.iter().skip(1).map(|text| text.to_string_lossy()).collect();
    for text in &texts {
        let (flag, value) = match text.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, value),
            _ => (previous, &**text),
        };
        let is_flag = value.starts_with("--") && !value.contains('@');
        if !is_flag
            && !value.is_empty()
            && (suggests_secret(flag) || value.contains('@') || looks_random(value))
        {
            secrets.push(value.to_owned());
        }
        previous = text;
    }
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_may_be_secrets() {
        let check = |line: &str, expected: &[&str]| {
            let arguments: Vec<OsString> = line.split(' ').map(Into::into).collect();
            assert_eq!(possible_secrets(&arguments), expected, "{line}");
        };
        check("x ping test.a --count 3 --config a.yaml", &[]);
        check("x ping --via btp+ws://u:hunter2@h test.a", &["btp+ws://u:hunter2@h"]);
        check("x ping --via=btp+ws://u:hunter2@h", &["btp+ws://u:hunter2@h"]);
        check("x ping --vai hunter2 test.a", &["hunter2"]);
        check("x ping btp+ws://u:hunter2@h", &["btp+ws://u:hunter2@h"]);
        check("x ping --btp+ws://u:hunter2@h", &["--btp+ws://u:hunter2@h"]);
        check("x pay test.a.b 5 --secert hunter2 --json", &["hunter2"]);
        check(
            "x pay test.a.b 5 0123456789abcdef0123456789abcdef",
            &["0123456789abcdef0123456789abcdef"],
        );
    }

    #[test]
    fn every_failure_has_its_code_and_its_line() {
        fn check(failure: &Failure, text: &str, code: u8) {
            let mut reported_lines = Vec::new();
            let reported = failure.report(&mut reported_lines);
            assert_eq!(String::from_utf8(reported_lines).unwrap(), text);
            assert_eq!(format!("{reported:?}"), format!("{:?}", ExitCode::from(code)));
        }
        check(&Failure::Usage("no".into()), "error: no\n", 64);
        check(&Failure::Failed("a\nb".into()), "error: a\nerror: b\n", 1);
        check(&Failure::Reported, "", 1);
        check(&Failure::ReportedUsage, "", 64);
        check(&Failure::Output(io::ErrorKind::BrokenPipe.into()), "", 0);
        let full = Failure::Output(io::ErrorKind::StorageFull.into());
        check(&full, "error: cannot write the output: no storage space\n", 1);
    }
}
