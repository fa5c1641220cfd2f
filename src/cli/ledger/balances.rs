//! `ledger balances`.

use std::io::Write;

use serde_json::json;

use super::super::args::BalancesArguments;
use super::{NamedStore, failed, print_json, print_table};
use crate::books::SavedBooks;
use crate::config::Environment;
use crate::console::{Cell, Failure, Table, decimal};
use crate::store::Store;

const COLUMNS: [&str; 6] =
    ["ACCOUNT", "KIND", "ASSET", "BALANCE (UNITS)", "IN FLIGHT (UNITS)", "UNCERTAIN (UNITS)"];

pub(super) fn run(
    arguments: &BalancesArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let store = NamedStore::find(&arguments.store, environment)?;
    let mut books = Store::read(&store.place, &store.identity()).map_err(failed)?;
    books.accounts.retain(|account| !account.row.is_empty());
    if arguments.json {
        return print_json(&as_json(&books), out);
    }
    if books.accounts.is_empty() {
        writeln!(out, "no account has moved money yet")?;
        return Ok(());
    }
    let mut table = Table::new(&COLUMNS);
    for account in &books.accounts {
        let row = &account.row;
        // `ledger adjust` and `ledger resolve` take units.
        let amount = |units| Cell::right(format!("{} ({units})", decimal(units, row.asset.scale)));
        table.add_row([
            Cell::left(&*row.name),
            Cell::left(row.kind.as_str()),
            Cell::left(&*row.asset.code),
            amount(row.totals.balance()),
            amount(row.held_out),
            amount(row.uncertain),
        ]);
    }
    print_table(&table, out)
}

/// Amounts are texts: JSON numbers are not exact beyond 53 bits.
fn as_json(books: &SavedBooks) -> serde_json::Value {
    let accounts = books.accounts.iter().map(|account| {
        let row = &account.row;
        json!({
            "account": &*row.name,
            "kind": row.kind.as_str(),
            "assetCode": &*row.asset.code,
            "assetScale": row.asset.scale,
            "balance": row.totals.balance().to_string(),
            "fulfilledIn": row.totals.fulfilled_in.to_string(),
            "fulfilledOut": row.totals.fulfilled_out.to_string(),
            "settledIn": row.totals.settled_in.to_string(),
            "settledOut": row.totals.settled_out.to_string(),
            "adjusted": row.totals.adjusted.to_string(),
            "inFlight": row.held_out.to_string(),
            "uncertain": row.uncertain.to_string(),
        })
    });
    let accounts: Vec<_> = accounts.collect();
    json!({ "books": books.books_id, "cut": books.cut.0, "clean": books.was_clean, "accounts": accounts })
}
