//! The journal format of hledger, as far as `ledger` reads it too.

use std::collections::BTreeSet;
use std::fmt::{Result, Write};

use super::{Decimal, account_parts};
use crate::books::date::date;
use crate::books::journal::{Journal, Posting};

pub(super) fn write(journal: &Journal, out: &mut String) -> Result {
    writeln!(out, "; books {}, times in UTC", journal.books_id)?;
    let entries = || journal.entries.iter().flat_map(|entry| &entry.postings);
    let postings = || entries().chain(&journal.balances);
    let commodities: BTreeSet<_> =
        postings().map(|posting| commodity(&posting.asset.code)).collect();
    for commodity in commodities {
        writeln!(out, "commodity {commodity}")?;
    }
    let accounts: BTreeSet<_> = postings().map(account).collect();
    for account in accounts {
        writeln!(out, "account {account}")?;
    }
    for entry in &journal.entries {
        writeln!(out, "\n{} * {}", date(entry.at), description(&entry.text))?;
        for posting in &entry.postings {
            writeln!(out, "    {}  {}", account(posting), amount(posting))?;
        }
    }
    if !journal.balances.is_empty() {
        writeln!(out, "\n{} * closing balances", date(journal.closed_at))?;
    }
    for balance in &journal.balances {
        let nothing = Posting { amount: 0, ..balance.clone() };
        writeln!(out, "    {}  {} = {}", account(balance), amount(&nothing), amount(balance))?;
    }
    Ok(())
}

/// Names of accounts end at two spaces; ids and assets have none.
fn account(Posting { account, asset, .. }: &Posting) -> String {
    match account_parts(account) {
        (parent, Some(name)) => format!("{parent}:{name}:{asset}"),
        (parent, None) => format!("{parent}:{asset}"),
    }
}

fn amount(posting: &Posting) -> String {
    let decimal = Decimal { units: posting.amount, scale: posting.asset.scale };
    format!("{decimal} {}", commodity(&posting.asset.code))
}

/// Symbols that are not made of letters stand in quotation marks.
fn commodity(code: &str) -> String {
    match code.chars().all(|c| c.is_ascii_alphabetic()) {
        true => code.to_owned(),
        false => format!("\"{code}\""),
    }
}

/// A semicolon begins a comment.
fn description(text: &str) -> String {
    text.replace(';', ",").replace(char::is_control, " ")
}
