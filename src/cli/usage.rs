//! What clap's errors do not say.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::CommandLine;

/// The error with a tip, if a command got a file as it is that has a flag for it. Many commands take files as they are;
/// one with an argument of its own cannot.
pub(super) fn with_tip(mut error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let file = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) if error.kind() == ErrorKind::UnknownArgument => text,
        _ => return error,
    };
    let path = Path::new(file);
    let is_file = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    if !is_file || !takes_config(arguments) {
        return error;
    }
    let tip = StyledStr::from(format!("a file follows its flag: --config {file}"));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    error
}

/// Whether the command of these arguments has the flag `--config`.
fn takes_config(arguments: &[OsString]) -> bool {
    let line = CommandLine::command();
    let names = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let command =
        names.fold(&line, |command, name| command.find_subcommand(name).unwrap_or(command));
    command.get_arguments().any(|argument| argument.get_long() == Some("config"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_file_without_its_flag_gets_a_tip() {
        for (line, tip) in [
            ("suspend a --node b net.yaml", true),
            ("resume a net.yml", true),
            ("log-level debug net.yaml", true),
            ("ledger adjust a 5 net.yaml --reason r", true),
            ("routes net.yaml", false),
            ("schema node net.yaml", false),
            ("suspend a b", false),
            ("suspend a --nod net.yaml", false),
            ("suspend a --config", false),
        ] {
            let words = ["ilp-connector"].into_iter().chain(line.split(' '));
            let arguments: Vec<OsString> = words.map(OsString::from).collect();
            let Err(error) = CommandLine::try_parse_from(&arguments) else {
                assert!(!tip, "{line}");
                continue;
            };
            let text = with_tip(error, &arguments).to_string();
            assert_eq!(
                text.contains("tip: a file follows its flag: --config net.y"),
                tip,
                "{text}"
            );
        }
    }
}
