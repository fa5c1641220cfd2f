//! The command line: reads the arguments and runs a command. Results go to standard output, errors to standard error,
//! one `error: ` line each; the exit code says which kind of error it was (D14).
//!
//! `run`, `up` and `demo` start nodes, and `init` writes a file for them; `status`, `tap`, `top`, `edges`, `events`,
//! `routes` and `explain` ask them, `watch` shows them on a page, and `report` writes what they say into an archive;
//! `ledger` reads and changes their books; `check`, `compose`, `graph` and `schema` start nothing; the commands that
//! send packets are in [`tools`](crate::tools).

mod args;
mod asked_nodes;
mod audit;
mod check;
mod compose;
mod demo;
mod edges;
mod events;
mod explain;
mod graph;
mod healthcheck;
mod init;
mod ledger;
mod network_view;
mod observed;
mod package_file;
mod rates;
#[cfg(test)]
mod reference;
mod report;
mod routes;
mod run;
mod schema;
mod settlement;
mod status;
mod tap;
mod terminal;
mod top;
mod up;
mod up_page;
mod usage;
mod verbs;
mod watch;
mod webhook;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::args::{Command, CommandLine, CompletionsArguments, ManArguments};
use crate::config::{Environment, environment_of_process};
use crate::console::{Failure, block_on, report_clap_error};
use crate::tools::{bench, pay, ping, send, trace};
use crate::topology::PortReplacement;

/// Runs the command of these arguments. The first one is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command_line = match CommandLine::try_parse_from(&arguments) {
        Ok(command_line) => command_line,
        Err(error) => return report_clap_error(&usage::with_tip(error, &arguments), &arguments),
    };
    let environment = environment_of_process();
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match dispatch(command_line, &environment, Path::new(package_file::FILE), &mut out, &mut err) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&mut err),
    }
}

/// `variables`: those of the process.
fn dispatch(
    command_line: CommandLine,
    variables: &Environment,
    package_file: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let command = command_line.command.unwrap_or(Command::Run(command_line.run));
    let with_package_file =
        command.looks_for_a_node().then(|| package_file::find(package_file, variables));
    let environment = with_package_file.as_ref().unwrap_or(variables);
    match command {
        Command::Run(arguments) => run::run(&arguments, environment),
        Command::Demo(arguments) => demo::run(&arguments, environment, out),
        Command::Init(arguments) => init::run(&arguments, out),
        Command::Up(arguments) => up::run(&arguments, environment, out),
        Command::Check(arguments) => check::run(&arguments, environment, out, err),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments, environment, out, err),
        Command::Status(arguments) => status::run(&arguments, environment, out),
        Command::Tap(arguments) => tap::run(&arguments, environment, out, err),
        Command::Top(arguments) => top::run(&arguments, environment, out, err),
        Command::Edges(arguments) => edges::run(&arguments, environment, out, err),
        Command::Routes(arguments) => routes::run(&arguments, environment, out, err),
        Command::Rates(arguments) => rates::run(&arguments, environment, out, err),
        Command::Events(arguments) => events::run(&arguments, environment, out, err),
        Command::Explain(arguments) => explain::run(&arguments, environment, out, err),
        Command::Watch(arguments) => watch::run(&arguments, environment, out, err),
        Command::Graph(arguments) => graph::run(&arguments, environment, out),
        Command::Ping(arguments) => block_on(ping::run(&arguments, environment, out)),
        Command::Trace(arguments) => block_on(trace::run(&arguments, environment, out)),
        Command::Pay(arguments) => block_on(pay::run(&arguments, environment, out)),
        Command::Send(arguments) => block_on(send::run(&arguments, environment, out)),
        Command::Bench(arguments) => bench::run(&arguments, out, err),
        Command::Ledger(arguments) => ledger::run(&arguments, environment, out, err),
        Command::Webhook(arguments) => webhook::run(&arguments, environment, out),
        Command::Settlement(arguments) => settlement::run(&arguments, environment, out, err),
        Command::Suspend(arguments) => verbs::suspend(&arguments, environment, out),
        Command::Resume(arguments) => verbs::resume(&arguments, environment, out),
        Command::Reconcile(arguments) => verbs::reconcile(&arguments, environment, out),
        Command::Reconnect(arguments) => verbs::reconnect(&arguments, environment, out),
        Command::LogLevel(arguments) => verbs::set_log_level(&arguments, environment, out),
        Command::Audit(arguments) => audit::run(&arguments, out),
        Command::Report(arguments) => report::run(&arguments, variables, environment, out, err),
        Command::Compose(arguments) => compose::run(&arguments, environment, out, err),
        Command::Schema(arguments) => schema::run(&arguments, out),
        Command::Completions(arguments) => print_completions(&arguments, out),
        Command::Man(arguments) => write_manual(&arguments),
    }
}

/// Which port replaces one that a node of a network cannot have, and how tools find it. No variable sets the HTTP port
/// of the node that `pay` asks, because that is not the node that it logs in at.
fn describe_replaced_port(port: &PortReplacement, why: &str, file: &Path) -> String {
    let PortReplacement { node, key, wanted, instead } = port;
    let replaced = format!("port {wanted} ({key} of {node}) {why}; {node} has {instead} instead");
    let variable = match *key {
        "btpServerPort" => "BTP_SERVER_PORT",
        "healthCheckPort" => "HEALTH_CHECK_PORT",
        _ => {
            let url = format!("http://127.0.0.1:{instead}/<receiver>");
            return format!(
                "{replaced}: to pay a receiver of {node}, give its URL, {url} (https with tls)"
            );
        }
    };
    let file = file.display();
    format!(
        "{replaced}: for tools, {variable}={instead} ilp-connector ... --config {file} --node {node}"
    )
}

fn print_completions(arguments: &CompletionsArguments, out: &mut dyn Write) -> Result<(), Failure> {
    // The generator panics if a write fails; a write to a vector cannot.
    let mut script = Vec::new();
    let mut command = CommandLine::command();
    clap_complete::generate(arguments.shell, &mut command, "ilp-connector", &mut script);
    out.write_all(&script)?;
    Ok(out.flush()?)
}

fn write_manual(arguments: &ManArguments) -> Result<(), Failure> {
    let directory = &arguments.directory;
    clap_mangen::generate_to(CommandLine::command(), directory)
        .map_err(|error| Failure::Failed(format!("{}: {error}", directory.display())))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_report_shows_the_variables_that_are_set_and_finds_the_file_of_the_package() {
        let folder = tempfile::tempdir().unwrap();
        let (file, archive) = (folder.path().join("node.yaml"), folder.path().join("r.tar.gz"));
        // Nothing answers there.
        std::fs::write(&file, "nodeId: packaged\nhealthCheckPort: 1\n").unwrap();
        let line = ["ilp-connector", "report", "-o", archive.to_str().unwrap()];
        let command_line = CommandLine::try_parse_from(line).unwrap();
        let variables = [("LOG_LEVEL".to_owned(), "debug".to_owned())].into_iter().collect();
        dispatch(command_line, &variables, &file, &mut io::sink(), &mut io::sink()).unwrap();
        let bytes = std::fs::read(&archive).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*bytes));
        let files = archive.entries().unwrap().map(|entry| {
            let (mut entry, mut text) = (entry.unwrap(), String::new());
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().display().to_string(), text)
        });
        let files: Vec<(String, String)> = files.collect();
        let text = |ending: &str| {
            let mut found = files.iter().filter(|(name, _)| name.ends_with(ending));
            found.next().map(|(_, text)| text.as_str())
        };
        assert_eq!(text("/environment.txt"), Some("LOG_LEVEL=\"debug\"\n"));
        let values = text("/packaged.yaml").unwrap();
        assert!(values.contains("nodeId: packaged"), "{values}");
    }
}
