//! `ledger income`.

use std::io::Write;

use serde_json::{Value, json};

use super::super::args::IncomeArguments;
use super::{NamedStore, checked_period, failed, print_json, print_table};
use crate::account::Asset;
use crate::books::{Earned, FlowEnd, FlowSums, Income, IncomeParts, mid_rate};
use crate::config::Environment;
use crate::console::{Cell, Failure, Table, decimal};
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
        return print_json(&as_json(&income), out);
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

/// Amounts are texts: JSON numbers are not exact beyond 53 bits.
fn as_json(income: &Income) -> Value {
    let end = |FlowEnd { name, asset }: &FlowEnd| json!({ "account": &**name, "assetCode": &*asset.code, "assetScale": asset.scale });
    let flow = |(from, to, sums): &(FlowEnd, FlowEnd, FlowSums)| {
        json!({
            "from": end(from),
            "to": end(to),
            "packets": sums.packets.to_string(),
            "amountIn": sums.amount_in.to_string(),
            "amountOut": sums.amount_out.to_string(),
            "amountAtMid": sums.amount_at_mid.to_string(),
            "spread": sums.spread.to_string(),
            "rounding": sums.rounding().to_string(),
            "midRate": mid_rate(&from.asset, &to.asset, *sums).map(|rate| rate.to_string()),
        })
    };
    let by_account = income.by_account.iter().map(|(account, one)| {
        let mut body = earned_json(one);
        if let Some(keys) = body.as_object_mut() {
            keys.insert("account".to_owned(), json!(&**account));
        }
        body
    });
    let losses = income.losses.iter().map(|(account, Earned { asset, amount, .. })| {
        json!({
            "account": &**account,
            "assetCode": &*asset.code,
            "assetScale": asset.scale,
            "amount": amount.to_string(),
        })
    });
    json!({
        "flows": income.flows.iter().map(flow).collect::<Vec<_>>(),
        "byAccount": by_account.collect::<Vec<_>>(),
        "total": income.total.iter().map(earned_json).collect::<Vec<_>>(),
        "losses": losses.collect::<Vec<_>>(),
        "unattributed": income.unattributed.iter().map(earned_json).collect::<Vec<_>>(),
    })
}

fn earned_json(Earned { asset, amount, parts }: &Earned) -> Value {
    json!({
        "assetCode": &*asset.code,
        "assetScale": asset.scale,
        "amount": amount.to_string(),
        "spread": parts.spread.to_string(),
        "rounding": parts.rounding.to_string(),
        "exchange": parts.exchange.to_string(),
        "own": parts.own.to_string(),
    })
}
