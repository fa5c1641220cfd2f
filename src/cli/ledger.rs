//! `ledger`: reads the books of a node, and changes them for an operator.

mod balances;
pub(super) mod change;
mod export;
mod income;
mod payments;
mod statement;
mod through_node;

use std::io::Write;

use super::args::{LedgerArguments, LedgerCommand, StoreArguments};
use crate::books::Period;
use crate::config::{Environment, NodeConfig, variable};
use crate::console::{Failure, NAME_A_FILE, Table, count, error_chain, load_local_node};
use crate::net::StorePlace;
use crate::store::{OpenError, Store, StoreIdentity};
use crate::wire::Timestamp;

pub(super) fn run(
    arguments: &LedgerArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    match &arguments.command {
        LedgerCommand::Balances(arguments) => balances::run(arguments, environment, out),
        LedgerCommand::Payments(arguments) => payments::run(arguments, environment, out),
        LedgerCommand::Statement(arguments) => statement::run(arguments, environment, out),
        LedgerCommand::Income(arguments) => income::run(arguments, environment, out),
        LedgerCommand::Verify(arguments) => verify(arguments, environment, out),
        LedgerCommand::Resolve(arguments) => change::resolve(arguments, environment, out, err),
        LedgerCommand::Adjust(arguments) => change::adjust(arguments, environment, out, err),
        LedgerCommand::Export(arguments) => export::run(arguments, environment, out),
        LedgerCommand::Backup(arguments) => {
            let store = NamedStore::find(&arguments.store, environment)?;
            Store::backup(&store.place, &arguments.file).map_err(failed)?;
            writeln!(out, "copied {} to {}", store.place, arguments.file.display())?;
            Ok(())
        }
        LedgerCommand::Restore(arguments) => {
            let store = NamedStore::find(&arguments.store, environment)?;
            let restored = Store::restore(&store.place, &arguments.file, &store.identity());
            let (books, aside) = restored.map_err(failed)?;
            let (place, backup) = (&store.place, arguments.file.display());
            writeln!(out, "restored cut {} from {backup} to {place}", books.cut.0)?;
            if let Some(aside) = aside {
                writeln!(out, "what was there is now {}", aside.display())?;
            }
            Ok(())
        }
    }
}

/// The store that the arguments name.
struct NamedStore {
    place: StorePlace,
    /// The configuration that names it. `None`: `--store` does.
    config: Option<NodeConfig>,
}

impl NamedStore {
    fn find(arguments: &StoreArguments, environment: &Environment) -> Result<Self, Failure> {
        if let Some(place) = &arguments.store {
            let place = place.expose().parse();
            let place = place.map_err(|error| Failure::Usage(format!("--store: {error}")))?;
            return Ok(Self { place, config: None });
        }
        let config = load_local_node(&arguments.source, environment)?.config;
        let place = config.settings.store_place().ok_or_else(|| {
            Failure::Usage(match is_named(arguments, environment) {
                true => "this node has no store: its configuration sets no `store`; name a file with --store".to_owned(),
                false => format!("no node is named; {NAME_A_FILE}, or its store with --store"),
            })
        })?;
        Ok(Self { place, config: Some(config) })
    }

    /// Whose books they must be.
    fn identity(&self) -> StoreIdentity {
        StoreIdentity { node: self.config.as_ref().map(|config| config.settings.node_id.clone()) }
    }
}

/// Whether a file, or a variable with the store, says which node it is.
fn is_named(arguments: &StoreArguments, environment: &Environment) -> bool {
    arguments.source.config.is_some() || variable(environment, "CONFIG_FILE").is_some()
}

fn failed(error: OpenError) -> Failure {
    Failure::Failed(error_chain(&error))
}

fn checked_period(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Period, Failure> {
    Period::new(from, to).map_err(|error| Failure::Usage(format!("--to: {error}")))
}

fn print_json(value: &serde_json::Value, out: &mut dyn Write) -> Result<(), Failure> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// No column is left out: the output may go to a file.
fn print_table<const COLUMNS: usize>(
    table: &Table<COLUMNS>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    for line in table.lines(usize::MAX) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn verify(
    arguments: &StoreArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let store = NamedStore::find(arguments, environment)?;
    let books = Store::verify(&store.place, &store.identity()).map_err(failed)?;
    let accounts = count(books.accounts.len(), "account");
    writeln!(out, "ok: {accounts}, cut {}, books {}", books.cut.0, books.books_id)?;
    Ok(())
}
