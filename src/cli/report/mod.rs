//! `report`: one archive for a report of a fault, without secrets. It asks the nodes' own APIs and nothing else, and
//! names what it cannot have.

mod archive;
mod configuration;
mod content;
mod machine;
mod pages;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use self::archive::Archive;
use super::args::{NodeTarget, NodeTargets, ReportArguments};
use super::asked_nodes::{find_nodes_with, given_token};
use super::observed::page_client;
use crate::config::{Environment, Secret, shown_variables};
use crate::console::{Failure, block_on, error_chain, sanitize};
use crate::net::Clock;
use crate::remote::AskedNode;

/// The program and the moment.
const NAME: &str = "ilp-connector-report";

/// Writes the archive, and prints what is in it. `variables`: those that are set; `environment` also says where a node
/// of the package is.
pub(super) fn run(
    arguments: &ReportArguments,
    variables: &Environment,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let named = &arguments.named.targets()?;
    let token = given_token(named)?;
    if let Some(file) = named.files().find(|file| !file.exists()) {
        let file = sanitize(&file.display().to_string());
        return Err(Failure::Usage(format!("{file}: no such file")));
    }
    let made_at = Clock::start().now().wall.to_string();
    let mut archive = Archive::new(made_at.clone());
    machine::add(&mut archive, variables);
    let shown = shown_variables(variables);
    let lines = shown.into_iter().map(|(name, value)| format!("{name}={value}\n"));
    let about = "variables that the program reads by name; secrets are masked";
    archive.add_text("environment.txt", about, &lines.collect::<String>());
    configuration::add(&mut archive, named, environment);
    let nodes = asked_nodes(&mut archive, named, token.as_ref(), environment)?;
    let client = page_client(arguments.timeout)?.with_page_bytes(pages::PAGE_BYTES_MAX);
    block_on(async {
        pages::add_all(&mut archive, &client, &nodes, arguments.timeout).await;
        Ok(())
    })?;
    let bytes = archive.pack(env!("CARGO_PKG_VERSION"))?;
    if arguments.output.as_deref() == Some(Path::new("-")) {
        out.write_all(&bytes)?;
        out.flush()?;
        return archive.describe(err);
    }
    let file = arguments.output.clone().unwrap_or_else(|| default_name(&made_at));
    write_new(&file, &bytes)?;
    archive.describe(out)?;
    let kib = bytes.len().div_ceil(1024);
    writeln!(out, "wrote {} ({kib} KiB)", sanitize(&file.display().to_string()))?;
    writeln!(out, "it has no secrets, but names, addresses and balances: look it over")?;
    Ok(out.flush()?)
}

/// The nodes of all targets. A file with mistakes says of no node where it is.
fn asked_nodes(
    archive: &mut Archive,
    named: &NodeTargets,
    token: Option<&Secret>,
    environment: &Environment,
) -> Result<Vec<AskedNode>, Failure> {
    let mut nodes: Vec<AskedNode> = Vec::new();
    for target in named.each() {
        match find_nodes_with(&target, token.cloned(), environment) {
            Ok(found) => {
                for node in found {
                    if nodes.iter().all(|known| known.url != node.url) {
                        nodes.push(node);
                    }
                }
            }
            Err(Failure::Configuration(_)) => archive.miss(
                "nodes",
                "the configuration has mistakes, so that it does not say where nodes are; name their URLs",
            ),
            Err(failure) if matches!(*target.targets, [NodeTarget::Url(_)]) => return Err(failure),
            Err(failure) => archive.miss("nodes", &failure.to_string()),
        }
    }
    Ok(nodes)
}

/// `ilp-connector-report-20261128T123456Z.tar.gz`
fn default_name(made_at: &str) -> PathBuf {
    let seconds = made_at.split('.').next().unwrap_or(made_at);
    let plain = |c: &char| c.is_ascii_alphanumeric();
    let moment: String = seconds.chars().filter(plain).collect();
    format!("{NAME}-{moment}Z.tar.gz").into()
}

/// Creates the file, which only its owner may read.
fn write_new(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let file = sanitize(&file.display().to_string());
        Failure::Failed(match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{file}: it exists already; name another file with -o")
            }
            _ => format!("{file}: {}", error_chain(&error)),
        })
    };
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut opened = opened.map_err(failed)?;
    opened.write_all(bytes).and_then(|()| opened.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_has_the_time() {
        let name = default_name("2026-11-28T12:34:56.789Z");
        assert_eq!(name, PathBuf::from("ilp-connector-report-20261128T123456Z.tar.gz"));
    }
}
