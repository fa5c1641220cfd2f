//! `check`: reports mistakes in configuration files, without starting anything.

use std::io::Write;
use std::path::Path;

use super::args::CheckArguments;
use crate::config::{Diagnostic, Diagnostics, Environment, Loaded, Source};
use crate::console::{Failure, count};
use crate::topology::{self, Checked, Deployment};

/// Checks all files. A mistake in any of them makes the exit code 64.
pub(super) fn run(
    arguments: &CheckArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let checked_files: Vec<_> = arguments
        .files
        .iter()
        .map(|file| {
            let source = Source {
                file: Some(file.clone()),
                environment: environment.clone(),
                node: arguments.node.clone(),
                ..Source::default()
            };
            (file, topology::check(&source))
        })
        .collect();
    let nodes: Vec<&Loaded> = checked_files
        .iter()
        .filter_map(|(_, checked)| checked.as_ref().ok()?.node.as_ref())
        .collect();
    let findings = topology::check_link_ends(&nodes);
    let mut result = Ok(());
    for (file, checked) in checked_files {
        let name = file.display().to_string();
        let of_file = |problem: &&Diagnostic| problem.file.as_deref() == Some(name.as_str());
        let mistakes: Vec<&Diagnostic> = findings.mistakes.iter().filter(of_file).collect();
        write_warnings(findings.warnings.iter().filter(of_file), err)?;
        let (Ok(Checked { warnings, .. }) | Err(Diagnostics { warnings, .. })) = &checked;
        write_warnings(warnings.iter(), err)?;
        match checked {
            Ok(checked) if mistakes.is_empty() => {
                writeln!(out, "{}: ok, {}", file.display(), summarize(&checked))?;
                if arguments.print {
                    print_values(&checked, file, out)?;
                }
                continue;
            }
            Ok(_) => {
                for mistake in mistakes {
                    writeln!(err, "error: {mistake}")?;
                }
            }
            Err(problems) => {
                Failure::Configuration(problems).report(err);
            }
        }
        result = Err(Failure::ReportedUsage);
    }
    out.flush()?;
    result
}

fn write_warnings<'a>(
    warnings: impl Iterator<Item = &'a Diagnostic>,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    for warning in warnings {
        writeln!(err, "warning: {warning}")?;
    }
    Ok(())
}

fn summarize(checked: &Checked) -> String {
    match (&checked.topology, &checked.node) {
        (Some(topology), _) => {
            format!("a network of {}", count(topology.node_ids().count(), "node"))
        }
        (None, Some(node)) => {
            let (peers, routes) = (node.config.peers.len(), node.config.routes.len());
            format!(
                "node {} with {} and {}",
                node.config.settings.node_id,
                count(peers, "peer"),
                count(routes, "route")
            )
        }
        (None, None) => "nothing".to_owned(),
    }
}

/// The values of the node that was named, or of all nodes.
fn print_values(checked: &Checked, file: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(node) = &checked.node {
        return Ok(write!(out, "{}", node.print())?);
    }
    let Some(topology) = &checked.topology else { return Ok(()) };
    for id in topology.node_ids() {
        writeln!(out, "\n# node {id} of {}", file.display())?;
        write!(out, "{}", topology.node(id, Deployment::Spread)?.print())?;
    }
    Ok(())
}
