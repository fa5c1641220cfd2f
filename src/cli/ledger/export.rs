//! `ledger export`: the books in double entry, for programs of accountants.

use std::io::Write;

use super::super::args::ExportArguments;
use super::{NamedStore, checked_period, failed};
use crate::books::Journal;
use crate::config::Environment;
use crate::console::Failure;
use crate::store::Store;

pub(super) fn run(
    arguments: &ExportArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let period = checked_period(arguments.from, arguments.to)?;
    let store = NamedStore::find(&arguments.store, environment)?;
    let history = Store::read_history(&store.place, &store.identity()).map_err(failed)?;
    let journal = Journal::new(&history, period);
    out.write_all(arguments.format.write(&journal).as_bytes())?;
    Ok(())
}
