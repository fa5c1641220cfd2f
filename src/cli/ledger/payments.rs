//! `ledger payments`: which payments have reached the receivers.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::json;

use super::super::args::PaymentsArguments;
use super::{NamedStore, failed, print_json, print_table};
use crate::books::{ReceivedPayment, SavedBooks};
use crate::config::Environment;
use crate::console::{Cell, Failure, Table, decimal};
use crate::store::Store;

const COLUMNS: [&str; 6] = ["RECEIVER", "ASSET", "CONNECTION", "PACKETS", "AMOUNT (UNITS)", "LAST"];

pub(super) fn run(
    arguments: &PaymentsArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let store = NamedStore::find(&arguments.store, environment)?;
    let mut books = Store::read(&store.place, &store.identity()).map_err(failed)?;
    let paid = paid_receivers(&books);
    if let Some(receiver) = &arguments.receiver {
        books.payments.retain(|payment| *payment.key.receiver == **receiver);
    }
    if arguments.json {
        return print_json(&as_json(&books), out);
    }
    if books.payments.is_empty() {
        let receiver = arguments.receiver.as_deref().unwrap_or("a receiver");
        let others = if paid.is_empty() { paid } else { format!("; others have payments: {paid}") };
        writeln!(out, "no payment has reached {receiver} yet{others}")?;
        return Ok(());
    }
    let mut table = Table::new(&COLUMNS);
    for ReceivedPayment { key, packets, amount, last_at, .. } in &books.payments {
        let connection = if key.connection.is_empty() { "(older)" } else { &*key.connection };
        table.add_row([
            Cell::left(&*key.receiver),
            Cell::left(&*key.asset.code),
            Cell::left(connection),
            Cell::right(packets.to_string()),
            Cell::right(format!("{} ({amount})", decimal(*amount, key.asset.scale))),
            Cell::left(last_at.to_string()),
        ]);
    }
    print_table(&table, out)
}

/// The receivers that payments have reached, as a list.
fn paid_receivers(books: &SavedBooks) -> String {
    let receivers = books.payments.iter().map(|payment| &*payment.key.receiver);
    let receivers: BTreeSet<&str> = receivers.collect();
    receivers.into_iter().collect::<Vec<_>>().join(", ")
}

/// Amounts are texts: JSON numbers are not exact beyond 53 bits.
fn as_json(books: &SavedBooks) -> serde_json::Value {
    let payments =
        books.payments.iter().map(|ReceivedPayment { key, packets, amount, last_at, .. }| {
            let connection = Some(&*key.connection).filter(|id| !id.is_empty());
            json!({
                "receiver": &*key.receiver,
                "assetCode": &*key.asset.code,
                "assetScale": key.asset.scale,
                "connection": connection,
                "packets": packets,
                "amount": amount.to_string(),
                "lastAt": last_at.to_string(),
            })
        });
    let payments: Vec<_> = payments.collect();
    json!({ "books": books.books_id, "cut": books.cut.0, "payments": payments })
}
