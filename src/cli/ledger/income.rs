//! `ledger income`.

use std::io::Write;

use super::super::args::IncomeArguments;
use super::{NamedStore, checked_period, failed, print_json, print_table};
use crate::account::Asset;
use crate::books::{Earned, Income, IncomeParts};
use crate::config::Environment;
use crate::console::{Cell, Failure, Table, decimal};
use crate::observe::income_body;
use crate::store::Store;

pub(super) fn run(
    arguments: &IncomeArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let period = checked_period(arguments.from, arguments.to)?;
    let store = NamedStore::find(&arguments.store, environment)?;
    let history = Store::read_history(&store.place, &store.identity()).map_err(failed)?;
    let income = Income::new(&history, period);
    if arguments.json {
        let body = serde_json::to_value(income_body(&income)).map_err(std::io::Error::from)?;
        return print_json(&body, out);
    }
    let mut flows = Table::new(&["FROM", "TO", "PACKETS", "IN", "OUT", "SPREAD"]);
    for (from, to, sums) in &income.flows {
        flows.add_row([
            Cell::left(&*from.name),
            Cell::left(&*to.name),
            Cell::right(sums.packets.to_string()),
            amount(sums.amount_in, &from.asset),
            amount(sums.amount_out, &to.asset),
            amount(sums.spread, &to.asset),
        ]);
    }
    let mut earned = Table::new(&[
        "ACCOUNT",
        "ASSET",
        "SPREAD",
        "ROUNDING",
        "EXCHANGE",
        "OWN PACKETS",
        "EARNED",
    ]);
    for (account, one) in &income.by_account {
        earned.add_row(earned_row(account, one));
    }
    for (name, sums) in [("(total)", &income.total), (UNATTRIBUTED, &income.unattributed)] {
        for one in sums {
            earned.add_row(earned_row(name, one));
        }
        if sums.is_empty() {
            let zero = || Cell::right("0");
            let none = Cell::left("-");
            earned.add_row([Cell::left(name), none, zero(), zero(), zero(), zero(), zero()]);
        }
    }
    print_table(&flows, out)?;
    writeln!(out)?;
    print_table(&earned, out)?;
    if income.losses.is_empty() {
        return Ok(());
    }
    let mut losses = Table::new(&["ACCOUNT", "ASSET", "CONCEDED OR WRITTEN OFF"]);
    for (account, Earned { asset, amount: units, .. }) in &income.losses {
        let units = Cell::right(decimal(*units, asset.scale));
        losses.add_row([Cell::left(&**account), Cell::left(&*asset.code), units]);
    }
    writeln!(out)?;
    print_table(&losses, out)
}

const UNATTRIBUTED: &str = "(unattributed, of all time)";

fn earned_row(name: &str, earned: &Earned) -> [Cell; 7] {
    let Earned { asset, amount: sum, parts } = earned;
    let IncomeParts { spread, rounding, exchange, own } = *parts;
    let (name, code) = (Cell::left(name), Cell::left(&*asset.code));
    let cell = |units| Cell::right(decimal(units, asset.scale));
    [name, code, cell(spread), cell(rounding), cell(exchange), cell(own), cell(*sum)]
}

fn amount(units: i128, asset: &Asset) -> Cell {
    Cell::right(format!("{} {}", decimal(units, asset.scale), asset.code))
}
