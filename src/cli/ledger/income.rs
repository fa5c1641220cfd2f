//! `ledger income`.

use std::io::Write;

use serde_json::{Value, json};

use super::super::args::IncomeArguments;
use super::{NamedStore, failed, print_json, print_table};
use crate::account::Asset;
use crate::books::{Earned, FlowEnd, FlowSums, Income, Period};
use crate::config::Environment;
use crate::console::{Cell, Failure, Table, decimal};
use crate::store::Store;

pub(super) fn run(
    arguments: &IncomeArguments,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let store = NamedStore::find(&arguments.store, environment)?;
    let history = Store::read_history(&store.place, &store.identity()).map_err(failed)?;
    let period = Period { from: arguments.from, to: arguments.to };
    let income = Income::new(&history, period);
    if arguments.json {
        return print_json(&as_json(&income), out);
    }
    let mut flows = Table::new(&["FROM", "TO", "PACKETS", "IN", "OUT"]);
    for (from, to, sums) in &income.flows {
        flows.add_row([
            Cell::left(&*from.name),
            Cell::left(&*to.name),
            Cell::right(sums.packets.to_string()),
            amount(sums.amount_in, &from.asset),
            amount(sums.amount_out, &to.asset),
        ]);
    }
    let mut earned = Table::new(&["ACCOUNT", "EARNED"]);
    for (account, Earned { asset, amount: units }) in &income.by_account {
        earned.add_row([Cell::left(&**account), amount(*units, asset)]);
    }
    let sums = [("(total)", &income.total), ("(unattributed, of all time)", &income.unattributed)];
    for (name, sums) in sums {
        for Earned { asset, amount: units } in sums {
            earned.add_row([Cell::left(name), amount(*units, asset)]);
        }
        if sums.is_empty() {
            earned.add_row([Cell::left(name), Cell::right("0")]);
        }
    }
    print_table(&flows, out)?;
    writeln!(out)?;
    print_table(&earned, out)
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
        })
    };
    let earned = |Earned { asset, amount }: &Earned| {
        json!({
            "assetCode": &*asset.code,
            "assetScale": asset.scale,
            "amount": amount.to_string(),
        })
    };
    let by_account = income.by_account.iter().map(|(account, one)| {
        let Earned { asset, amount } = one;
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
        "total": income.total.iter().map(earned).collect::<Vec<_>>(),
        "unattributed": income.unattributed.iter().map(earned).collect::<Vec<_>>(),
    })
}
