//! `init`: writes a commented file to start from, with secrets of its own.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::args::{InitArguments, InitKind};
use crate::console::{Failure, shell_quote};

/// In a template: replaced by another secret each time.
const SECRET: &str = "{SECRET}";
const NODE: &str = include_str!("init/node.yaml");
const NETWORK: &str = include_str!("init/network.yaml");

pub(super) fn run(arguments: &InitArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let (name, template) = match arguments.kind {
        InitKind::Node => ("node.yaml", NODE),
        InitKind::Network => ("network.yaml", NETWORK),
    };
    let file = arguments.file.as_deref().unwrap_or(Path::new(name));
    let shown = shell_quote(&file.display().to_string());
    let text = draw_secrets(&template.replace("{FILE}", &shown));
    write_new(file, &text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Usage(format!(
            "{} exists, and is not replaced; name another file: ilp-connector init {} FILE",
            file.display(),
            arguments.kind.as_str()
        )),
        _ => Failure::Failed(format!("{}: {error}", file.display())),
    })?;
    let next = match arguments.kind {
        InitKind::Node => format!("ilp-connector run --config {shown}"),
        InitKind::Network => format!("ilp-connector up {shown}"),
    };
    writeln!(out, "wrote {}; only you can read it, because it has secrets", file.display())?;
    writeln!(out, "next: {next}")?;
    Ok(out.flush()?)
}

/// The text with a secret of its own in each place.
pub(super) fn draw_secrets(template: &str) -> String {
    let mut parts = template.split(SECRET);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(&draw_secret());
        text.push_str(part);
    }
    text
}

/// 128 random bits.
pub(super) fn draw_secret() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// Writes a file that does not exist yet, and that only its owner may read.
pub(super) fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_secret_is_another_one() {
        let text = draw_secrets(NODE);
        assert!(!text.contains('{') || !text.contains(SECRET), "{text}");
        let secrets: BTreeSet<&str> = text
            .split_whitespace()
            .filter(|word| word.len() == 32 && word.chars().all(|c| c.is_ascii_hexdigit()))
            .collect();
        assert_eq!(secrets.len(), NODE.matches(SECRET).count());
        assert_eq!(secrets.len(), 4);
    }
}
