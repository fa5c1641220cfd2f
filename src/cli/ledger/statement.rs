//! `ledger statement`.

use std::io::Write;

use serde_json::json;

use super::super::args::StatementArguments;
use super::{NamedStore, failed, print_json, print_table};
use crate::books::{Period, Statement, date, statements_as_csv};
use crate::config::Environment;
use crate::console::{Cell, Failure, Table, decimal};
use crate::store::Store;

pub(super) fn run(
    arguments: &StatementArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let store = NamedStore::find(&arguments.store, environment)?;
    let history = Store::read_history(&store.place, &store.identity()).map_err(failed)?;
    let (from, to) = arguments.month;
    let period = Period { from: Some(from), to: Some(to) };
    let statements = Statement::of_account(&history, &arguments.account, period);
    if statements.is_empty() {
        return Err(Failure::Failed(format!(
            "there is no account {}; `ledger balances` lists those that have moved money",
            arguments.account
        )));
    }
    if arguments.json {
        print_json(&statements.iter().map(as_json).collect(), out)?;
    } else if arguments.csv {
        out.write_all(statements_as_csv(&statements).as_bytes())?;
    } else {
        for statement in &statements {
            print(statement, out)?;
        }
    }
    Ok(())
}

fn print(statement: &Statement, out: &mut dyn Write) -> Result<(), Failure> {
    let Statement { account, asset, opening, lines } = statement;
    let amount = |units| Cell::right(decimal(units, asset.scale));
    writeln!(out, "{account} ({asset})")?;
    let mut table = Table::new(&["DATE", "TEXT", "AMOUNT", "BALANCE"]);
    let total =
        |text: &str, units| [Cell::left(""), Cell::left(text), Cell::right(""), amount(units)];
    table.add_row(total("opening balance", *opening));
    for line in lines {
        table.add_row([
            Cell::left(date(line.at)),
            Cell::left(&*line.text),
            amount(line.amount),
            amount(line.balance),
        ]);
    }
    table.add_row(total("closing balance", statement.closing()));
    print_table(&table, out)
}

/// Amounts are texts: JSON numbers are not exact beyond 53 bits.
fn as_json(statement: &Statement) -> serde_json::Value {
    let Statement { account, asset, opening, lines } = statement;
    let lines = lines.iter().map(|line| {
        json!({
            "at": line.at.to_string(),
            "text": line.text,
            "amount": line.amount.to_string(),
            "balance": line.balance.to_string(),
        })
    });
    json!({
        "account": &**account,
        "assetCode": &*asset.code,
        "assetScale": asset.scale,
        "opening": opening.to_string(),
        "lines": lines.collect::<Vec<_>>(),
        "closing": statement.closing().to_string(),
    })
}
